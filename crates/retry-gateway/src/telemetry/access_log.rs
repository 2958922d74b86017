//! The lines of the access log: one JSON object for each request, on the standard output.

use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;

/// The line of a request. Times are milliseconds.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
    pub(crate) time: u64,
    pub(crate) client: IpAddr,
    pub(crate) method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<&'a str>,
    pub(crate) path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<&'a str>,
    /// 499 where the client was gone, as nginx has it.
    pub(crate) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rejected: Option<&'static str>,
    pub(crate) took_ms: u64,
    pub(crate) waited_ms: u64,
    /// Why it left the upstream that it was sent to before the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fallback: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    pub(crate) attempts: Vec<AttemptLine<'a>>,
}

/// What the log says of an attempt. Times are milliseconds.
#[derive(Serialize)]
pub(crate) struct AttemptLine<'a> {
    /// Where there are several.
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

/// The line of a client that was rejected before there was a request.
#[derive(Serialize)]
pub(crate) struct RejectedLine {
    pub(crate) time: u64,
    pub(crate) client: IpAddr,
    pub(crate) status: u16,
    pub(crate) rejected: &'static str,
}

/// Writes a line.
pub(crate) fn write(line: &impl Serialize) {
    if let Ok(line) = serde_json::to_string(line) {
        // Not `println`, which panics where nobody reads.
        let _ = writeln!(io::stdout(), "{line}");
    }
}
