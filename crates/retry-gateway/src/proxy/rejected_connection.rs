//! Counts and logs the connections of clients that the gateway rejects before it has read a request.

use std::net::IpAddr;
use std::time::SystemTime;

use crate::connection::rejection::Rejection;
use crate::connection::tls::HandshakeFailure;
use crate::proxy::state::Gateway;
use crate::telemetry::access_log::{self, RejectionLine};
use crate::time::millis::millis;

/// Counts and logs a connection that the gateway rejected before it read a request.
pub(crate) fn record(gateway: &Gateway, client: IpAddr, rejection: Rejection) {
    gateway.metrics.record_rejection(rejection);
    if gateway.logs_access {
        access_log::write(&RejectionLine {
            time: SystemTime::UNIX_EPOCH.elapsed().map_or(0, millis),
            client,
            status: Some(rejection.status().as_u16()),
            rejected: rejection.as_str(),
            error: None,
        });
    }
}

/// Counts and logs a client whose TLS handshake failed.
pub(crate) fn record_handshake_failure(
    gateway: &Gateway,
    client: IpAddr,
    failure: HandshakeFailure,
    detail: &str,
) {
    gateway.metrics.record_handshake_failure(failure);
    if gateway.logs_access {
        access_log::write(&RejectionLine {
            time: SystemTime::UNIX_EPOCH.elapsed().map_or(0, millis),
            client,
            status: None,
            rejected: "tls_handshake",
            error: Some(detail),
        });
    }
}
