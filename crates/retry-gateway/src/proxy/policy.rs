//! The retry policy of a route: the [`Policy`] that follows the route's configuration.
//!
//! A proxy is stricter than a client: it "MUST NOT automatically retry non-idempotent requests" (RFC 9110
//! section 9.2.2), unless the operator allows it.

mod backoff;
pub(crate) mod grpc;

use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};
use tower_http_retry::policy::ResponseHead;
use tower_http_retry::{
    Attempt, FailureKind, GiveUpReason, Outcome, Plan, Policy, RequestHead, RetryAfterFirst, RetryCause,
    RetryContext, Verdict, Window, rules,
};

use self::backoff::RouteBackoff;
use crate::config::{Nested, RetriableHeader, RetryConfig, RetryMethods};
use crate::llm::BodySignal;
use crate::upstream::error::AttemptError;

/// Decides for the requests of one route.
#[derive(Clone, Debug)]
pub struct GatewayPolicy {
    retry: RetryConfig,
    schedule: RetryAfterFirst<RouteBackoff>,
}

impl GatewayPolicy {
    /// Creates the policy of a route from its retry settings.
    pub fn new(retry: &RetryConfig) -> Self {
        let hints = retry.rate_limited_back_off;
        let throttled = backoff::throttled(retry);
        let schedule = RetryAfterFirst::new(RouteBackoff::new(&retry.back_off, throttled))
            .throttled_backoff(throttled)
            .longest(hints.max_interval)
            .spread(hints.spread);
        Self { retry: retry.clone(), schedule }
    }

    /// Returns the cause for which an outcome is worth another attempt, and the source of the rule that says
    /// so. `None` means that the route does not retry the outcome.
    pub fn rule(&self, attempt: &Attempt<'_>) -> Option<(RetryCause, &'static str)> {
        let is_nested = || self.leaves_retry_to_client(attempt);
        self.find_rule(attempt, is_nested, |cause| self.may_resend(attempt, cause))
    }

    /// Finds the rule for an attempt. The closures say whether the request is a nested retry, and whether it may be sent
    /// again for a cause.
    fn find_rule(
        &self,
        attempt: &Attempt<'_>,
        is_nested: impl Fn() -> bool,
        may_resend: impl Fn(RetryCause) -> bool,
    ) -> Option<(RetryCause, &'static str)> {
        let on = &self.retry.retry_on;
        let head = match attempt.outcome {
            Outcome::Response(head) => head,
            Outcome::Failure(failure) => {
                return match failure.kind() {
                    FailureKind::NeverSent if on.connect_failure => {
                        Some((RetryCause::NeverSent, "RFC 9110 section 9.2.2"))
                    }
                    FailureKind::Unprocessed if on.refused_stream => {
                        Some((RetryCause::Unprocessed, "RFC 9113 section 8.7"))
                    }
                    _ if is_nested() => None,
                    FailureKind::Timeout if on.per_try_timeout && may_resend(RetryCause::Timeout) => {
                        Some((RetryCause::Timeout, "RFC 9110 section 9.2.2"))
                    }
                    FailureKind::MaybeProcessed if on.reset && may_resend(RetryCause::Transient) => {
                        Some((RetryCause::Transient, "RFC 9110 section 9.2.2"))
                    }
                    _ => None,
                };
            }
        };
        if let Some(code) = grpc::code(on, &head) {
            return grpc::rule(on, attempt, code).filter(|_| !is_nested());
        }
        let status = head.status();
        // Most responses are no errors, and need no further check.
        if !status.is_client_error() && !status.is_server_error() {
            return None;
        }
        let signal = head.extension::<BodySignal>();
        if signal.is_some_and(|signal| signal.is_final()) || is_nested() || head.should_retry() == Some(false)
        {
            return None;
        }
        let is_forced = head.should_retry() == Some(true);
        let limit = self.limit(&head);
        let cause = if limit.is_some() { RetryCause::Throttled } else { cause(status) };
        if is_forced && may_resend(cause) {
            return Some((cause, "OpenAI, Anthropic and Stripe SDKs"));
        }
        if let Some(source) = self.unprocessed(attempt, status) {
            return Some((RetryCause::Unprocessed, source));
        }
        // `hold_event_stream` opts in to this retry regardless of `retry_on`.
        let is_failed = signal.is_some_and(|signal| signal.is_failure());
        let is_worth_it = is_failed || limit.is_some() || on.statuses.contains(&status);
        if !is_worth_it || !may_resend(cause) {
            return None;
        }
        if let Some(source) = limit {
            return Some((cause, source));
        }
        // With a key, the first request may still be in flight. Without one, the conflict stays.
        if status == StatusCode::CONFLICT
            && !(self.retry.trust_idempotency_key && attempt.has_idempotency_key())
        {
            return None;
        }
        (status != StatusCode::TOO_EARLY).then(|| (cause, source(status)))
    }

    /// Returns the source of the rule by which a status says that the request was not processed, whatever its method.
    ///
    /// The gateway returns 425 for a request that its client sent as early data, because only that client can
    /// repeat the request after its handshake. Any other request was early on the gateway's own connection,
    /// and a resend comes late enough. A resend after a 417 has no `Expect`.
    fn unprocessed(&self, attempt: &Attempt<'_>, status: StatusCode) -> Option<&'static str> {
        if !matches!(status, StatusCode::TOO_EARLY | StatusCode::EXPECTATION_FAILED) {
            return None;
        }
        let on = &self.retry.retry_on;
        let is_listed = on.refused_stream || on.statuses.contains(&status);
        let rule = is_listed.then(|| rules::matching(attempt)).flatten();
        rule.filter(|rule| rule.verdict == Verdict::Retry(RetryCause::Unprocessed)).map(|rule| rule.source)
    }

    /// Returns the source of the rule by which an error is the refusal of a limit that the route retries.
    fn limit(&self, head: &ResponseHead<'_>) -> Option<&'static str> {
        let on = &self.retry.retry_on;
        if on.headers.iter().any(|header| header.is_in(head.headers())) {
            return Some("the route's retriable_headers");
        }
        let rule = on.rate_limited.then(|| rules::limit(head)).flatten();
        rule.map(|rule| rule.source)
    }

    /// Returns whether the request is itself a resend by its client, and `nested` leaves further retries to
    /// that client. Retries on two levels would multiply.
    pub fn leaves_retry_to_client(&self, attempt: &Attempt<'_>) -> bool {
        self.retry.nested == Nested::Limit && is_resend(&attempt.request, self.retry.attempt_header.as_ref())
    }

    /// Returns whether a request that may have been processed may be sent again for a cause.
    fn may_resend(&self, attempt: &Attempt<'_>, cause: RetryCause) -> bool {
        let is_idempotent = || attempt.request.has_idempotent_method();
        let has_key = || self.retry.trust_idempotency_key && attempt.has_idempotency_key();
        match &self.retry.methods {
            RetryMethods::All => true,
            RetryMethods::Idempotent => is_idempotent() || has_key(),
            RetryMethods::IdempotentOrThrottled => {
                cause == RetryCause::Throttled || is_idempotent() || has_key()
            }
            RetryMethods::Listed(methods) => methods.contains(attempt.request.method()) || has_key(),
        }
    }
}

impl Policy for GatewayPolicy {
    fn is_retryable(&self, _: &RequestHead<'_>) -> bool {
        // The layer checks for CONNECT, and sends an upgrade again only if it was never sent.
        self.retry.num_retries > 0
    }

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        self.rule(attempt).map_or(Verdict::Accept, |(cause, _)| Verdict::Retry(cause))
    }

    fn accept_reason(&self, attempt: &Attempt<'_>) -> Option<GiveUpReason> {
        self.find_rule(attempt, || false, |_| true)?;
        let is_nested = self.leaves_retry_to_client(attempt);
        Some(if is_nested { GiveUpReason::Nested } else { GiveUpReason::NotIdempotent })
    }

    fn schedule(&self, context: &RetryContext<'_>) -> Plan {
        match attempt_error(&context.attempt.outcome) {
            // The backoff comes when all endpoints were tried.
            Some(AttemptError::Redispatch(_)) => Window::exactly(Duration::ZERO).into(),
            // The request has waited for as long as it may.
            Some(AttemptError::Down(_)) => Plan::GiveUp(GiveUpReason::NotReady),
            _ => grpc::within_timeout(self.schedule.schedule(context), context),
        }
    }
}

fn attempt_error<'a>(outcome: &Outcome<'a>) -> Option<&'a AttemptError> {
    match outcome {
        Outcome::Failure(failure) => failure.find(),
        Outcome::Response(_) => None,
    }
}

impl RetriableHeader {
    /// Returns whether a response has the header. Details may follow the value, as in
    /// `ThrottlingException:http://internal.amazon.com/`.
    fn is_in(&self, headers: &HeaderMap) -> bool {
        headers.get_all(&self.name).iter().any(|value| {
            let rest = value.as_bytes().strip_prefix(self.value.as_bytes());
            rest.is_some_and(|rest| matches!(rest.first(), None | Some(b':' | b';' | b',')))
        })
    }
}

/// Returns `Throttled` if the server rejects requests because of their number, and `Transient` for other
/// failures.
fn cause(status: StatusCode) -> RetryCause {
    match status.as_u16() {
        429 | 503 | 529 => RetryCause::Throttled,
        _ => RetryCause::Transient,
    }
}

/// Returns the source of the rule that retries a status.
fn source(status: StatusCode) -> &'static str {
    match status.as_u16() {
        408 => "RFC 9110 section 15.5.9",
        409 => "draft-ietf-httpapi-idempotency-key-header-06",
        421 => "RFC 9110 section 15.5.20",
        429 => "RFC 6585 section 4",
        500 | 520..=524 => "practice of most clients",
        502 | 504 => "RFC 9110 sections 15.6.3 and 15.6.5",
        503 | 529 => "RFC 9110 section 15.6.4",
        _ => "the route's retry_on",
    }
}

/// Returns whether a request is a resend by a client that retries itself (RFC 9110 section 9.2.2, last
/// sentence).
fn is_resend(request: &RequestHead<'_>, attempt_header: Option<&HeaderName>) -> bool {
    let count = |name: &str| request.header(name).and_then(|value| value.trim().parse::<u32>().ok());
    let amz = request.header("amz-sdk-request").and_then(|value| {
        let items = value.split(';').filter_map(|item| item.trim().strip_prefix("attempt="));
        items.filter_map(|number| number.parse::<u32>().ok()).next()
    });
    count("x-envoy-attempt-count").is_some_and(|number| number > 1)
        || count("grpc-previous-rpc-attempts").is_some_and(|number| number > 0)
        || count("x-stainless-retry-count").is_some_and(|number| number > 0)
        || amz.is_some_and(|number| number > 1)
        || attempt_header.is_some_and(|name| count(name.as_str()).is_some_and(|number| number > 1))
}

#[cfg(test)]
mod tests;
