//! An error whose creator knows how far the request got.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;

use http_retry::FailureKind;

use super::chain;
use crate::BoxError;

/// An error with the kind of failure that its creator knows. An HTTP client wraps its own errors in it, so that
/// [`failure_kind`](super::failure_kind) reads them.
///
/// ```
/// use std::io::{Error, ErrorKind};
/// use tower_http_retry::FailureKind;
/// use tower_http_retry::failure::{ClassifiedError, failure_kind};
///
/// let error = ClassifiedError::new(FailureKind::NeverSent, "the client has no connection left");
/// assert_eq!(failure_kind(&error), FailureKind::NeverSent);
///
/// let unreachable = ClassifiedError::connect(Error::from(ErrorKind::HostUnreachable));
/// assert_eq!(unreachable.kind(), FailureKind::NeverSent);
/// ```
#[derive(Clone, Debug)]
pub struct ClassifiedError {
    kind: FailureKind,
    source: Arc<BoxError>,
}

impl ClassifiedError {
    /// Creates an error of this kind.
    pub fn new(kind: FailureKind, source: impl Into<BoxError>) -> Self {
        Self { kind, source: Arc::new(source.into()) }
    }

    /// Creates the error of a connection that could not be opened. Its kind is [`FailureKind::NeverSent`], or
    /// [`FailureKind::Permanent`] if the next connection would fail as well.
    pub fn connect(source: impl Into<BoxError>) -> Self {
        let source = source.into();
        let is_permanent = chain(&*source).any(is_permanent_connect_error);
        let kind = if is_permanent { FailureKind::Permanent } else { FailureKind::NeverSent };
        Self { kind, source: Arc::new(source) }
    }

    /// Returns the kind of the failure.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }
}

impl fmt::Display for ClassifiedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request failed")
    }
}

impl Error for ClassifiedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&**self.source)
    }
}

/// Returns true if a connect would fail the same way every time: the certificate does not verify, or the URL
/// names no host.
///
/// TLS libraries expose only the text of such an error, and all of them write "certificate" in it. Their
/// other errors, such as an alert of a server that is starting, may pass. The connector writes "invalid URL".
pub(super) fn is_permanent_connect_error(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    if io == Some(ErrorKind::InvalidInput) {
        return true;
    }
    let text = error.to_string();
    text.contains("certificate") || text.contains("invalid URL")
}
