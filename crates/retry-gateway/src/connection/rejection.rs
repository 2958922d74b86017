//! Why a client is turned away without an upstream.

use http::StatusCode;

/// Which limit of the gateway was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rejection {
    /// As many connections are open as may.
    Connections,
    /// A head is too large, or has too many lines.
    HeadTooLarge,
    /// What came is no head.
    BadHead,
    /// A head has begun, and does not end.
    HeadTimeout,
    /// A body has begun, and does not go on.
    BodyTimeout,
    /// Nobody takes the answer.
    WriteTimeout,
    /// As many requests are under way to the upstream as may.
    Overflow,
}

impl Rejection {
    /// As logs and metrics have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::HeadTooLarge => "head_too_large",
            Self::BadHead => "bad_head",
            Self::HeadTimeout => "header_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::WriteTimeout => "write_timeout",
            Self::Overflow => "overflow",
        }
    }

    /// Of a connection that ended in this way, if it was hyper that turned the client away.
    pub(crate) fn of(error: &hyper::Error) -> Option<Self> {
        match error {
            error if error.is_parse_too_large() => Some(Self::HeadTooLarge),
            error if error.is_parse() => Some(Self::BadHead),
            _ => None,
        }
    }

    /// What the log says of a client that is turned away before there is a request. Who is late gets no answer.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Connections | Self::Overflow => StatusCode::SERVICE_UNAVAILABLE,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BadHead => StatusCode::BAD_REQUEST,
            Self::HeadTimeout | Self::BodyTimeout | Self::WriteTimeout => StatusCode::REQUEST_TIMEOUT,
        }
    }
}
