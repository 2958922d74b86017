//! Limits on clients: connections, header sizes and timeouts.

use std::time::Duration;

/// Limits on the resources that clients may use, so that a few clients cannot take them from the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of clients at a time; at least 1.
    pub connections: usize,
    /// Header lines of a request; at least 1.
    pub headers: usize,
    /// Bytes of a request's head, from 8 KiB to 1 MiB.
    pub header_bytes: usize,
    /// The longest time from the first byte of a request's head to its last. It also bounds the wait for the
    /// first byte of a connection.
    pub header_timeout: Duration,
    /// The longest time that an HTTP/1.1 connection stays open between two requests.
    pub idle_timeout: Duration,
    /// The longest time that a client may send nothing of a request's body that the gateway waits for.
    pub body_timeout: Duration,
    /// The longest time that a client may read nothing of what the gateway sends.
    pub write_timeout: Duration,
    /// Requests at a time over one HTTP/2 connection; at least 1.
    pub max_concurrent_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // With as many connections to upstreams, a third of the open files that packaged services may
            // have.
            connections: 10_000,
            // hyper's default, up to which it needs no allocation.
            headers: 100,
            // Envoy's default. Cookies of several services on one domain can be 32 KiB, and hardly more.
            header_bytes: 60 * 1024,
            // A head is one packet or a few. This is time for three lost packets (RFC 6298).
            header_timeout: Duration::from_secs(10),
            // nginx's default. Most clients close a connection sooner, so the two sides rarely close at the
            // same time.
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            // nginx's default.
            write_timeout: Duration::from_secs(60),
            // hyper's default. RFC 9113 section 6.5.2 recommends at least 100.
            max_concurrent_streams: 200,
        }
    }
}

/// The default of `drain_timeout`: longer than most requests take, and shorter than the time after which a
/// supervisor kills the process, which is 90 s for systemd.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// The default of `max_requests`: the number of requests that may wait in a pace, so that it does not cut a
/// pace short.
pub(super) const MAX_REQUESTS: usize = 10_000;
