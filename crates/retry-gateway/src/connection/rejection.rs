//! The reasons for which the gateway rejects a client's connection or request without an upstream.

use http::StatusCode;

/// The limit of the gateway that a client exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rejection {
    /// The limit `connections` is reached.
    Connections,
    /// The request's head exceeds `header_bytes`, or has more lines than `headers`.
    HeadTooLarge,
    /// The client sent bytes that are no valid request head.
    BadHead,
    /// The request's head did not end within `header_timeout`.
    HeaderTimeout,
    /// The client sent nothing of a request's body for `body_timeout`.
    BodyTimeout,
    /// The client sent less of a request's body than `body_min_rate`.
    BodyMinRate,
    /// The client read nothing of a response for `write_timeout`.
    WriteTimeout,
    /// The request has passed the gateway too often.
    Loop,
    /// The upstream's `max_requests` limit is reached.
    Overflow,
    /// The upstream's `max_pending_requests` limit is reached.
    Pending,
    /// The gateway stopped while the request waited or was in flight.
    Shutdown,
}

impl Rejection {
    pub(crate) const ALL: [Self; 11] = [
        Self::Connections,
        Self::HeadTooLarge,
        Self::BadHead,
        Self::HeaderTimeout,
        Self::BodyTimeout,
        Self::BodyMinRate,
        Self::WriteTimeout,
        Self::Loop,
        Self::Overflow,
        Self::Pending,
        Self::Shutdown,
    ];

    /// Returns the name of the limit in logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::HeadTooLarge => "head_too_large",
            Self::BadHead => "bad_head",
            Self::HeaderTimeout => "header_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::BodyMinRate => "body_min_rate",
            Self::WriteTimeout => "write_timeout",
            Self::Loop => "loop",
            Self::Overflow => "overflow",
            Self::Pending => "pending_overflow",
            Self::Shutdown => "shutdown",
        }
    }

    /// Returns the limit that hyper enforced, if that is how the connection ended.
    pub(crate) fn from_hyper(error: &hyper::Error) -> Option<Self> {
        match error {
            error if error.is_parse_too_large() => Some(Self::HeadTooLarge),
            error if error.is_parse() => Some(Self::BadHead),
            _ => None,
        }
    }

    /// Returns the status that the log shows for a client that is rejected before it has sent a whole head. A
    /// client that exceeded a timeout gets no response; its connection is closed.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Connections | Self::Overflow | Self::Pending | Self::Shutdown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BadHead => StatusCode::BAD_REQUEST,
            Self::HeaderTimeout | Self::BodyTimeout | Self::BodyMinRate | Self::WriteTimeout => {
                StatusCode::REQUEST_TIMEOUT
            }
        }
    }
}
