//! What a caller gets whose request was not let through.

use std::error::Error;
use std::fmt;

use http_retry::PaceRejection;

use crate::BoxError;

/// The inner service's error, or a refusal to let the request through: then it was not sent.
///
/// ```
/// use tower_http_retry::PaceError;
/// use tower_http_retry::pace::PaceRejection;
///
/// fn status<E>(error: &PaceError<E>) -> u16 {
///     match error.refusal() {
///         Some(PaceRejection::Deadline) => 504,
///         Some(_) => 503,
///         None => 502,
///     }
/// }
/// # assert_eq!(status(&PaceError::<()>::Rejected(PaceRejection::Waiters)), 503);
/// ```
#[derive(Debug)]
pub enum PaceError<E> {
    /// The inner service failed.
    Inner(E),
    /// The request was not sent.
    Rejected(PaceRejection),
}

impl PaceError<BoxError> {
    /// One boxed error, in which a [`PaceRejection`] can be found by `downcast_ref`.
    pub fn flatten(self) -> BoxError {
        match self {
            Self::Inner(error) => error,
            Self::Rejected(refusal) => refusal.into(),
        }
    }
}

impl<E> PaceError<E> {
    /// Why the request was not sent, if it was not let through.
    pub fn refusal(&self) -> Option<PaceRejection> {
        match self {
            Self::Inner(_) => None,
            Self::Rejected(refusal) => Some(*refusal),
        }
    }
}

// The cause is the source, and so it is not in the text: a report of the chain would have it twice. A forwarded source would
// hide it from `failure_kind`, and from every other reader of the chain.
impl<E> fmt::Display for PaceError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inner(_) => "the service behind the pace failed",
            Self::Rejected(_) => "the pace did not let the request through",
        })
    }
}

impl<E: Error + 'static> Error for PaceError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self {
            Self::Inner(error) => error,
            Self::Rejected(refusal) => refusal,
        })
    }
}
