//! What the layer tells `tracing`: every span, event and field name.
//!
//! A session span opens with the first retry, and each resend has a span of its own inside of it. The spans and events are
//! `DEBUG`, except that giving up is a `WARN`. `http.request.resend_count` is OpenTelemetry's name.

use std::error::Error;
use std::time::Duration;

use http_retry::{GiveUpReason, PaceRejection, RequestHead, RetryCause, RetryHint, Session};
use tracing::{Span, debug, debug_span, warn};

use crate::RetryInfo;

/// Spans a session from its first retry on.
pub(crate) fn session(head: &RequestHead<'_>) -> Span {
    debug_span!("retry", http.request.method = head.method().as_str(), server.address = head.host(),)
}

/// Spans one resend.
pub(crate) fn resend(number: u32) -> Span {
    debug_span!("resend", attempt = number, http.request.resend_count = number - 1)
}

pub(crate) fn will_resend(session: &Session, delay: Duration) {
    let attempt = session.number();
    let cause = session.cause().map(RetryCause::as_str);
    let hint_ms = session.hint().and_then(RetryHint::delay).map(millis);
    let hint_header = session.hint_header();
    debug!(attempt, cause, hint_ms, hint_header, delay_ms = millis(delay), "will resend");
}

/// A session that resent or gave up has ended with an outcome for the caller.
pub(crate) fn ended(info: &RetryInfo) {
    let cause = info.cause.map(RetryCause::as_str);
    let waited_ms = millis(info.waited);
    match info.reason.map(GiveUpReason::as_str) {
        Some(reason) => warn!(attempt = info.attempts, cause, reason, waited_ms, "gave up"),
        None => debug!(attempt = info.attempts, cause, waited_ms, "accepted"),
    }
}

/// The inner service failed when it was readied for a resend. `attempt` is the last one that was sent.
pub(crate) fn not_ready(attempt: u32, error: &(dyn Error + 'static)) {
    debug!(attempt, error, "the inner service failed");
}

/// The inner service was ready only after the deadline, and the failed response is gone: the resend goes out
/// late. `attempt` is the last one that was sent.
pub(crate) fn late(attempt: u32) {
    debug!(attempt, late = true, "resends after the deadline");
}

/// A request waits for its turn before its first attempt.
pub(crate) fn held() {
    debug!("held");
}

/// A request was not let through, and not sent.
pub(crate) fn refused(refusal: PaceRejection) {
    debug!(refusal = refusal.as_str(), "not let through");
}

/// Whole milliseconds, saturating.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
