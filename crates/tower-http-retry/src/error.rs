//! How the layer reads an inner service's error: by reference, whatever its type.

use std::error::Error;

/// Any error, as tower's middleware passes it on, and [`ReadError`] reads it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// An error that the layer can read: one that implements [`std::error::Error`], or a [`BoxError`].
///
/// `M` tells the two apart, since one type parameter cannot (`BoxError` is not an `Error`, but might become
/// one). It is inferred wherever a service is called, and is named only in the type of a struct field:
/// `Retry<S, P>` for [`Concrete`] errors, `Retry<S, P, Boxed>` for boxed ones.
///
/// ```
/// use std::io;
/// use tower_http_retry::{BoxError, FailureKind, ReadError, failure_kind};
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
    label = "the inner service's error is neither an `Error` nor a `BoxError`",
    note = "implement `std::error::Error` for it, or convert it below the layer with `ServiceBuilder::map_err`",
    note = "where the type of the layer is written out, boxed errors are its last parameter: `RetryLayer<P, Boxed>`"
)]
pub trait ReadError<M> {
    /// The error, as something with a chain of sources.
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
