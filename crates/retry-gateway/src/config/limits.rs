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
    /// The longest time that a connection stays open between two requests.
    pub idle_timeout: Duration,
    /// The longest time that a client may send nothing of a request's body that the gateway waits for.
    pub body_timeout: Duration,
    /// The fewest bytes a second that a client may send of a request's body that the gateway waits for,
    /// over any 30 s of waiting; `None` for no bound.
    pub body_min_rate: Option<u32>,
    /// The longest time that a client may read nothing of what the gateway sends. It holds for each HTTP/2
    /// stream.
    pub write_timeout: Duration,
    /// The longest time that a tunnel stays open although no byte passes through it.
    pub tunnel_idle_timeout: Duration,
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
            // A body of 64 KiB then takes two minutes at most, and the slowest mobile networks are faster.
            body_min_rate: Some(500),
            // nginx's default.
            write_timeout: Duration::from_secs(60),
            // HAProxy's documentation proposes it. Most protocols over a tunnel send a ping each minute.
            tunnel_idle_timeout: Duration::from_secs(3_600),
            // hyper's default. RFC 9113 section 6.5.2 recommends at least 100.
            max_concurrent_streams: 200,
        }
    }
}

/// The default of `drain_timeout`: longer than most requests take, and shorter than the time after which a
/// supervisor kills the process, which is 90 s for systemd.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// The default of `max_requests`: as many as the connections of clients, so that it rejects no client where one
/// upstream has all the traffic over HTTP/1.1.
pub(super) const MAX_REQUESTS: usize = 10_000;
/// The default of `max_pending_requests`: as many as `max_requests`, so that each request that is in flight can wait for a
/// resend, and as the default `waiters` of a pace.
pub(super) const MAX_PENDING_REQUESTS: usize = MAX_REQUESTS;
