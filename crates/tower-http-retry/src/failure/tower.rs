//! Reads the errors of tower's own layers.

use std::error::Error;

use http_retry::FailureKind;
use tower::{buffer, load_shed, timeout};

pub(super) fn known_kind(error: &(dyn Error + 'static)) -> Option<FailureKind> {
    if error.is::<timeout::error::Elapsed>() {
        Some(FailureKind::Timeout)
    } else if error.is::<load_shed::error::Overloaded>() {
        Some(FailureKind::Overloaded)
    } else if error.is::<buffer::error::Closed>() {
        Some(FailureKind::Permanent)
    } else {
        None
    }
}
