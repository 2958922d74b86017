//! How far a request got, read from the error that came back instead of a response.

#[cfg(feature = "hyper")]
mod hyper;
mod io;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "tower")]
mod tower;

use std::error::Error;

use http::Response;
use http_retry::{Failure, FailureKind, Outcome, Refusal, ResponseHead};

use crate::ReadError;

/// How far a request got, as an error and its sources tell: what a [`RetryLayer`](crate::RetryLayer) goes by.
///
/// Reads the chain from the outside in. The first error that somebody knows decides; one that nobody knows may have
/// been processed. Which are known depends on the crate's features.
///
/// ```
/// use std::io::{Error, ErrorKind};
/// use tower_http_retry::{FailureKind, failure_kind};
///
/// let reset = Error::from(ErrorKind::ConnectionReset);
/// assert_eq!(failure_kind(&reset), FailureKind::MaybeProcessed);
/// ```
pub fn failure_kind(error: &(dyn Error + 'static)) -> FailureKind {
    chain(error).find_map(read).unwrap_or(FailureKind::MaybeProcessed)
}

/// What an attempt came back with, in the words of a policy.
pub(crate) fn outcome<R, E: ReadError<M>, M>(result: &Result<Response<R>, E>) -> Outcome<'_> {
    match result {
        Ok(response) => ResponseHead::from(response).into(),
        Err(error) => {
            let error = error.as_error();
            Failure::new(failure_kind(error)).error(error).into()
        }
    }
}

fn read(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    #[cfg(feature = "hyper")]
    if let Some(kind) = hyper::read(error) {
        return Some(kind);
    }
    #[cfg(feature = "reqwest")]
    if let Some(kind) = reqwest::read(error) {
        return Some(kind);
    }
    #[cfg(feature = "tower")]
    if let Some(kind) = tower::read(error) {
        return Some(kind);
    }
    if error.is::<tokio::time::error::Elapsed>() {
        return Some(FailureKind::Timeout);
    }
    #[cfg(feature = "testing")]
    if let Some(failure) = error.downcast_ref::<crate::testing::ScriptedFailure>() {
        return Some(failure.kind());
    }
    if error.is::<Refusal>() {
        return Some(FailureKind::LocalRefusal);
    }
    io::read(error)
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    Failure::new(FailureKind::MaybeProcessed).error(error).chain()
}

#[cfg(test)]
mod tests;
