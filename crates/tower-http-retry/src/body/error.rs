//! Errors that an attempt gets when it reads its body.

use std::iter;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Body;
use http_body_util::{Full, LengthLimitError, Limited};

use crate::BoxError;

/// Boxes the error of a caller's body for the inner service.
///
/// Each layer of an axum router wraps the error of its body once more, and axum looks for a
/// [`LengthLimitError`] two levels deep and no deeper: with one level more, it answers 400 in place of 413. A
/// replay body is such a level, so it passes on the limit's own error in place of an error that only wraps
/// it.
pub(super) fn boxed(error: impl Into<BoxError>) -> BoxError {
    let error = error.into();
    let mut sources = iter::successors(error.source(), |&error| error.source());
    if sources.any(|source| source.is::<LengthLimitError>()) {
        length_limit_error().unwrap_or(error)
    } else {
        error
    }
}

/// Creates a [`LengthLimitError`]. It cannot be moved out of another error, and has no constructor, so a
/// limit is exceeded here.
#[cold]
fn length_limit_error() -> Option<BoxError> {
    let mut body = Limited::new(Full::new(Bytes::from_static(b".")), 0);
    match Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Err(error))) => Some(error),
        _ => None,
    }
}

/// The reason why an attempt cannot read the body.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyUnavailable {
    #[error("a later attempt has taken over the request body")]
    TakenOver,
    #[error("the request body has failed before")]
    Failed,
}
