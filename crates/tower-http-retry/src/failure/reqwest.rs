//! Errors of reqwest. What is below it speaks for itself: hyper's errors are among its sources.

use std::error::Error;

use http_retry::FailureKind;

pub(super) fn read(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    let error = error.downcast_ref::<reqwest::Error>()?;
    if error.is_connect() {
        // A timeout of the connect is among these, and nothing was sent.
        None
    } else if error.is_builder() {
        Some(FailureKind::Permanent)
    } else if error.is_timeout() {
        Some(FailureKind::Timeout)
    } else {
        None
    }
}
