//! What an attempt came back with: a response head, or a failure with what is known of it.

use std::error::Error;
use std::{io, iter};

use http::HeaderName;

use crate::ResponseHead;

/// What an attempt came back with. A [`ResponseHead`], a [`Failure`] and a [`FailureKind`] convert into one:
///
/// ```
/// use http::{Response, StatusCode};
/// use http_retry::{FailureKind, Outcome, ResponseHead};
///
/// let response = Response::builder().status(StatusCode::BAD_GATEWAY).body(()).unwrap();
/// let answered = Outcome::from(ResponseHead::from(&response));
/// assert_eq!(answered.response().unwrap().status(), StatusCode::BAD_GATEWAY);
///
/// assert!(Outcome::from(FailureKind::Timeout).response().is_none());
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// A response head. Its body, if any, is still unread.
    Response(ResponseHead<'a>),
    /// No response head.
    Failure(Failure<'a>),
}

impl<'a> Outcome<'a> {
    /// The response head, if there is one.
    pub fn response(&self) -> Option<ResponseHead<'a>> {
        match self {
            Self::Response(head) => Some(*head),
            Self::Failure(_) => None,
        }
    }

    /// Whether this is a response below 400, which is what earns a budget. One that says in its head already how a
    /// gRPC call ended must say that it went well.
    pub(crate) fn is_success(&self) -> bool {
        self.response().is_some_and(|head| {
            let grpc_status = head.headers().get(&GRPC_STATUS);
            head.status().as_u16() < 400 && grpc_status.is_none_or(|status| status == "0")
        })
    }
}

/// A name that is known is found sooner than one that has to be read first.
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
    /// A failure of which only the kind is known.
    pub fn new(kind: FailureKind) -> Self {
        Self { kind, error: None }
    }

    /// The same failure with the error that tells of it.
    pub fn error(self, error: &'a (dyn Error + 'static)) -> Self {
        Self { error: Some(error), ..self }
    }

    /// How far the request got, as far as anyone can tell.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The first error of the chain that is a `T`.
    pub fn find<T: Error + 'static>(&self) -> Option<&'a T> {
        self.chain().find_map(|error| error.downcast_ref())
    }

    /// The error and its sources, from the outside in. An `io::Error` hides the error inside of it from
    /// `source`, which skips to that error's own source, so it is looked into.
    pub fn chain(&self) -> impl Iterator<Item = &'a (dyn Error + 'static)> + use<'a> {
        iter::successors(self.error, |&error| match error.downcast_ref::<io::Error>() {
            Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        })
    }
}

/// How far a request without a response got, as far as anyone can tell. The [`rules`](crate::rules) says what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// No byte of the request left: name resolution, connect or TLS handshake failed, or a queued request
    /// was cancelled before it was started (RFC 9110 section 9.2.2, "never applied").
    NeverSent,
    /// The peer says that it did not process the request: REFUSED_STREAM, or a GOAWAY below our stream
    /// (RFC 9113 section 8.7).
    Unprocessed,
    /// A gate on our own side is closed: load shed, circuit open, pool or queue full.
    Overloaded,
    /// An attempt took too long. The request may have been processed.
    Timeout,
    /// The connection broke after the request was, or may have been, sent.
    MaybeProcessed,
    /// The same request would fail the same way: a certificate that does not verify, a request that cannot
    /// be built, a body of the caller's that failed.
    Permanent,
}
