//! The error of a paced service.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http_retry::PaceRejection;

use crate::BoxError;

/// The error of a paced service: the inner service's own, or the pace's rejection of a request that was not sent.
///
/// ```
/// use tower_http_retry::PaceError;
/// use tower_http_retry::pace::PaceRejection;
///
/// fn status<E>(error: &PaceError<E>) -> u16 {
///     match error.rejection() {
///         Some(PaceRejection::TooLong) => 504,
///         Some(_) => 503,
///         None => 502,
///     }
/// }
/// # let _ = status::<std::io::Error>;
/// ```
#[derive(Debug)]
pub struct PaceError<E> {
    kind: PaceErrorKind<E>,
}

#[derive(Debug)]
enum PaceErrorKind<E> {
    Inner(E),
    Rejected { rejection: PaceRejection, retry_after: Option<Duration> },
}

impl<E> PaceError<E> {
    pub(crate) fn inner(error: E) -> Self {
        Self { kind: PaceErrorKind::Inner(error) }
    }

    /// Creates the error of a request that the pace rejected, while it knew that the limit lasts for `retry_after`.
    pub(crate) fn rejected(rejection: PaceRejection, retry_after: Option<Duration>) -> Self {
        Self { kind: PaceErrorKind::Rejected { rejection, retry_after } }
    }

    /// Returns whether the pace rejected the request. The request was then not sent.
    pub fn is_rejected(&self) -> bool {
        self.rejection().is_some()
    }

    /// Returns why the pace rejected the request, or `None` if the inner service failed.
    pub fn rejection(&self) -> Option<PaceRejection> {
        match self.kind {
            PaceErrorKind::Inner(_) => None,
            PaceErrorKind::Rejected { rejection, .. } => Some(rejection),
        }
    }

    /// Returns how long the server's limit still lasts, if the pace rejected the request and knew it: until the end of a stop,
    /// or until a quota that is used up resets. A server that answers for a paced service sends it as `Retry-After`.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            PaceErrorKind::Inner(_) => None,
            PaceErrorKind::Rejected { retry_after, .. } => retry_after,
        }
    }

    /// Returns the inner service's error, or `None` if the pace rejected the request.
    pub fn get_ref(&self) -> Option<&E> {
        match &self.kind {
            PaceErrorKind::Inner(error) => Some(error),
            PaceErrorKind::Rejected { .. } => None,
        }
    }

    /// Returns the inner service's error by value.
    ///
    /// # Errors
    ///
    /// Returns the rejection if the pace rejected the request.
    pub fn into_inner(self) -> Result<E, PaceRejection> {
        match self.kind {
            PaceErrorKind::Inner(error) => Ok(error),
            PaceErrorKind::Rejected { rejection, .. } => Err(rejection),
        }
    }
}

impl PaceError<BoxError> {
    /// Returns one boxed error, in which `downcast_ref` finds a [`PaceRejection`].
    pub fn flatten(self) -> BoxError {
        self.into_inner().unwrap_or_else(Into::into)
    }
}

// The cause is the source and not a part of the text, because a report of the chain would print it twice. A forwarded
// source would hide the cause from `failure_kind` and from every other reader of the chain.
impl<E> fmt::Display for PaceError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            PaceErrorKind::Inner(_) => "the service behind the pace failed",
            PaceErrorKind::Rejected { .. } => "the pace rejected the request",
        })
    }
}

impl<E: Error + 'static> Error for PaceError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match &self.kind {
            PaceErrorKind::Inner(error) => error,
            PaceErrorKind::Rejected { rejection, .. } => rejection,
        })
    }
}
