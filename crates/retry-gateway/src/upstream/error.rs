//! The failures of an attempt.

use std::io;

use hyper_util::client::legacy;
use tower_http_retry::PaceError;
use tower_http_retry::pace::PaceRejection;

/// The failure of an attempt: an outcome without a response head.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.as_str())]
pub(crate) enum AttemptError {
    /// The connection could not be opened, or it failed before the response head.
    Client(#[source] legacy::Error),
    /// The per-try timeout or the route's timeout passed.
    Timeout(#[source] io::Error),
    /// A pace rejected the attempt, because its wait would be too long or too many requests wait already.
    Paced(#[source] PaceRejection),
    /// The framing of the response is ambiguous.
    Framing,
    /// The request target does not form a URI at the endpoint.
    Target,
    /// The upstream has as many requests in flight as its `max_requests` allows.
    Overflow,
}

impl AttemptError {
    /// Returns the failure's name in the access log and in spans.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Client(error) if error.is_connect() => "connect failed",
            Self::Client(_) => "broken off",
            Self::Timeout(_) => "timeout",
            Self::Paced(_) => "paced",
            Self::Framing => "bad framing",
            Self::Target => "bad target",
            Self::Overflow => "overflow",
        }
    }
}

/// A rejection counts in the same way, whether the pace of the upstream or that of the endpoint made it.
impl From<PaceError<AttemptError>> for AttemptError {
    fn from(error: PaceError<AttemptError>) -> Self {
        error.into_inner().unwrap_or_else(Self::Paced)
    }
}
