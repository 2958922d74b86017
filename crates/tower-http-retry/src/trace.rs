//! The spans, events and fields that the layer records with `tracing`.
//!
//! The span of a session opens with the first retry, and each resend has a span of its own inside of it. The
//! spans and the events have the level `DEBUG`, except that giving up is a `WARN`. `http.request.resend_count`
//! is a name of OpenTelemetry.

use std::error::Error;
use std::time::Duration;

use http_retry::{GiveUpReason, PaceRejection, RequestHead, RetryCause, RetryHint, Session, Why};
use tracing::{Span, debug, debug_span, warn};

use crate::RetryInfo;

/// Creates the span of a session, which opens with the first retry.
pub(crate) fn session_span(head: &RequestHead<'_>) -> Span {
    debug_span!("retry", http.request.method = head.method().as_str(), server.address = head.host())
}

/// Creates the span of a resend.
pub(crate) fn resend_span(number: u32) -> Span {
    debug_span!("resend", attempt = number, http.request.resend_count = number - 1)
}

/// Records that a resend follows after `delay`.
pub(crate) fn will_resend(session: &Session, delay: Duration) {
    let attempt = session.number();
    let cause = session.cause().map(RetryCause::as_str);
    let hint_ms = session.hint().and_then(RetryHint::delay).map(millis);
    let hint_header = session.hint_header();
    debug!(attempt, cause, hint_ms, hint_header, delay_ms = millis(delay), "will resend");
}

/// Records the end of a session that resent or gave up.
pub(crate) fn session_ended(info: &RetryInfo) {
    let cause = info.cause.map(RetryCause::as_str);
    let waited_ms = millis(info.waited);
    let probes = Some(info.probes).filter(|probes| *probes > 0);
    match info.reason.map(GiveUpReason::as_str) {
        Some(reason) => warn!(attempt = info.attempts, cause, reason, waited_ms, probes, "gave up"),
        None => debug!(attempt = info.attempts, cause, waited_ms, probes, "accepted"),
    }
}

/// Records that the inner service failed when it was readied for a resend. `attempt` is the last attempt that
/// was sent.
pub(crate) fn not_ready(attempt: u32, error: &(dyn Error + 'static)) {
    debug!(attempt, error, "the inner service failed");
}

/// Records a resend after the time limit: the inner service became ready too late, and the failed response
/// was dropped. `attempt` is the last attempt that was sent.
pub(crate) fn late_resend(attempt: u32) {
    debug!(attempt, late = true, "resends after the deadline");
}

/// Records that a request waits for its pace, why it waits, and the time until it asks again.
pub(crate) fn held(why: Why, wait: Duration) {
    debug!(why = why.as_str(), until_ms = millis(wait), "held");
}

/// Records that a pace rejected a request, which was not sent.
pub(crate) fn rejected(rejection: PaceRejection) {
    debug!(rejection = rejection.as_str(), "rejected");
}

/// Returns whole milliseconds, saturating.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
