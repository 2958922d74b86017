//! How far a request got, read from the error that came back instead of a response.

#[cfg(feature = "hyper")]
mod hyper;
mod io;
#[cfg(feature = "tower")]
mod tower;

use std::error::Error;
use std::iter;

use http_retry::FailureKind;

/// Reads an error chain from the outside in. The first error that somebody knows decides; one that nobody
/// knows may have been processed.
pub(crate) fn kind_of(error: &(dyn Error + 'static)) -> FailureKind {
    chain(error).find_map(read).unwrap_or(FailureKind::MaybeProcessed)
}

fn read(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    #[cfg(feature = "hyper")]
    if let Some(kind) = hyper::read(error) {
        return Some(kind);
    }
    #[cfg(feature = "tower")]
    if let Some(kind) = tower::read(error) {
        return Some(kind);
    }
    if error.is::<tokio::time::error::Elapsed>() {
        return Some(FailureKind::Timeout);
    }
    io::read(error)
}

/// The error and its sources. An `io::Error` hides the error inside of it from `source`, which skips to that
/// error's own source, so it is looked into.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    })
}

#[cfg(test)]
mod tests;
