//! The access log: one line of JSON for each request, on the standard output.

use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;

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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rejected: Option<&'static str>,
    pub(crate) took_ms: u64,
    pub(crate) waited_ms: u64,
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
    pub(crate) at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) took_ms: Option<u64>,
}

/// The line of a client that the gateway rejected before it had read a request.
#[derive(Serialize)]
pub(crate) struct RejectionLine {
    pub(crate) time: u64,
    pub(crate) client: IpAddr,
    pub(crate) status: u16,
    pub(crate) rejected: &'static str,
}

/// Writes a line to the standard output.
pub(crate) fn write(line: &impl Serialize) {
    if let Ok(line) = serde_json::to_string(line) {
        // `println` would panic if the reader closed the pipe.
        let _ = writeln!(io::stdout(), "{line}");
    }
}
