//! The connections to the endpoints of an upstream.

use std::time::Duration;

/// The settings of the connections to an upstream's endpoints. They are not shared between endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// The longest time for opening a connection, with its TLS handshake.
    pub connect_timeout: Duration,
    /// The longest time that a connection stays open without a request.
    pub pool_idle_timeout: Duration,
    /// The age from which a connection takes no further request; `None` for no limit.
    pub max_connection_age: Option<Duration>,
    /// The probes of TCP on a quiet connection; `None` for none.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// The longest time for which bytes that were sent may stay without an acknowledgement; `None` for the
    /// system's limit.
    pub tcp_user_timeout: Option<Duration>,
    /// The pings on an HTTP/2 connection with open streams; `None` for none.
    pub http2_keepalive: Option<Http2Keepalive>,
    /// The largest number of header lines of a response.
    pub max_response_headers: usize,
    /// The largest size of the head of a response, and of its trailers, in bytes.
    pub max_response_header_bytes: usize,
    /// The time between two look-ups of a host name.
    pub dns_refresh: Duration,
    /// The case of header names over HTTP/1.1. It is that of the whole gateway.
    pub header_case: HeaderCase,
}

/// The case of header names over HTTP/1.1, towards clients and endpoints. Without either setting, names are in lower case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderCase {
    /// A name that arrives over HTTP/1.1 keeps its case.
    pub preserve: bool,
    /// Other names have a capital at the start of each word, such as `Content-Type`.
    pub title: bool,
}

/// The probes of TCP, by which the system notices that a host has vanished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// The quiet time before the first probe.
    pub idle: Duration,
    /// The time between two probes.
    pub interval: Duration,
    /// The number of probes without an answer that end the connection.
    pub probes: u32,
}

/// The pings of HTTP/2, by which the gateway notices that an endpoint has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Keepalive {
    /// The quiet time before a ping.
    pub interval: Duration,
    /// The longest time for its answer.
    pub timeout: Duration,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            connect_timeout: CONNECT_TIMEOUT,
            pool_idle_timeout: Duration::from_secs(50),
            max_connection_age: None,
            tcp_keepalive: Some(TcpKeepalive::default()),
            tcp_user_timeout: Some(Duration::from_secs(30)),
            http2_keepalive: Some(Http2Keepalive::default()),
            max_response_headers: 256,
            max_response_header_bytes: 64 << 10,
            dns_refresh: Duration::from_secs(30),
            header_case: HeaderCase::default(),
        }
    }
}

impl Default for TcpKeepalive {
    /// Returns probes that begin before most NAT gateways and firewalls forget a quiet connection.
    fn default() -> Self {
        Self { idle: Duration::from_secs(60), interval: Duration::from_secs(10), probes: 3 }
    }
}

impl Default for Http2Keepalive {
    /// Returns an interval that servers of gRPC bear. They close a connection after the fourth ping in a row without
    /// data between, if the pings are less than five minutes apart. With 90 seconds, a stream is quiet for six minutes
    /// then, which is longer than a response may be quiet.
    fn default() -> Self {
        Self { interval: Duration::from_secs(90), timeout: Duration::from_secs(10) }
    }
}

/// It outlasts one lost SYN, which is sent again after a second (RFC 6298 section 2), and leaves most of an attempt's
/// time for the response.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
