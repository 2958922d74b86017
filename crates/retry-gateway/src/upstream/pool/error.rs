//! The failures of a request on a connection of the pool.

use std::error::Error;
use std::io;

use tower_http_retry::failure::ClassifiedError;
use tower_http_retry::{BoxError, FailureKind};

/// The failure of a request to an endpoint, before the head of its response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The connection could not be opened.
    #[error("the connection could not be opened")]
    Connect(#[source] ClassifiedError),
    /// The attempt's time passed before it had a connection, or a stream of one.
    #[error("the attempt got no connection in its time")]
    NoConnection(#[source] ClassifiedError),
    /// The request has a connection, but got no permit of `max_requests` in its time.
    #[error("the attempt got no permit in its time")]
    NoPermit,
    /// The head of the response has more lines or bytes than `max_response_headers` and `max_response_header_bytes` allow.
    #[error("the head of the response is too large")]
    HeadTooLarge(#[source] ClassifiedError),
    /// The response is not one of HTTP.
    #[error("the response is malformed")]
    Malformed(#[source] ClassifiedError),
    /// The response broke off while the gateway held all of it.
    #[error("the response broke off")]
    Cut(#[source] ClassifiedError),
    /// The connection closed, and the endpoint had told that it does not process the request.
    #[error("the endpoint closed the connection and did not process the request")]
    Unprocessed(#[source] ClassifiedError),
    /// The connection failed.
    #[error("the connection failed")]
    Connection(#[source] hyper::Error),
}

/// The error of a response body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PooledBodyError {
    /// The connection failed before the end of the body.
    #[error("the connection failed")]
    Connection(#[source] hyper::Error),
    /// The endpoint ended the stream of the response without an error, and without the end of the body.
    #[error("the stream ended before the body")]
    Incomplete,
    /// The trailers have more lines or bytes than `max_response_headers` and `max_response_header_bytes` allow.
    #[error("the trailers of the response are too large")]
    TrailersTooLarge,
}

impl SendError {
    /// Creates the error of a request whose time passed while its connection was being opened.
    pub(super) fn connect_timeout() -> Self {
        Self::Connect(ClassifiedError::connect(io::Error::from(io::ErrorKind::TimedOut)))
    }

    /// Creates the error of a request whose time passed while it waited for a connection.
    pub(super) fn no_connection() -> Self {
        let waited = "no connection was free in time";
        Self::NoConnection(ClassifiedError::new(FailureKind::NeverSent, waited))
    }

    /// Creates the error of a response whose head is too large. It would be as large the next time.
    pub(super) fn head_too_large(source: impl Into<BoxError>) -> Self {
        Self::HeadTooLarge(ClassifiedError::new(FailureKind::Permanent, source))
    }

    /// Creates the error of a response before any of it went to the client. The endpoint has seen the request, whatever the
    /// error says.
    pub(crate) fn cut(error: PooledBodyError) -> Self {
        Self::Cut(ClassifiedError::new(FailureKind::MaybeProcessed, error))
    }

    /// Creates the error of a 101 to a request that asked for no upgrade.
    pub(crate) fn unasked_upgrade() -> Self {
        let switched = "the endpoint switched protocols, and was not asked to";
        Self::Malformed(ClassifiedError::new(FailureKind::Permanent, switched))
    }

    /// Creates the error of a response whose end its head leaves open to two readings.
    pub(crate) fn ambiguous_framing() -> Self {
        let framing = "the framing of the response is ambiguous";
        Self::Malformed(ClassifiedError::new(FailureKind::Permanent, framing))
    }

    /// Creates the error of a request that a connection has taken.
    pub(super) fn from_hyper(error: hyper::Error) -> Self {
        if error.is_parse_too_large() {
            Self::head_too_large(error)
        } else if error.is_parse() || is_malformed_stream(&error) {
            Self::Malformed(ClassifiedError::new(FailureKind::Permanent, error))
        } else {
            Self::Connection(error)
        }
    }

    /// Returns the error of a request that a GOAWAY does not count in. hyper's error tells less: it reports a GOAWAY also for
    /// requests that may have been processed.
    pub(super) fn with_goaway(self) -> Self {
        match self {
            Self::Connection(error) if !error.is_user() => {
                let text = error.to_string();
                Self::Unprocessed(ClassifiedError::new(FailureKind::Unprocessed, text))
            }
            error => error,
        }
    }

    /// Returns whether the endpoint did not take the connection.
    pub(crate) fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(_))
    }
}

/// Returns whether h2 itself ended the stream, because the response on it breaks RFC 9113 section 8.1.1. It would break it
/// the next time too. h2 says the same of the streams of a connection whose frames break the protocol.
fn is_malformed_stream(error: &hyper::Error) -> bool {
    let stream = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    stream.is_some_and(|error| error.is_library() && error.reason() == Some(h2::Reason::PROTOCOL_ERROR))
}
