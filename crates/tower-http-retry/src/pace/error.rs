//! What a caller gets whose request was not let through.

use std::error::Error;
use std::fmt;
use std::task::Poll;

use http_retry::Refusal;

use crate::{BoxError, Boxed, Concrete};

/// The inner service's error, or a refusal to let the request through: then it was not sent.
///
/// ```
/// use tower_http_retry::{PaceError, Refusal};
///
/// fn status<E>(error: &PaceError<E>) -> u16 {
///     match error.refusal() {
///         Some(Refusal::Deadline) => 504,
///         Some(_) => 503,
///         None => 502,
///     }
/// }
/// # assert_eq!(status(&PaceError::<()>::Refused(Refusal::Waiters)), 503);
/// ```
#[derive(Debug)]
pub enum PaceError<E> {
    /// The inner service failed.
    Inner(E),
    /// The request was not sent.
    Refused(Refusal),
}

impl PaceError<BoxError> {
    /// One boxed error, in which a [`Refusal`] can be found by `downcast_ref`.
    pub fn flatten(self) -> BoxError {
        match self {
            Self::Inner(error) => error,
            Self::Refused(refusal) => refusal.into(),
        }
    }
}

impl<E> PaceError<E> {
    /// Why the request was not sent, if it was not let through.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Inner(_) => None,
            Self::Refused(refusal) => Some(*refusal),
        }
    }
}

// The cause is the source, and so it is not in the text: a report of the chain would have it twice. A forwarded source would
// hide it from `failure_kind`, and from every other reader of the chain.
impl<E> fmt::Display for PaceError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inner(_) => "the service behind the pace failed",
            Self::Refused(_) => "the pace did not let the request through",
        })
    }
}

impl<E: Error + 'static> Error for PaceError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self {
            Self::Inner(error) => error,
            Self::Refused(refusal) => refusal,
        })
    }
}

/// Which error a retry layer's callers get, for an inner error `E` of the kind `M`: without a pace the inner one as
/// it is. With a pace, a [`PaceError`] around it, or, where it is a [`BoxError`], that or a boxed [`Refusal`].
///
/// Implemented for [`NoPace`] and [`WithPace`], and for nothing else.
pub trait Pacing<E, M>: sealed::Sealed {
    /// The error that callers get.
    type Error;

    #[doc(hidden)]
    fn error(error: PaceError<E>) -> Self::Error;

    #[doc(hidden)]
    fn outcome<T>(outcome: Poll<Result<T, E>>) -> Poll<Result<T, Self::Error>> {
        outcome.map_err(|error| Self::error(PaceError::Inner(error)))
    }
}

/// Marks a [`RetryLayer`](crate::RetryLayer) without a pace: nobody waits before the first attempt.
#[derive(Clone, Copy, Debug)]
pub enum NoPace {}

/// Marks a [`RetryLayer`](crate::RetryLayer) with a [pace](crate::RetryLayer::pace).
#[derive(Clone, Copy, Debug)]
pub enum WithPace {}

impl<E, M> Pacing<E, M> for NoPace {
    type Error = E;

    fn error(error: PaceError<E>) -> E {
        match error {
            PaceError::Inner(error) => error,
            PaceError::Refused(_) => unreachable!("where there is no pace, nobody is refused"),
        }
    }

    // As it is, and not moved.
    #[inline]
    fn outcome<T>(outcome: Poll<Result<T, E>>) -> Poll<Result<T, E>> {
        outcome
    }
}

impl<E> Pacing<E, Concrete> for WithPace {
    type Error = PaceError<E>;

    fn error(error: PaceError<E>) -> PaceError<E> {
        error
    }
}

impl Pacing<BoxError, Boxed> for WithPace {
    type Error = BoxError;

    fn error(error: PaceError<BoxError>) -> BoxError {
        error.flatten()
    }
}

mod sealed {
    /// Whoever can be named here is.
    #[expect(unnameable_types, reason = "nobody else implements it")]
    pub trait Sealed {}
    impl Sealed for super::NoPace {}
    impl Sealed for super::WithPace {}
}
