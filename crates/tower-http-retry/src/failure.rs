//! Reads from an error how far the request got: [`failure_kind`] returns a [`FailureKind`].

mod classified;
#[cfg(feature = "hyper")]
mod hyper;
mod io;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "tower")]
mod tower;

use std::error::Error;

use http::Response;
use http_retry::{Attempt, Failure, FailureKind, Outcome, PaceRejection, ResponseHead};

pub use self::classified::ClassifiedError;
#[cfg(feature = "hyper")]
use self::hyper::is_goaway;
use crate::markers::ReadError;

/// Returns how far a request got, as the error and its sources tell. A [`RetryLayer`](crate::RetryLayer)
/// decides by it.
///
/// The function reads the chain from the outside in, and the first known error decides. The crate's features
/// decide which errors are known. If no error of the chain is known, the request may have been processed.
///
/// An error about a GOAWAY claims more than it proves. The layer also checks whether the inner service polled
/// the request's body. Code that cannot check this calls [`failure_kind_assuming_sent`].
///
/// ```
/// use std::io::{Error, ErrorKind};
/// use tower_http_retry::FailureKind;
/// use tower_http_retry::failure::failure_kind;
///
/// let reset = Error::from(ErrorKind::ConnectionReset);
/// assert_eq!(failure_kind(&reset), FailureKind::MaybeProcessed);
/// ```
pub fn failure_kind(error: &(dyn Error + 'static)) -> FailureKind {
    chain(error).find_map(known_kind).unwrap_or(FailureKind::MaybeProcessed)
}

/// Returns the same as [`failure_kind`], but counts a GOAWAY as [`FailureKind::MaybeProcessed`]. It is for
/// code that does not know whether the inner service polled the request's body, because a GOAWAY is then no
/// proof that the peer did not process the request.
///
/// h2 reports a GOAWAY for the streams that the peer does not process. But hyper asks h2 for the state of the
/// connection once more after it has handed over a request and before it polls the body (`ClientTask::poll`
/// of its `proto::h2::client`). If a GOAWAY has arrived in between, hyper reports it for that request as
/// well, although the peer may process it.
///
/// ```
/// use std::io::{Error, ErrorKind};
/// use tower_http_retry::FailureKind;
/// use tower_http_retry::failure::failure_kind_assuming_sent;
///
/// // A refused connection proves that nothing was sent.
/// let refused = Error::from(ErrorKind::ConnectionRefused);
/// assert_eq!(failure_kind_assuming_sent(&refused), FailureKind::NeverSent);
/// ```
pub fn failure_kind_assuming_sent(error: &(dyn Error + 'static)) -> FailureKind {
    match failure_kind(error) {
        FailureKind::Unprocessed if chain(error).any(is_goaway) => FailureKind::MaybeProcessed,
        kind => kind,
    }
}

/// Converts an attempt's result into the outcome that a policy reads.
pub(crate) fn outcome<R, E: ReadError<M>, M>(result: &Result<Response<R>, E>) -> Outcome<'_> {
    match result {
        Ok(response) => ResponseHead::from(response).into(),
        Err(error) => {
            let error = error.as_error();
            Failure::new(failure_kind(error)).error(error).into()
        }
    }
}

/// Downgrades a GOAWAY to a failure that may have been processed, unless the body was polled. Only then is a
/// GOAWAY a proof that the peer did not process the request. An idempotent request stays as it is, since
/// processing it twice does no harm.
#[cold]
pub(crate) fn downgrade_goaway(mut attempt: Attempt<'_>, is_polled: impl FnOnce() -> bool) -> Attempt<'_> {
    let Outcome::Failure(failure) = attempt.outcome else {
        return attempt;
    };
    let is_uncertain = failure.kind() == FailureKind::Unprocessed && !attempt.is_idempotent() && !is_polled();
    if let Some(error) = failure.chain().next().filter(|_| is_uncertain) {
        attempt.outcome = Failure::new(failure_kind_assuming_sent(error)).error(error).into();
    }
    attempt
}

#[cfg(not(feature = "hyper"))]
fn is_goaway(_: &(dyn Error + 'static)) -> bool {
    false
}

/// Returns the kind of an error that one of the modules knows, without its sources.
fn known_kind(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    if let Some(error) = error.downcast_ref::<ClassifiedError>() {
        return Some(error.kind());
    }
    #[cfg(feature = "hyper")]
    if let Some(kind) = hyper::known_kind(error) {
        return Some(kind);
    }
    #[cfg(feature = "reqwest")]
    if let Some(kind) = reqwest::known_kind(error) {
        return Some(kind);
    }
    #[cfg(feature = "tower")]
    if let Some(kind) = tower::known_kind(error) {
        return Some(kind);
    }
    if error.is::<tokio::time::error::Elapsed>() {
        return Some(FailureKind::Timeout);
    }
    #[cfg(feature = "testing")]
    if let Some(failure) = error.downcast_ref::<crate::testing::ScriptedFailure>() {
        return Some(failure.kind());
    }
    if error.is::<PaceRejection>() {
        return Some(FailureKind::Overloaded);
    }
    io::known_kind(error)
}

/// Iterates over the error and its sources.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    Failure::new(FailureKind::MaybeProcessed).error(error).chain()
}

#[cfg(test)]
mod tests;
