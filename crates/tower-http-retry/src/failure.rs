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
use http_retry::{Attempt, Failure, FailureKind, Outcome, PaceRejection, ResponseHead};

#[cfg(feature = "hyper")]
use self::hyper::is_goaway;
use crate::markers::ReadError;

/// How far a request got, as an error and its sources tell: what a [`RetryLayer`](crate::RetryLayer) goes by.
///
/// Reads the chain from the outside in. The first error that somebody knows decides; one that nobody knows may have
/// been processed. Which are known depends on the crate's features. Of a GOAWAY an error tells less than it says: the layer
/// also looks at whether the request's body was asked for, and who cannot asks
/// [`failure_kind_assuming_sent`].
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
    chain(error).find_map(read).unwrap_or(FailureKind::MaybeProcessed)
}

/// The same, for those who do not know whether the inner service began with the request's body: a GOAWAY is no proof then
/// that it was not processed, and counts as [`FailureKind::MaybeProcessed`].
///
/// h2 says GOAWAY of the streams that the peer leaves out. hyper asks h2 for the state of the connection once more when it
/// has handed a request over, and before it begins with the body (`ClientTask::poll` of its `proto::h2::client`): of a
/// GOAWAY that has come meanwhile it tells that request, also where the peer counts it in, or will.
///
/// ```
/// use std::io::{Error, ErrorKind};
/// use tower_http_retry::FailureKind;
/// use tower_http_retry::failure::failure_kind_assuming_sent;
///
/// // A connection that was not taken is proof, whoever asks.
/// let not_taken = Error::from(ErrorKind::ConnectionRefused);
/// assert_eq!(failure_kind_assuming_sent(&not_taken), FailureKind::NeverSent);
/// ```
pub fn failure_kind_assuming_sent(error: &(dyn Error + 'static)) -> FailureKind {
    match failure_kind(error) {
        FailureKind::Unprocessed if chain(error).any(is_goaway) => FailureKind::MaybeProcessed,
        kind => kind,
    }
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

/// An attempt as it came back, if it is sure. A GOAWAY is no proof that the request was not processed, unless the inner service
/// began with the body; to process some requests twice does no harm.
#[cold]
pub(crate) fn doubt(mut attempt: Attempt<'_>, has_begun: impl FnOnce() -> bool) -> Attempt<'_> {
    let Outcome::Failure(failure) = attempt.outcome else {
        return attempt;
    };
    let is_doubtful = failure.kind() == FailureKind::Unprocessed && !attempt.is_idempotent() && !has_begun();
    if let Some(error) = failure.chain().next().filter(|_| is_doubtful) {
        attempt.outcome = Failure::new(failure_kind_assuming_sent(error)).error(error).into();
    }
    attempt
}

#[cfg(not(feature = "hyper"))]
fn is_goaway(_: &(dyn Error + 'static)) -> bool {
    false
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
    if error.is::<PaceRejection>() {
        return Some(FailureKind::Overloaded);
    }
    io::read(error)
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    Failure::new(FailureKind::MaybeProcessed).error(error).chain()
}

#[cfg(test)]
mod tests;
