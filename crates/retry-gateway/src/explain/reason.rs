//! Says why a route does not retry an outcome.

use http::StatusCode;
use tower_http_retry::grpc::GrpcCode;
use tower_http_retry::{Attempt, FailureKind, Outcome};

use super::outcome_name::outcome_name;
use crate::config::{RetryConfig, RetryMethods};
use crate::llm::BodySignal;
use crate::proxy::policy::{GatewayPolicy, grpc};

/// Returns the reason for which the policy does not retry an outcome. It follows the order of
/// [`GatewayPolicy::rule`], so that the first condition that fails is the one it names.
pub(super) fn reason_against(retry: &RetryConfig, policy: &GatewayPolicy, attempt: &Attempt<'_>) -> String {
    let on = &retry.retry_on;
    let nested = || "the request is itself a resend, and retries are left to its client (nested)".to_owned();
    let head = match attempt.outcome {
        Outcome::Response(head) => head,
        Outcome::Failure(failure) => {
            let missing = match failure.kind() {
                FailureKind::NeverSent if !on.connect_failure => Some("connect-failure"),
                FailureKind::Unprocessed if !on.refused_stream => Some("refused-stream"),
                FailureKind::MaybeProcessed if !on.reset => Some("reset"),
                FailureKind::Timeout if !on.per_try_timeout => Some("per-try-timeout"),
                _ => None,
            };
            return match missing {
                Some(word) => format!("{word} is not in retry_on"),
                None if policy.leaves_retry_to_client(attempt) => nested(),
                None => reason_against_method(retry, attempt),
            };
        }
    };
    if let Some(code) = grpc::code(on, &head) {
        return match code {
            GrpcCode::Ok => "the call succeeded".to_owned(),
            _ if policy.leaves_retry_to_client(attempt) => nested(),
            GrpcCode::ResourceExhausted if on.rate_limited => {
                "resource-exhausted is not in retry_on, and without a time it is no limit".to_owned()
            }
            code => format!("{} is not in retry_on", code.as_str().to_ascii_lowercase().replace('_', "-")),
        };
    }
    let status = head.status();
    let has_key = attempt.has_idempotency_key();
    let is_early_data = attempt.request.header("early-data") == Some("1");
    let early_data = || {
        "the request came as early data, so its client has to send it again (RFC 8470 section 5.2)".to_owned()
    };
    match status {
        _ if head.extension::<BodySignal>().is_some_and(|signal| signal.is_final()) => {
            "no wait changes what the body says".to_owned()
        }
        _ if !status.is_client_error() && !status.is_server_error() => {
            format!("status {} is not an error", status.as_u16())
        }
        _ if policy.leaves_retry_to_client(attempt) => nested(),
        _ if head.should_retry() == Some(false) => {
            let is_no = |name: &&str| head.headers().get(*name).is_some_and(|value| value == "false");
            let name = SHOULD_RETRY.into_iter().find(is_no).unwrap_or(SHOULD_RETRY[0]);
            format!("the server says not to retry ({name}: false)")
        }
        StatusCode::TOO_EARLY if on.refused_stream && is_early_data => early_data(),
        _ if head.should_retry() != Some(true)
            && !on.statuses.contains(&status)
            && !(on.rate_limited && head.is_rate_limit()) =>
        {
            match status.as_u16() {
                403 if on.rate_limited => {
                    "status 403 is only retried if its headers name a limit: a time, or a quota of which nothing is left"
                        .to_owned()
                }
                status => format!("status {status} is not in retry_on"),
            }
        }
        StatusCode::CONFLICT if has_key && !retry.trust_idempotency_key => {
            "status 409 is only retried with a trusted Idempotency-Key, and trust_idempotency_key is false"
                .to_owned()
        }
        StatusCode::CONFLICT if !has_key => "status 409 is only retried with an Idempotency-Key".to_owned(),
        StatusCode::TOO_EARLY if is_early_data => early_data(),
        _ => reason_against_method(retry, attempt),
    }
}

/// Returns the reason for which a request with this method is not sent again after an outcome that may have processed it.
fn reason_against_method(retry: &RetryConfig, attempt: &Attempt<'_>) -> String {
    let reason = match &retry.methods {
        RetryMethods::Listed(_) => "not in methods",
        _ if !attempt.has_idempotency_key() => "not idempotent",
        _ => "not idempotent, and trust_idempotency_key is false",
    };
    format!("{} is not retried after {} ({reason})", attempt.request.method(), outcome_name(&attempt.outcome))
}

/// The headers by which a server allows or forbids a retry.
pub(super) const SHOULD_RETRY: [&str; 2] = ["x-should-retry", "stripe-should-retry"];
