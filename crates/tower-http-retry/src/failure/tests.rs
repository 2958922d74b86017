use std::io::{self, ErrorKind};

use super::*;

/// An unknown error around another error.
#[derive(Debug, thiserror::Error)]
#[error("unknown")]
struct UnknownError<E: Error + 'static>(#[source] E);

#[track_caller]
fn check(error: impl Error + 'static, expected: FailureKind) {
    assert_eq!(failure_kind(&error), expected, "{error:?}");
    let wrapped = UnknownError(UnknownError(error));
    assert_eq!(failure_kind(&wrapped), expected, "{wrapped:?}");
}

#[test]
fn the_kind_of_an_io_error_decides() {
    check(io::Error::from(ErrorKind::ConnectionRefused), FailureKind::NeverSent);
    check(io::Error::from(ErrorKind::NetworkUnreachable), FailureKind::NeverSent);
    check(io::Error::from(ErrorKind::TimedOut), FailureKind::Timeout);
    check(io::Error::from(ErrorKind::PermissionDenied), FailureKind::Permanent);
    check(io::Error::from(ErrorKind::ConnectionReset), FailureKind::MaybeProcessed);
    check(io::Error::from(ErrorKind::BrokenPipe), FailureKind::MaybeProcessed);
}

#[test]
fn an_unknown_error_may_have_been_processed() {
    check(std::fmt::Error, FailureKind::MaybeProcessed);
    check(io::Error::other("a text"), FailureKind::MaybeProcessed);
}

#[test]
fn the_error_inside_an_io_error_is_read() {
    let refused = || io::Error::from(ErrorKind::ConnectionRefused);
    check(io::Error::other(refused()), FailureKind::NeverSent);
    check(io::Error::other(UnknownError(refused())), FailureKind::NeverSent);
    // An outer error whose kind tells enough decides.
    check(io::Error::new(ErrorKind::TimedOut, refused()), FailureKind::Timeout);
}

#[cfg(feature = "tower")]
#[test]
fn errors_of_towers_layers_are_known() {
    check(::tower::load_shed::error::Overloaded::new(), FailureKind::Overloaded);
    check(::tower::timeout::error::Elapsed::new(), FailureKind::Timeout);
}

#[cfg(feature = "hyper")]
#[test]
fn a_stream_that_we_reset_ourselves_may_have_been_processed() {
    // Only a REFUSED_STREAM of the peer proves that nothing was processed.
    check(h2::Error::from(h2::Reason::REFUSED_STREAM), FailureKind::MaybeProcessed);
    check(h2::Error::from(h2::Reason::INTERNAL_ERROR), FailureKind::MaybeProcessed);
}

/// A retry layer may wrap a paced service.
#[test]
fn the_error_inside_a_pace_error_is_read() {
    let inner = |kind| crate::PaceError::inner(io::Error::from(kind));
    check(inner(ErrorKind::ConnectionRefused), FailureKind::NeverSent);
    check(inner(ErrorKind::TimedOut), FailureKind::Timeout);
    check(crate::PaceError::<std::fmt::Error>::rejected(PaceRejection::Full, None), FailureKind::Overloaded);
}
