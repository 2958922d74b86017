//! The outcome of an attempt: a response head, or a failure.

use std::error::Error;
use std::{io, iter};

use http::HeaderName;

use crate::ResponseHead;

/// The outcome of an attempt. A [`ResponseHead`], a [`Failure`] and a [`FailureKind`] convert into one:
///
/// ```
/// use http::{Response, StatusCode};
/// use http_retry::{FailureKind, Outcome, ResponseHead};
///
/// let response = Response::builder().status(StatusCode::BAD_GATEWAY).body(()).unwrap();
/// let bad_gateway = Outcome::from(ResponseHead::from(&response));
/// assert_eq!(bad_gateway.response().unwrap().status(), StatusCode::BAD_GATEWAY);
///
/// assert!(Outcome::from(FailureKind::Timeout).response().is_none());
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// The server sent a response head. Its body, if any, is still unread.
    Response(ResponseHead<'a>),
    /// The attempt failed without a response head.
    Failure(Failure<'a>),
}

impl<'a> Outcome<'a> {
    /// Returns the response head, if there is one.
    pub fn response(&self) -> Option<ResponseHead<'a>> {
        match self {
            Self::Response(head) => Some(*head),
            Self::Failure(_) => None,
        }
    }

    /// Returns whether the outcome counts as a success for a budget. It is a response below 400, and if its head has a
    /// `grpc-status`, that is 0.
    pub(crate) fn is_success(&self) -> bool {
        self.response().is_some_and(|head| {
            let grpc_status = head.headers().get(&GRPC_STATUS);
            head.status().as_u16() < 400 && grpc_status.is_none_or(|status| status == "0")
        })
    }
}

/// The name of the header with the code of a gRPC call. A look-up by a static name does not have to parse it.
pub(crate) static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

impl<'a> From<ResponseHead<'a>> for Outcome<'a> {
    fn from(head: ResponseHead<'a>) -> Self {
        Self::Response(head)
    }
}

impl<'a> From<Failure<'a>> for Outcome<'a> {
    fn from(failure: Failure<'a>) -> Self {
        Self::Failure(failure)
    }
}

impl From<FailureKind> for Outcome<'_> {
    fn from(kind: FailureKind) -> Self {
        Self::Failure(Failure::new(kind))
    }
}

/// An outcome without a response head.
///
/// ```
/// use std::io;
/// use http_retry::{Failure, FailureKind};
///
/// let error = io::Error::from(io::ErrorKind::ConnectionReset);
/// let failure = Failure::new(FailureKind::MaybeProcessed).error(&error);
/// assert_eq!(failure.find::<io::Error>().unwrap().kind(), io::ErrorKind::ConnectionReset);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    kind: FailureKind,
    error: Option<&'a (dyn Error + 'static)>,
}

impl<'a> Failure<'a> {
    /// Creates a failure without an error.
    pub fn new(kind: FailureKind) -> Self {
        Self { kind, error: None }
    }

    /// Sets the error that caused the failure.
    pub fn error(self, error: &'a (dyn Error + 'static)) -> Self {
        Self { error: Some(error), ..self }
    }

    /// Returns the kind of the failure, which says how far the request got.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Returns the first error of the chain that is a `T`.
    pub fn find<T: Error + 'static>(&self) -> Option<&'a T> {
        self.chain().find_map(|error| error.downcast_ref())
    }

    /// Returns the error and its sources, from the outermost to the innermost. `io::Error::source` skips the error that it
    /// wraps and returns that error's source, so this looks at the wrapped error itself.
    pub fn chain(&self) -> impl Iterator<Item = &'a (dyn Error + 'static)> + use<'a> {
        iter::successors(self.error, |&error| match error.downcast_ref::<io::Error>() {
            Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        })
    }
}

/// The kind of a failure, which says how far the request got. The [`rules`](crate::rules) decide what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// No byte of the request was sent. Name resolution, connect or the TLS handshake failed, or a queued request was
    /// cancelled before its start (RFC 9110 section 9.2.2, "never applied").
    NeverSent,
    /// The peer says that it did not process the request, with REFUSED_STREAM or a GOAWAY below our stream (RFC 9113
    /// section 8.7).
    Unprocessed,
    /// Our own side rejected the request: load shedding, an open circuit, or a full pool or queue.
    Overloaded,
    /// An attempt took too long. The request may have been processed.
    Timeout,
    /// The connection broke after the request was, or may have been, sent.
    MaybeProcessed,
    /// Every attempt would fail in the same way, because of an invalid certificate, an invalid request, or a failed request
    /// body.
    Permanent,
}
