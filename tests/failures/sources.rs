//! Error chains: who speaks first, and what nobody knows.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

use tower_http_retry::{BoxError, FailureKind};

use super::check;

/// An error of a library that the layer has never heard of.
#[derive(Debug)]
struct Unknown(Option<BoxError>);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("something went wrong")
    }
}

impl Error for Unknown {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_deref().map(|error| error as _)
    }
}

/// Nothing is known of it, so the worst is assumed.
#[tokio::test(start_paused = true)]
async fn an_unknown_error_may_have_been_processed() {
    check(|| Unknown(None), FailureKind::MaybeProcessed).await;
    check(|| "a text", FailureKind::MaybeProcessed).await;
    check(|| Unknown(Some("a text".into())), FailureKind::MaybeProcessed).await;
}

/// What is inside of it may be known.
#[tokio::test(start_paused = true)]
async fn a_known_error_is_found_behind_unknown_ones() {
    let nested = |error: io::Error| Unknown(Some(Unknown(Some(error.into())).into()));
    check(move || nested(ErrorKind::ConnectionRefused.into()), FailureKind::NeverSent).await;
    check(move || nested(ErrorKind::TimedOut.into()), FailureKind::Timeout).await;
    // An `io::Error` hides what it was made of.
    check(
        move || nested(io::Error::other(io::Error::from(ErrorKind::ConnectionRefused))),
        FailureKind::NeverSent,
    )
    .await;
    check(|| io::Error::other(Unknown(None)), FailureKind::MaybeProcessed).await;
}

/// The kinds of `io::Error` that tell how far a request got.
#[tokio::test(start_paused = true)]
async fn io_errors_are_read_by_their_kind() {
    use ErrorKind as Io;
    use FailureKind::{MaybeProcessed, NeverSent, Permanent, Timeout};
    for (kind, expected) in [
        (Io::ConnectionRefused, NeverSent),
        (Io::AddrNotAvailable, NeverSent),
        (Io::HostUnreachable, NeverSent),
        (Io::NetworkUnreachable, NeverSent),
        (Io::NetworkDown, NeverSent),
        (Io::TimedOut, Timeout),
        (Io::ConnectionReset, MaybeProcessed),
        (Io::ConnectionAborted, MaybeProcessed),
        (Io::BrokenPipe, MaybeProcessed),
        (Io::UnexpectedEof, MaybeProcessed),
        (Io::Interrupted, MaybeProcessed),
        (Io::InvalidInput, Permanent),
        (Io::Unsupported, Permanent),
        (Io::PermissionDenied, Permanent),
    ] {
        check(move || io::Error::from(kind), expected).await;
    }
}
