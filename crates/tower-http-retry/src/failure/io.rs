//! Errors of sockets.

use std::error::Error;
use std::io::{self, ErrorKind};

use http_retry::FailureKind;

pub(super) fn read(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    let error = error.downcast_ref::<io::Error>()?;
    match error.kind() {
        // Outside of an error of hyper's connections, which knows better, only a connect fails like this.
        ErrorKind::ConnectionRefused
        | ErrorKind::AddrNotAvailable
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown => Some(FailureKind::NeverSent),
        ErrorKind::TimedOut => Some(FailureKind::Timeout),
        ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied => {
            Some(FailureKind::Permanent)
        }
        // What is inside of it may be known better.
        _ if error.get_ref().is_some() => None,
        _ => Some(FailureKind::MaybeProcessed),
    }
}
