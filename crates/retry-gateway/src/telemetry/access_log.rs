//! The access log: one line of JSON for each request, on the standard output.

use std::net::IpAddr;

use serde::Serialize;

use crate::telemetry::log_writer::ACCESS_LOG;

/// The line of a request. All times are milliseconds.
#[derive(Serialize)]
pub(crate) struct LogLine<'a> {
    pub(crate) time: u64,
    pub(crate) client: IpAddr,
    pub(crate) method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<&'a str>,
    pub(crate) path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<&'a str>,
    /// The response's status, or 499 if the client closed its connection before it (nginx's convention).
    pub(crate) status: u16,
    /// The code with which a gRPC call ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grpc_status: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rejected: Option<&'static str>,
    /// The time to the head of the response.
    pub(crate) took_ms: u64,
    /// The end of the response's body; `None` without a response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response_end: Option<&'static str>,
    /// The bytes of the body that the client's connection got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response_bytes: Option<u64>,
    pub(crate) waited_ms: u64,
    /// The reason for which the request waited for the pace, or for which the pace rejected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paced: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paced_ms: Option<u64>,
    /// The reason for which the request left the upstream before the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fallback: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    pub(crate) attempts: Vec<AttemptLine<'a>>,
}

/// An attempt in the line of its request. All times are milliseconds.
#[derive(Serialize)]
pub(crate) struct AttemptLine<'a> {
    /// The upstream's name, on routes with a fallback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<&'a str>,
    pub(crate) endpoint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'static str>,
    /// The text of the error from the system or a library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<&'a str>,
    pub(crate) at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) took_ms: Option<u64>,
}

/// The line of a client that the gateway rejected before it had read a request.
#[derive(Serialize)]
pub(crate) struct RejectionLine<'a> {
    pub(crate) time: u64,
    pub(crate) client: IpAddr,
    /// `None` for a client that could read no response, because its TLS handshake failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    pub(crate) rejected: &'static str,
    /// The reason for which a TLS handshake failed, in the words of the TLS library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'a str>,
}

/// Queues a line for the standard output.
pub(crate) fn write(line: &impl Serialize) {
    match serde_json::to_string(line) {
        Ok(line) => ACCESS_LOG.write(&line),
        Err(_) => {
            ACCESS_LOG.dropped().inc();
        }
    }
}
