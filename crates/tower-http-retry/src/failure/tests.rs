use std::fmt;
use std::io::{self, ErrorKind};

use super::*;

/// An error that nobody knows, around another.
#[derive(Debug)]
struct Around<E>(E);

impl<E> fmt::Display for Around<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("around")
    }
}

impl<E: Error + 'static> Error for Around<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[track_caller]
fn check(error: impl Error + 'static, expected: FailureKind) {
    assert_eq!(failure_kind(&error), expected, "{error:?}");
    let around = Around(Around(error));
    assert_eq!(failure_kind(&around), expected, "{around:?}");
}

#[test]
fn io_errors_tell_by_their_kind() {
    check(io::Error::from(ErrorKind::ConnectionRefused), FailureKind::NeverSent);
    check(io::Error::from(ErrorKind::NetworkUnreachable), FailureKind::NeverSent);
    check(io::Error::from(ErrorKind::TimedOut), FailureKind::Timeout);
    check(io::Error::from(ErrorKind::PermissionDenied), FailureKind::Permanent);
    check(io::Error::from(ErrorKind::ConnectionReset), FailureKind::MaybeProcessed);
    check(io::Error::from(ErrorKind::BrokenPipe), FailureKind::MaybeProcessed);
}

#[test]
fn what_nobody_knows_may_have_been_processed() {
    check(fmt::Error, FailureKind::MaybeProcessed);
    check(io::Error::other("a text"), FailureKind::MaybeProcessed);
}

#[test]
fn an_io_error_is_looked_into() {
    let refused = || io::Error::from(ErrorKind::ConnectionRefused);
    check(io::Error::other(refused()), FailureKind::NeverSent);
    check(io::Error::other(Around(refused())), FailureKind::NeverSent);
    // One that knows better than what is inside of it decides.
    check(io::Error::new(ErrorKind::TimedOut, refused()), FailureKind::Timeout);
}

#[cfg(feature = "tower")]
#[test]
fn the_gates_of_tower_are_our_own() {
    check(::tower::load_shed::error::Overloaded::new(), FailureKind::Overloaded);
    check(::tower::timeout::error::Elapsed::new(), FailureKind::Timeout);
}

#[cfg(feature = "hyper")]
#[test]
fn a_stream_that_we_reset_ourselves_may_have_been_processed() {
    // Only a refusal of the peer's says that nothing was processed.
    check(h2::Error::from(h2::Reason::REFUSED_STREAM), FailureKind::MaybeProcessed);
    check(h2::Error::from(h2::Reason::INTERNAL_ERROR), FailureKind::MaybeProcessed);
}

/// Retry layers may stand outside of a paced service.
#[test]
fn the_error_of_a_paced_service_tells_what_is_in_it() {
    let inner = |kind| crate::PaceError::inner(io::Error::from(kind));
    check(inner(ErrorKind::ConnectionRefused), FailureKind::NeverSent);
    check(inner(ErrorKind::TimedOut), FailureKind::Timeout);
    check(crate::PaceError::<fmt::Error>::rejected(PaceRejection::Waiters), FailureKind::Overloaded);
}
