//! The rules for gRPC calls: the codes with which they end, and their `grpc-timeout`.

use tower_http_retry::grpc::{self, GrpcCode};
use tower_http_retry::policy::ResponseHead;
use tower_http_retry::{Attempt, GiveUpReason, Plan, RetryCause, RetryContext, Window, rules};

use crate::config::RetryOn;

/// Returns the code with which a gRPC call ended, if the head tells it and the route retries any. HTTP statuses are left to
/// the other rules.
pub(crate) fn code(on: &RetryOn, head: &ResponseHead<'_>) -> Option<GrpcCode> {
    let is_told = !on.grpc_codes.is_empty() && head.headers().contains_key("grpc-status");
    is_told.then(|| GrpcCode::from_head(head)).flatten()
}

/// Returns the cause for which a call that ended with a code is worth another attempt, and the rule's source. The operator
/// lists the codes with which a server rejects calls, so the method does not matter.
pub(super) fn rule(
    on: &RetryOn,
    attempt: &Attempt<'_>,
    code: GrpcCode,
) -> Option<(RetryCause, &'static str)> {
    if on.grpc_codes.contains(&code) {
        return Some((cause(code), "gRPC A6, and the route's retry_on"));
    }
    let rule = rules::grpc::matching(attempt).filter(|_| on.rate_limited);
    rule.filter(|_| code == GrpcCode::ResourceExhausted).map(|rule| (RetryCause::Throttled, rule.source))
}

fn cause(code: GrpcCode) -> RetryCause {
    match code {
        GrpcCode::Unavailable | GrpcCode::ResourceExhausted => RetryCause::Throttled,
        GrpcCode::DeadlineExceeded => RetryCause::Timeout,
        _ => RetryCause::Transient,
    }
}

/// Ends the window of a resend with the `grpc-timeout` of its call, after which the client is gone.
pub(super) fn within_timeout(plan: Plan, context: &RetryContext<'_>) -> Plan {
    let Plan::Resend(window) = plan else { return plan };
    let Some(timeout) = grpc::timeout_of_head(&context.attempt.request) else { return plan };
    let left = timeout.saturating_sub(context.elapsed);
    match window.earliest < left {
        true => Window::between(window.earliest, window.latest.min(left)).into(),
        false => Plan::GiveUp(GiveUpReason::MaxElapsed),
    }
}
