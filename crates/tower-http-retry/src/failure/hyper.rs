//! Errors of hyper, hyper-util and h2.

use std::error::Error;
use std::io::ErrorKind;

use http_retry::FailureKind;
use hyper_util::client::legacy;

use super::chain;

pub(super) fn read(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    if let Some(error) = error.downcast_ref::<legacy::Error>() {
        of_client(error)
    } else if let Some(error) = error.downcast_ref::<hyper::Error>() {
        of_connection(error)
    } else if let Some(error) = error.downcast_ref::<h2::Error>() {
        of_stream(error)
    } else {
        None
    }
}

fn of_client(error: &legacy::Error) -> Option<FailureKind> {
    if error.is_connect() {
        let is_permanent = chain(error).skip(1).any(never_connects);
        return Some(if is_permanent { FailureKind::Permanent } else { FailureKind::NeverSent });
    }
    match error.source() {
        // What it sends, receives or cancels fails with a reason. What it refuses to send at all does not.
        None => Some(FailureKind::Permanent),
        Some(_) => None,
    }
}

/// Whether a connect would fail the same way every time: a certificate that does not verify, or a URL that
/// names no host.
///
/// Of TLS libraries only the text is to be had, and every one says "certificate" in it; their other errors,
/// such as an alert of a server that is starting, may pass. The connector says "invalid URL".
fn never_connects(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    if io == Some(ErrorKind::InvalidInput) {
        return true;
    }
    let text = error.to_string();
    text.contains("certificate") || text.contains("invalid URL")
}

fn of_connection(error: &hyper::Error) -> Option<FailureKind> {
    if error.is_canceled() || error.is_closed() {
        // The request was queued and never started (`TrySendError` would hand it back), or the connection said
        // that it is closed when it was asked whether it could take one.
        Some(FailureKind::NeverSent)
    } else if error.is_user() {
        // The caller's body failed, or the request cannot be written.
        Some(FailureKind::Permanent)
    } else if error.is_timeout() {
        Some(FailureKind::Timeout)
    } else {
        of_broken_connection(error)
    }
}

/// There was a connection, so whatever broke it, the server may have seen the request: a peer that is
/// unreachable now may have been reached before, and a reused connection that was closed
/// (`is_incomplete_message`) looks the same before and after. Only a stream tells more.
fn of_broken_connection(error: &hyper::Error) -> Option<FailureKind> {
    let source = error.source();
    if source.is_some_and(|source| source.is::<h2::Error>()) {
        return None;
    }
    let io = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    match io.map(std::io::Error::kind) {
        Some(ErrorKind::TimedOut) => Some(FailureKind::Timeout),
        _ => Some(FailureKind::MaybeProcessed),
    }
}

fn of_stream(error: &h2::Error) -> Option<FailureKind> {
    // h2 reports a peer's GOAWAY only to the streams above its last-stream-id, and to those never opened. hyper is not as
    // exact: see `failure_kind_assuming_sent`.
    let is_refused = error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    if is_refused || is_remote_goaway(error) {
        Some(FailureKind::Unprocessed)
    } else {
        Some(FailureKind::MaybeProcessed)
    }
}

/// Whether a peer's GOAWAY is all that is known.
pub(super) fn is_goaway(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(is_remote_goaway)
}

fn is_remote_goaway(error: &h2::Error) -> bool {
    error.is_go_away() && error.is_remote()
}
