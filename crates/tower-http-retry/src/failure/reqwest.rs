//! Reads the errors of reqwest. Where one of them decides nothing, the errors of hyper among its sources do.

use std::error::Error;

use http_retry::FailureKind;

pub(super) fn known_kind(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    let error = error.downcast_ref::<reqwest::Error>()?;
    if error.is_connect() {
        // A timeout of the connect is one of these errors. Nothing was sent then, and the sources tell so.
        None
    } else if error.is_builder() {
        Some(FailureKind::Permanent)
    } else if error.is_timeout() {
        Some(FailureKind::Timeout)
    } else {
        None
    }
}
