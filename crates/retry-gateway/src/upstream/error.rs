//! The failures of an attempt.

use std::io;
use std::time::Duration;

use tower::load_shed::error::Overloaded;
use tower_http_retry::failure::{ClassifiedError, failure_kind_assuming_sent};
use tower_http_retry::pace::PaceRejection;
use tower_http_retry::{FailureKind, PaceError};

use crate::connection::descriptors;
use crate::upstream::pool::error::{PooledBodyError, SendError};

/// The failure of an attempt: an outcome without a response head.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.as_str())]
pub(crate) enum AttemptError {
    /// The connection could not be opened, or it failed before the response head.
    Client(#[source] SendError),
    /// The attempt was never sent, and an endpoint is left that the request has not tried. The policy sends it there at
    /// once.
    Redispatch(#[source] Box<AttemptError>),
    /// The per-try timeout or the route's timeout passed.
    Timeout(#[source] io::Error),
    /// The upstream paused for `response_idle_timeout` while the gateway held all of its response.
    ResponseIdle(#[source] io::Error),
    /// A pace rejected the attempt, because its wait would be too long or too many requests wait already.
    Paced {
        #[source]
        rejection: PaceRejection,
        /// The time for which the limit lasts, if the pace knows it.
        retry_after: Option<Duration>,
    },
    /// The request target does not form a URI at the endpoint.
    Target,
    /// The request asks for another protocol, and the upstream speaks HTTP/2, which has no such requests.
    UpgradeOverHttp2,
    /// No endpoint took a connection within `wait_while_down`.
    Down(#[source] ClassifiedError),
    /// The requests that wait at the upstream are as many as its `max_pending_requests` allows.
    TooManyWaiters(#[source] Overloaded),
    /// The client did not send its body, so the endpoint is not to blame, and a resend would fail in the same way.
    Upload(#[source] ClassifiedError),
    /// The gateway stops, and the request still waits.
    Shutdown,
    /// The upstream has as many requests in flight as its `max_requests` allows.
    Overflow(#[source] Overloaded),
}

/// The error that cuts a response off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResponseBodyError {
    /// The upstream did not send its response to the end.
    #[error("the upstream broke its response off")]
    Upstream(#[source] PooledBodyError),
    /// The upstream sent nothing for `response_idle_timeout`.
    #[error("the upstream sent no part of its response for response_idle_timeout")]
    IdleTimeout,
}

impl AttemptError {
    /// Creates the error of an upstream whose `max_requests` is reached. The policy sees our own load shedding
    /// in it, and does not retry it.
    pub(crate) fn overflow() -> Self {
        Self::Overflow(Overloaded::new())
    }

    /// Creates the error of a request that failed on its way to the head of its response.
    pub(crate) fn from_send(error: SendError) -> Self {
        match error {
            SendError::NoPermit => Self::overflow(),
            error => Self::Client(error),
        }
    }

    /// Creates the error of a response that ended while the gateway held all of it.
    pub(crate) fn from_body(error: ResponseBodyError) -> Self {
        match error {
            ResponseBodyError::Upstream(error) => Self::Client(SendError::cut(error)),
            ResponseBodyError::IdleTimeout => Self::ResponseIdle(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Creates the error of a request that waited in vain for an endpoint to take a connection.
    pub(crate) fn down() -> Self {
        Self::Down(ClassifiedError::new(FailureKind::NeverSent, "no endpoint took a connection"))
    }

    /// Creates the error of an attempt whose client did not send its body.
    pub(crate) fn upload() -> Self {
        Self::Upload(ClassifiedError::new(FailureKind::Permanent, "the client did not send its body"))
    }

    /// Creates the error of a request that may not wait.
    pub(crate) fn too_many_waiters() -> Self {
        Self::TooManyWaiters(Overloaded::new())
    }

    /// Returns true if the gateway itself had no file descriptor left for the connection.
    pub(crate) fn is_out_of_descriptors(&self) -> bool {
        matches!(self, Self::Client(error) if error.is_connect() && descriptors::is_exhausted(error))
    }

    /// Returns whether the endpoint took no connection for the attempt, so that nothing was sent. Another endpoint may
    /// take one, unless the gateway itself has no descriptor left.
    pub(crate) fn is_never_sent(&self) -> bool {
        failure_kind_assuming_sent(self) == FailureKind::NeverSent && !self.is_out_of_descriptors()
    }

    /// Returns the failure's name in the access log and in spans.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Client(_) if self.is_out_of_descriptors() => "no descriptor",
            Self::Client(error) if error.is_connect() => CONNECT_FAILED,
            Self::Client(SendError::NoConnection(_)) => "no connection",
            Self::Client(SendError::HeadTooLarge(_)) => "head too large",
            Self::Client(SendError::Malformed(_)) => "malformed response",
            Self::Client(_) => "broken off",
            Self::Redispatch(error) => error.as_str(),
            Self::Timeout(_) | Self::ResponseIdle(_) => "timeout",
            Self::Paced { .. } => "paced",
            Self::Target => "bad target",
            Self::UpgradeOverHttp2 => "upgrade over http2",
            Self::Overflow(_) => "overflow",
            Self::Down(_) => "down",
            Self::TooManyWaiters(_) => "too many waiters",
            Self::Upload(_) => "upload",
            Self::Shutdown => "shutdown",
        }
    }
}

/// A rejection counts in the same way, whether the pace of the upstream or that of the endpoint made it.
impl From<PaceError<AttemptError>> for AttemptError {
    fn from(error: PaceError<AttemptError>) -> Self {
        let retry_after = error.retry_after();
        error.into_inner().unwrap_or_else(|rejection| Self::Paced { rejection, retry_after })
    }
}

/// The name of a connection that could not be opened.
pub(crate) const CONNECT_FAILED: &str = "connect failed";
