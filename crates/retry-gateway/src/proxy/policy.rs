//! The retry policy of a route: the [`Policy`] that follows the route's configuration.
//!
//! A proxy is stricter than a client: it "MUST NOT automatically retry non-idempotent requests" (RFC 9110
//! section 9.2.2), unless the operator allows it.

use http::{HeaderName, StatusCode};
use tower_http_retry::policy::DecorrelatedJitter;
use tower_http_retry::{
    Attempt, ExponentialBackoff, FailureKind, GiveUpReason, Outcome, Plan, Policy, RequestHead,
    RetryAfterFirst, RetryCause, RetryContext, Verdict,
};

use crate::config::{BackOff, BackOffPolicy, Nested, RetryConfig, RetryMethods};
use crate::llm::BodySignal;

/// Decides for the requests of one route.
#[derive(Clone, Debug)]
pub struct GatewayPolicy {
    retry: RetryConfig,
    schedule: RetryAfterFirst<RouteBackoff>,
}

/// The backoff of a route, for responses without a hint.
#[derive(Clone, Debug)]
enum RouteBackoff {
    Exponential(ExponentialBackoff),
    Decorrelated(DecorrelatedJitter),
}

impl GatewayPolicy {
    /// Creates the policy of a route from its retry settings.
    pub fn new(retry: &RetryConfig) -> Self {
        let hints = retry.rate_limited_back_off;
        let schedule = RetryAfterFirst::new(RouteBackoff::new(&retry.back_off))
            .longest(hints.max_interval)
            .spread(hints.spread);
        Self { retry: retry.clone(), schedule }
    }

    /// Returns the cause for which an outcome is worth another attempt, and the source of the rule that says
    /// so. `None` means that the route does not retry the outcome.
    pub fn rule(&self, attempt: &Attempt<'_>) -> Option<(RetryCause, &'static str)> {
        let is_nested = || self.leaves_retry_to_client(attempt);
        self.find_rule(attempt, is_nested, |status| self.may_resend(attempt, status))
    }

    /// Finds the rule for an attempt. The closures say whether the request is a nested retry, and whether it may be sent
    /// again after a status.
    fn find_rule(
        &self,
        attempt: &Attempt<'_>,
        is_nested: impl Fn() -> bool,
        may_resend: impl Fn(Option<StatusCode>) -> bool,
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
                    FailureKind::Timeout if on.per_try_timeout && may_resend(None) => {
                        Some((RetryCause::Timeout, "RFC 9110 section 9.2.2"))
                    }
                    FailureKind::MaybeProcessed if on.reset && may_resend(None) => {
                        Some((RetryCause::Transient, "RFC 9110 section 9.2.2"))
                    }
                    _ => None,
                };
            }
        };
        let status = head.status();
        // Most responses are no errors, and need no further check.
        if !status.is_client_error() && !status.is_server_error() {
            return None;
        }
        let signal = head.extension::<BodySignal>();
        if signal == Some(&BodySignal::QuotaGone) || is_nested() || head.should_retry() == Some(false) {
            return None;
        }
        let is_forced = head.should_retry() == Some(true);
        if is_forced && may_resend(Some(status)) {
            return Some((cause(status), "OpenAI, Anthropic and Stripe SDKs"));
        }
        // `hold_event_stream` opts in to this retry regardless of `retry_on`.
        let is_worth_it = signal == Some(&BodySignal::FailedEarly) || on.statuses.contains(&status);
        if !is_worth_it || !may_resend(Some(status)) {
            return None;
        }
        // With a key, the first request may still be in flight. Without one, the conflict stays.
        if status == StatusCode::CONFLICT
            && !(self.retry.trust_idempotency_key && attempt.has_idempotency_key())
        {
            return None;
        }
        // The gateway returns 425 for a request that its client sent as early data, because only that client can
        // repeat the request after its handshake. Any other request was early on the gateway's own connection,
        // and a resend comes late enough.
        if status == StatusCode::TOO_EARLY {
            let is_original = attempt.number == 1 && attempt.request.header("early-data") != Some("1");
            return is_original.then_some((RetryCause::Unprocessed, "RFC 8470 section 5.2"));
        }
        Some((cause(status), source(status)))
    }

    /// Returns whether the request is itself a resend by its client, and `nested` leaves further retries to
    /// that client. Retries on two levels would multiply.
    pub fn leaves_retry_to_client(&self, attempt: &Attempt<'_>) -> bool {
        self.retry.nested == Nested::Limit && is_resend(&attempt.request, self.retry.attempt_header.as_ref())
    }

    /// Returns whether a request that may have been processed may be sent again. `status` is that of the
    /// response.
    fn may_resend(&self, attempt: &Attempt<'_>, status: Option<StatusCode>) -> bool {
        let method = attempt.request.method();
        let has_key = || self.retry.trust_idempotency_key && attempt.has_idempotency_key();
        match &self.retry.methods {
            RetryMethods::All => true,
            RetryMethods::Idempotent => method.is_idempotent() || has_key(),
            RetryMethods::IdempotentOrThrottled => {
                status.is_some_and(|status| cause(status) == RetryCause::Throttled)
                    || method.is_idempotent()
                    || has_key()
            }
            RetryMethods::Listed(methods) => methods.contains(method) || has_key(),
        }
    }
}

impl Policy for GatewayPolicy {
    fn is_retryable(&self, _: &RequestHead<'_>) -> bool {
        // The layer itself checks for CONNECT and upgrades.
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
        self.schedule.schedule(context)
    }
}

impl RouteBackoff {
    fn new(back_off: &BackOff) -> Self {
        let BackOff { policy, base_interval: base, max_interval: cap } = *back_off;
        match policy {
            BackOffPolicy::ExponentialBackoff(jitter) => {
                Self::Exponential(ExponentialBackoff::new(base, cap).jitter(jitter))
            }
            BackOffPolicy::Decorrelated => Self::Decorrelated(DecorrelatedJitter::new(base, cap)),
        }
    }
}

impl Policy for RouteBackoff {
    fn schedule(&self, context: &RetryContext<'_>) -> Plan {
        match self {
            Self::Exponential(policy) => policy.schedule(context),
            Self::Decorrelated(policy) => policy.schedule(context),
        }
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
mod tests {
    use http::{Request, Response};

    use tower_http_retry::policy::ResponseHead;

    use super::*;
    use crate::config::Profile;

    /// Checks the source of the rule that resends a request after a response, under the defaults of a
    /// profile.
    #[track_caller]
    fn check(
        profile: Profile,
        request: &str,
        outcome: u16,
        headers: &[(&str, &str)],
        expected: Option<&str>,
    ) {
        let (method, key) = request.split_once(' ').unwrap_or((request, ""));
        let mut sent = Request::builder().method(method).uri("/");
        if key == "keyed" {
            sent = sent.header("idempotency-key", "\"1\"");
        }
        let sent = sent.body(()).unwrap();
        let mut response = Response::builder().status(outcome);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(()).unwrap();
        let policy = GatewayPolicy::new(&profile.retry(false));
        let rule = policy.rule(&Attempt::new(1, &sent, ResponseHead::from(&response)));
        assert_eq!(rule.map(|(_, source)| source), expected, "{profile:?} {request} {outcome} {headers:?}");
    }

    #[test]
    fn each_rule_of_the_gateway_has_its_source() {
        use Profile::{Default, Llm};
        for (status, source) in [
            (429, "RFC 6585 section 4"),
            (502, "RFC 9110 sections 15.6.3 and 15.6.5"),
            (503, "RFC 9110 section 15.6.4"),
            (504, "RFC 9110 sections 15.6.3 and 15.6.5"),
        ] {
            check(Default, "GET", status, &[], Some(source));
            check(Default, "POST keyed", status, &[], Some(source));
            check(Default, "POST", status, &[], None);
        }
        for status in [200, 400, 404, 408, 409, 421, 425, 500, 501, 505, 520] {
            check(Default, "GET", status, &[], None);
        }
        for (status, source) in
            [(429, "RFC 6585 section 4"), (503, "RFC 9110 section 15.6.4"), (529, "RFC 9110 section 15.6.4")]
        {
            check(Llm, "POST", status, &[], Some(source));
        }
        for (status, source) in [
            (408, "RFC 9110 section 15.5.9"),
            (409, "draft-ietf-httpapi-idempotency-key-header-06"),
            (500, "practice of most clients"),
            (502, "RFC 9110 sections 15.6.3 and 15.6.5"),
            (507, "the route's retry_on"),
        ] {
            check(Llm, "POST", status, &[], None);
            check(Llm, "POST keyed", status, &[], Some(source));
        }
        check(Llm, "GET", 409, &[], None);
        for status in [501, 505] {
            check(Llm, "POST keyed", status, &[], None);
        }
    }

    #[test]
    fn should_retry_headers_decide_for_requests_that_may_be_resent() {
        for name in ["x-should-retry", "stripe-should-retry"] {
            check(Profile::Default, "GET", 503, &[(name, "false")], None);
            check(Profile::Default, "GET", 400, &[(name, "true")], Some("OpenAI, Anthropic and Stripe SDKs"));
            check(Profile::Default, "POST", 400, &[(name, "true")], None);
            check(Profile::Default, "GET", 200, &[(name, "true")], None);
            check(Profile::Default, "GET", 503, &[(name, "yes")], Some("RFC 9110 section 15.6.4"));
        }
        let both = [("x-should-retry", "true"), ("stripe-should-retry", "false")];
        check(Profile::Default, "GET", 503, &both, None);
    }

    #[test]
    fn a_body_signal_outranks_the_status() {
        let cause = |profile: Profile, method: &str, status: u16, signal: BodySignal| {
            let policy = GatewayPolicy::new(&profile.retry(false));
            let request = Request::builder().method(method).uri("/").body(()).unwrap();
            let response = Response::builder().status(status).header("x-should-retry", "true");
            let response = response.extension(signal).body(()).unwrap();
            policy.rule(&Attempt::new(1, &request, ResponseHead::from(&response))).map(|(cause, _)| cause)
        };
        for profile in [Profile::Default, Profile::Llm] {
            assert_eq!(cause(profile, "GET", 402, BodySignal::QuotaGone), None);
            assert_eq!(cause(profile, "GET", 529, BodySignal::FailedEarly), Some(RetryCause::Throttled));
        }
        assert_eq!(cause(Profile::Default, "POST", 529, BodySignal::FailedEarly), None);
        assert_eq!(cause(Profile::Llm, "POST", 529, BodySignal::FailedEarly), Some(RetryCause::Throttled));
    }

    #[test]
    fn a_425_is_retried_unless_the_client_sent_early_data() {
        let mut retry = Profile::Default.retry(false);
        retry.retry_on.statuses.insert(StatusCode::TOO_EARLY);
        let policy = GatewayPolicy::new(&retry);
        let response = Response::builder().status(425).body(()).unwrap();
        let source = |number: u32, early_data: &str| {
            let request = Request::get("/").header("early-data", early_data).body(()).unwrap();
            let attempt = Attempt::new(number, &request, ResponseHead::from(&response));
            policy.rule(&attempt).map(|(_, source)| source)
        };
        assert_eq!(source(1, "0"), Some("RFC 8470 section 5.2"));
        assert_eq!(source(2, "0"), None);
        assert_eq!(source(1, "1"), None);
    }

    #[test]
    fn a_request_that_was_never_processed_is_sent_again_with_any_method() {
        let policy = GatewayPolicy::new(&Profile::Default.retry(false));
        let source = |method: &str, kind: FailureKind| {
            let request = Request::builder().method(method).uri("/").header("x-envoy-attempt-count", "2");
            let request = request.body(()).unwrap();
            policy.rule(&Attempt::new(1, &request, kind)).map(|(_, source)| source)
        };
        for method in ["GET", "POST"] {
            assert_eq!(source(method, FailureKind::NeverSent), Some("RFC 9110 section 9.2.2"));
            assert_eq!(source(method, FailureKind::Unprocessed), Some("RFC 9113 section 8.7"));
            // The request is itself a resend by its client.
            assert_eq!(source(method, FailureKind::MaybeProcessed), None);
            assert_eq!(source(method, FailureKind::Timeout), None);
        }
    }

    #[test]
    fn an_outcome_that_only_the_request_keeps_from_a_retry_says_why() {
        use GiveUpReason::{Nested, NotIdempotent};
        let policy = GatewayPolicy::new(&Profile::Default.retry(false));
        for (method, attempts_before, status, expected) in [
            ("POST", "1", 503, Some(NotIdempotent)),
            ("POST", "2", 503, Some(Nested)),
            ("GET", "2", 503, Some(Nested)),
            ("GET", "2", 404, None),
            ("POST", "1", 404, None),
        ] {
            let request = Request::builder().method(method).header("x-envoy-attempt-count", attempts_before);
            let request = request.body(()).unwrap();
            let response = Response::builder().status(status).body(()).unwrap();
            let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
            assert_eq!(policy.classify(&attempt), Verdict::Accept);
            assert_eq!(policy.accept_reason(&attempt), expected, "{method} {attempts_before} {status}");
        }
    }
}
