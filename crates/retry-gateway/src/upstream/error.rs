//! The failures of an attempt.

use std::error::Error;
use std::{fmt, io};

use hyper_util::client::legacy;
use tower_http_retry::PaceError;
use tower_http_retry::pace::PaceRejection;

/// Why an attempt came to nothing.
#[derive(Debug)]
pub(crate) enum AttemptError {
    /// The connection, or what went over it.
    Client(legacy::Error),
    /// The try took too long, or it lasted until the route's timeout.
    Timeout(io::Error),
    /// The endpoint wants quiet for longer than the request may wait.
    Paced(PaceRejection),
    /// The response can be read in more than one way.
    Framing,
    /// The request's target makes no URI.
    Target,
    /// As many requests are under way to the upstream as may.
    Overflow,
}

impl AttemptError {
    /// As the log has it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Client(error) if error.is_connect() => "connect failed",
            Self::Client(_) => "broken off",
            Self::Timeout(_) => "timeout",
            Self::Paced(_) => "paced",
            Self::Framing => "bad framing",
            Self::Target => "bad target",
            Self::Overflow => "no room",
        }
    }
}

impl fmt::Display for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Error for AttemptError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Client(error) => Some(error),
            Self::Timeout(error) => Some(error),
            Self::Paced(refusal) => Some(refusal),
            Self::Framing | Self::Target | Self::Overflow => None,
        }
    }
}

/// A pace around an attempt, of the upstream or of the endpoint, adds nothing but its rejections.
impl From<PaceError<AttemptError>> for AttemptError {
    fn from(error: PaceError<AttemptError>) -> Self {
        error.into_inner().unwrap_or_else(Self::Paced)
    }
}
