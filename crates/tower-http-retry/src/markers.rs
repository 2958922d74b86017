//! Type parameters of the layer that a user's own code rarely writes: the compiler infers them, and the aliases
//! [`BoxedRetry`](crate::BoxedRetry), [`PacedRetry`](crate::PacedRetry) and
//! [`BoxedPacedRetry`](crate::pace::BoxedPacedRetry) name them. [`ReadError`] has an example.

use std::error::Error;
use std::task::Poll;

use crate::{BoxError, PaceError};

/// An error that the layer can read: one that implements [`std::error::Error`], or a [`BoxError`].
///
/// `M` tells the two apart: it is [`Concrete`] or [`Boxed`]. Without it the two implementations would
/// conflict, because `BoxError` is not an `Error` today, but might become one. The compiler infers it
/// wherever a service is called, and the aliases name it in the type of a struct field.
///
/// ```
/// use std::io;
/// use tower_http_retry::{BoxError, FailureKind};
/// use tower_http_retry::failure::failure_kind;
/// use tower_http_retry::markers::ReadError;
///
/// fn was_sent<E: ReadError<M>, M>(error: &E) -> bool {
///     failure_kind(error.as_error()) != FailureKind::NeverSent
/// }
///
/// let error = io::Error::from(io::ErrorKind::ConnectionRefused);
/// assert!(!was_sent(&error));
/// assert!(!was_sent(&BoxError::from(error)));
/// ```
#[diagnostic::on_unimplemented(
    message = "the retry layer cannot read the error `{Self}` of the service it wraps",
    label = "the inner service's error does not fit the type of this service",
    note = "a `BoxError`, as below a timeout layer of tower, needs `BoxedRetry<S>` (or `pace::BoxedPacedRetry<S>`)",
    note = "an error that implements `std::error::Error` needs `Retry<S>` (or `PacedRetry<S>`); convert any other below the layer with `ServiceBuilder::map_err`"
)]
pub trait ReadError<M> {
    /// Returns the error as a trait object, with its chain of sources.
    fn as_error(&self) -> &(dyn Error + 'static);
}

/// Marks services whose error implements [`std::error::Error`], for [`ReadError`].
#[derive(Clone, Copy, Debug)]
pub enum Concrete {}

/// Marks services whose error is a [`BoxError`], for [`ReadError`].
#[derive(Clone, Copy, Debug)]
pub enum Boxed {}

#[diagnostic::do_not_recommend]
impl<E: Error + 'static> ReadError<Concrete> for E {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl ReadError<Boxed> for BoxError {
    fn as_error(&self) -> &(dyn Error + 'static) {
        &**self
    }
}

/// Chooses the error that a retry layer's callers get, for an inner error `E` of the kind `M`.
///
/// Without a pace it is the inner error, unchanged. With a pace it is a [`PaceError`] around the inner error.
/// Where the inner error is a [`BoxError`], it is that error, or a boxed
/// [`PaceRejection`](crate::pace::PaceRejection).
///
/// Only [`Unpaced`] and [`Paced`] implement it.
pub trait PaceMode<E, M>: sealed::SealedMode {
    /// The error that callers get.
    type Error;

    #[doc(hidden)]
    fn error(error: PaceError<E>) -> Self::Error;

    #[doc(hidden)]
    fn outcome<T>(outcome: Poll<Result<T, E>>) -> Poll<Result<T, Self::Error>> {
        outcome.map_err(|error| Self::error(PaceError::inner(error)))
    }
}

/// Marks a [`RetryLayer`](crate::RetryLayer) without a pace, where no request waits before its first attempt.
#[derive(Clone, Copy, Debug)]
pub enum Unpaced {}

/// Marks a [`RetryLayer`](crate::RetryLayer) with a [pace](crate::RetryLayer::pace).
#[derive(Clone, Copy, Debug)]
pub enum Paced {}

impl<E, M> PaceMode<E, M> for Unpaced {
    type Error = E;

    fn error(error: PaceError<E>) -> E {
        error.into_inner().unwrap_or_else(|_| unreachable!("without a pace, no request is rejected"))
    }

    // The result is passed on as it is, without a move.
    #[inline]
    fn outcome<T>(outcome: Poll<Result<T, E>>) -> Poll<Result<T, E>> {
        outcome
    }
}

impl<E> PaceMode<E, Concrete> for Paced {
    type Error = PaceError<E>;

    fn error(error: PaceError<E>) -> PaceError<E> {
        error
    }
}

impl PaceMode<BoxError, Boxed> for Paced {
    type Error = BoxError;

    fn error(error: PaceError<BoxError>) -> BoxError {
        error.flatten()
    }
}

mod sealed {
    /// Only this crate can name the trait.
    #[expect(unnameable_types, reason = "no other crate implements it")]
    pub trait SealedMode {}
    impl SealedMode for super::Unpaced {}
    impl SealedMode for super::Paced {}
}
