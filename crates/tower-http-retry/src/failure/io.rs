//! Reads the errors of sockets.

use std::error::Error;
use std::io::{self, ErrorKind};

use http_retry::FailureKind;

pub(super) fn known_kind(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    let error = error.downcast_ref::<io::Error>()?;
    match error.kind() {
        // Only a connect fails like this. Errors of hyper's connections, which know better, are read before
        // this one.
        ErrorKind::ConnectionRefused
        | ErrorKind::AddrNotAvailable
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown => Some(FailureKind::NeverSent),
        ErrorKind::TimedOut => Some(FailureKind::Timeout),
        ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied => {
            Some(FailureKind::Permanent)
        }
        // The error inside may be known, and decides then.
        _ if error.get_ref().is_some() => None,
        _ => Some(FailureKind::MaybeProcessed),
    }
}
