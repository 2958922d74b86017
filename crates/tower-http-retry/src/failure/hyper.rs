//! Reads the errors of hyper, hyper-util and h2.

use std::error::Error;
use std::io::ErrorKind;

use http_retry::FailureKind;
use hyper_util::client::legacy;

use super::chain;
use super::classified::is_permanent_connect_error;

pub(super) fn known_kind(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    if let Some(error) = error.downcast_ref::<legacy::Error>() {
        client_error_kind(error)
    } else if let Some(error) = error.downcast_ref::<hyper::Error>() {
        connection_error_kind(error)
    } else if let Some(error) = error.downcast_ref::<h2::Error>() {
        stream_error_kind(error)
    } else {
        None
    }
}

fn client_error_kind(error: &legacy::Error) -> Option<FailureKind> {
    if error.is_connect() {
        let is_permanent = chain(error).skip(1).any(is_permanent_connect_error);
        return Some(if is_permanent { FailureKind::Permanent } else { FailureKind::NeverSent });
    }
    match error.source() {
        // An error without a source is about a request that the client refuses to send at all. A failure to
        // send or receive, and a cancellation, have a source.
        None => Some(FailureKind::Permanent),
        Some(_) => None,
    }
}

fn connection_error_kind(error: &hyper::Error) -> Option<FailureKind> {
    if error.is_canceled() || error.is_closed() {
        // The request was queued and never started (`TrySendError` would return it), or the connection
        // reported that it is closed when it was polled for readiness.
        Some(FailureKind::NeverSent)
    } else if error.is_user() {
        // The caller's body failed, or the request cannot be written.
        Some(FailureKind::Permanent)
    } else if error.is_timeout() {
        Some(FailureKind::Timeout)
    } else {
        broken_connection_kind(error)
    }
}

/// Reads the error of a connection that broke. The server may have seen the request, for any reason of the
/// break: a peer that is unreachable now may have been reachable before, and a closed connection from the
/// pool (`is_incomplete_message`) looks the same before and after the request was sent. Only the error of an
/// HTTP/2 stream tells more.
fn broken_connection_kind(error: &hyper::Error) -> Option<FailureKind> {
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

fn stream_error_kind(error: &h2::Error) -> Option<FailureKind> {
    // h2 reports a peer's GOAWAY only to the streams above its last-stream-id, and to streams that were never
    // opened. hyper is less exact: see `failure_kind_assuming_sent`.
    let is_refused_stream = error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    if is_refused_stream || is_remote_goaway(error) {
        Some(FailureKind::Unprocessed)
    } else {
        Some(FailureKind::MaybeProcessed)
    }
}

/// Returns true if the error is a GOAWAY of the peer.
pub(super) fn is_goaway(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(is_remote_goaway)
}

fn is_remote_goaway(error: &h2::Error) -> bool {
    error.is_go_away() && error.is_remote()
}
