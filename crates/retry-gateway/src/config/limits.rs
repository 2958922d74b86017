//! How much the gateway takes of its clients.

use std::time::Duration;

/// What clients may take of the gateway, so that some of them cannot take it from all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; at least 1.
    pub connections: usize,
    /// Header lines of a request; at least 1.
    pub headers: usize,
    /// Bytes of a request's head, from 8 KiB to 1 MiB.
    pub header_bytes: usize,
    /// How long a head may take from its first byte on, and the first byte of a connection.
    pub header_timeout: Duration,
    /// How long a connection of HTTP/1.1 is kept between two requests.
    pub idle_timeout: Duration,
    /// How long a client may send nothing of a body that is waited for.
    pub body_timeout: Duration,
    /// How long a client may take nothing of what is sent to it.
    pub write_timeout: Duration,
    /// Requests at a time over one connection of HTTP/2; at least 1.
    pub max_concurrent_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // With as many to upstreams, a third of what packaged services may open.
            connections: 10_000,
            // hyper's own, for which it needs no allocation.
            headers: 100,
            // Envoy's. Cookies of several services on one domain can be 32 KiB, and hardly more.
            header_bytes: 60 * 1024,
            // A head is one packet, or a few: that is time for three lost ones (RFC 6298).
            header_timeout: Duration::from_secs(10),
            // nginx's. Longer than most clients keep a connection, so that it is they who close it, and not both.
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            // nginx's.
            write_timeout: Duration::from_secs(60),
            // hyper's own. RFC 9113 section 6.5.2 wants no fewer than 100.
            max_concurrent_streams: 200,
        }
    }
}

/// Longer than most requests take, and shorter than what supervisors grant before they kill: 90 s is systemd's.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// As many as may wait in a pace, so that no pace is cut short.
pub(super) const MAX_REQUESTS: usize = 10_000;
