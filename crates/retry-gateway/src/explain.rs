//! Explains in words how a route handles an outcome: the verdict, the reason, and when the next attempts start.

use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, Request, Response, StatusCode};
use tower_http_retry::policy::{Failure, ResponseHead};
use tower_http_retry::{
    Attempt, FailureKind, GiveUpReason, Outcome, Plan, Policy, RetryContext, RetryHint, Window,
};

use crate::config::{FallbackConfig, RetryConfig, RetryMethods, RouteConfig};
use crate::message::upgrade;
use crate::proxy::policy::GatewayPolicy;

/// A request and its outcome, to be explained.
#[derive(Clone, Debug)]
pub struct Case {
    /// The request's method.
    pub method: Method,
    /// The request's headers.
    pub request: HeaderMap,
    /// The outcome of the first attempt.
    pub outcome: CaseOutcome,
}

/// The outcome of an attempt.
#[derive(Clone, Debug)]
pub enum CaseOutcome {
    /// A response with these headers.
    Response(StatusCode, HeaderMap),
    /// A failure without a response.
    Failure(FailureKind),
}

/// Explains how a route handles a case, in a few lines.
pub fn explain(route: &RouteConfig, case: &Case, now: SystemTime) -> String {
    let mut text = String::new();
    // Writing to a `String` never fails.
    let _ = write_explanation(&mut text, route, case, now);
    text
}

fn write_explanation(text: &mut String, route: &RouteConfig, case: &Case, now: SystemTime) -> fmt::Result {
    let mut request = Request::new(());
    *request.method_mut() = case.method.clone();
    *request.headers_mut() = case.request.clone();
    let mut response = Response::new(());
    let outcome = match &case.outcome {
        CaseOutcome::Failure(kind) => Outcome::from(Failure::new(*kind)),
        CaseOutcome::Response(status, headers) => {
            *response.status_mut() = *status;
            *response.headers_mut() = headers.clone();
            ResponseHead::from(&response).into()
        }
    };
    let attempt = Attempt::new(1, &request, outcome);
    let is_connect_or_upgrade = request.method() == Method::CONNECT || upgrade::is_forwarded(&request);
    let fallback = route.fallback.as_ref().filter(|_| !is_connect_or_upgrade);
    // The request goes on to the next upstream after an outcome that is worth a retry, even if there is none here.
    let is_never_sent = matches!(case.outcome, CaseOutcome::Failure(FailureKind::NeverSent));
    let Some(retry) = &route.retry else {
        return write_end(text, fallback.filter(|_| is_never_sent), "the route has retry = false");
    };
    if is_connect_or_upgrade {
        return write_end(text, None, "CONNECT and requests for an upgrade are never retried");
    }
    let policy = GatewayPolicy::new(retry);
    let rule = policy.rule(&attempt);
    let Some((cause, source)) = rule.filter(|_| retry.num_retries > 0) else {
        let reason = match rule {
            Some(_) => "num_retries is 0".to_owned(),
            None => reason_against(retry, &policy, &attempt),
        };
        return write_end(text, fallback.filter(|_| is_never_sent || rule.is_some()), &reason);
    };
    writeln!(text, "retryable after {}: {cause} ({source})", outcome_name(&outcome))?;
    let hint = match outcome {
        Outcome::Response(head) => RetryHint::read_with_header(&head, now),
        Outcome::Failure(_) => None,
    };
    if let Some((hint, header)) = hint {
        match hint {
            RetryHint::After(delay) => {
                writeln!(text, "the server asks for a wait of {} ({header})", seconds(delay))?;
            }
            RetryHint::Never => writeln!(text, "the server asks for no further attempt ({header})")?,
        }
    }
    let context = RetryContext::new(attempt, cause)
        .hint(hint.map(|(hint, _)| hint))
        .hint_header(hint.map(|(_, header)| header))
        .now(now);
    write_schedule(text, route, retry, fallback, &context)
}

/// Writes when each further attempt starts, and what follows the last one.
fn write_schedule(
    text: &mut String,
    route: &RouteConfig,
    retry: &RetryConfig,
    fallback: Option<&FallbackConfig>,
    context: &RetryContext<'_>,
) -> fmt::Result {
    let policy = GatewayPolicy::new(retry);
    let hint = context.hint.and_then(RetryHint::delay);
    let (max_wait, key) = match fallback {
        Some(fallback) => (fallback.after, "fallback.after"),
        None => (route.timeout, "the route's timeout"),
    };
    for resends in 0..retry.num_retries {
        let context = (*context).backoff_step(resends);
        match not_before(policy.schedule(&context), hint) {
            Plan::GiveUp(reason) => {
                let next = fallback.filter(|_| reason != GiveUpReason::ServerSaidNo);
                return write_end(text, next, &give_up_text(reason, retry));
            }
            Plan::Resend(window) if window.earliest > max_wait => {
                let reason = format!(
                    "attempt {} would start after {}, and {key} is {}",
                    resends + 2,
                    seconds(window.earliest),
                    seconds(max_wait)
                );
                return write_end(text, fallback, &reason);
            }
            Plan::Resend(window) => {
                writeln!(
                    text,
                    "attempt {}: {} after the previous outcome",
                    resends + 2,
                    window_text(window)
                )?;
            }
        }
    }
    let last = retry.num_retries.saturating_add(1);
    match (fallback, context.attempt.outcome) {
        (Some(fallback), _) => {
            writeln!(text, "after attempt {last}: sent to {}", fallback.upstreams.join(", and then to "))
        }
        (None, Outcome::Response(_)) => {
            writeln!(text, "after attempt {last}: the last response is returned to the client")
        }
        (None, Outcome::Failure(_)) => {
            writeln!(text, "after attempt {last}: an error of the gateway is returned to the client")
        }
    }
}

/// Writes that the request goes to the next upstream, if there is one, or that its outcome goes to the client.
fn write_end(text: &mut String, fallback: Option<&FallbackConfig>, reason: &str) -> fmt::Result {
    match fallback.and_then(|fallback| fallback.upstreams.first()) {
        Some(upstream) => writeln!(text, "sent to {upstream}: {reason}"),
        None => writeln!(text, "returned to the client: {reason}"),
    }
}

/// Returns the reason for which the policy does not retry an outcome. It follows the order of
/// [`GatewayPolicy::rule`], so that the first condition that fails is the one it names.
fn reason_against(retry: &RetryConfig, policy: &GatewayPolicy, attempt: &Attempt<'_>) -> String {
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
    let status = head.status();
    let has_key = attempt.has_idempotency_key();
    match status {
        _ if !status.is_client_error() && !status.is_server_error() => {
            format!("status {} is not an error", status.as_u16())
        }
        _ if policy.leaves_retry_to_client(attempt) => nested(),
        _ if head.should_retry() == Some(false) => {
            let is_no = |name: &&str| head.headers().get(*name).is_some_and(|value| value == "false");
            let name = SHOULD_RETRY.into_iter().find(is_no).unwrap_or(SHOULD_RETRY[0]);
            format!("the server says not to retry ({name}: false)")
        }
        _ if head.should_retry() != Some(true) && !on.statuses.contains(&status) => {
            format!("status {} is not in retry_on", status.as_u16())
        }
        StatusCode::CONFLICT if has_key && !retry.trust_idempotency_key => {
            "status 409 is only retried with a trusted Idempotency-Key, and trust_idempotency_key is false"
                .to_owned()
        }
        StatusCode::CONFLICT if !has_key => "status 409 is only retried with an Idempotency-Key".to_owned(),
        StatusCode::TOO_EARLY if attempt.request.header("early-data") == Some("1") => {
            "the request came as early data, so its client has to send it again (RFC 8470 section 5.2)"
                .to_owned()
        }
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

fn outcome_name(outcome: &Outcome<'_>) -> String {
    let failure = match outcome {
        Outcome::Response(head) => return format!("status {}", head.status().as_u16()),
        Outcome::Failure(failure) => failure,
    };
    match failure.kind() {
        FailureKind::NeverSent => "a failed connect",
        FailureKind::Unprocessed => "a refused stream",
        FailureKind::MaybeProcessed => "a reset",
        FailureKind::Timeout => "a timeout",
        _ => "this failure",
    }
    .to_owned()
}

/// Moves a window behind the hint: a session never sends before it.
fn not_before(plan: Plan, hint: Option<Duration>) -> Plan {
    match (plan, hint) {
        (Plan::Resend(window), Some(hint)) => window.opening_at(hint).into(),
        (plan, _) => plan,
    }
}

fn window_text(window: Window) -> String {
    match window.width().is_zero() {
        true => seconds(window.earliest),
        false => format!("{} to {}", seconds(window.earliest), seconds(window.latest)),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

fn give_up_text(reason: GiveUpReason, retry: &RetryConfig) -> String {
    match reason {
        GiveUpReason::HintTooLong => format!(
            "the wait is longer than rate_limited_back_off.max_interval, which is {}",
            seconds(retry.rate_limited_back_off.max_interval)
        ),
        GiveUpReason::ServerSaidNo => "the server asks for no further attempt".to_owned(),
        other => other.to_string(),
    }
}

/// The headers by which a server allows or forbids a retry.
const SHOULD_RETRY: [&str; 2] = ["x-should-retry", "stripe-should-retry"];

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::config::Profile;

    fn response(status: u16, headers: &[(&str, &str)]) -> CaseOutcome {
        CaseOutcome::Response(StatusCode::from_u16(status).unwrap(), header_map(headers))
    }

    fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
        let lines = headers.iter();
        lines.map(|(name, value)| (HeaderName::try_from(*name).unwrap(), value.parse().unwrap())).collect()
    }

    #[track_caller]
    fn check(profile: Profile, method: Method, outcome: CaseOutcome, expected: &[&str]) {
        let case = Case { method, request: HeaderMap::new(), outcome };
        let text = explain(&RouteConfig::with_upstream("api", profile, false), &case, SystemTime::UNIX_EPOCH);
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_schedule_lists_each_attempt() {
        check(
            Profile::Default,
            Method::GET,
            response(502, &[]),
            &[
                "retryable after status 502: transient (RFC 9110 sections 15.6.3 and 15.6.5)",
                "attempt 2: 0.000 s to 0.025 s after the previous outcome",
                "attempt 3: 0.000 s to 0.050 s after the previous outcome",
                "after attempt 3: the last response is returned to the client",
            ],
        );
        check(
            Profile::Llm,
            Method::POST,
            response(429, &[("retry-after", "2")]),
            &[
                "retryable after status 429: throttled (RFC 6585 section 4)",
                "the server asks for a wait of 2.000 s (retry-after)",
                "attempt 2: 2.000 s to 4.000 s after the previous outcome",
                "attempt 3: 2.000 s to 4.000 s after the previous outcome",
                "attempt 4: 2.000 s to 4.000 s after the previous outcome",
                "after attempt 4: the last response is returned to the client",
            ],
        );
        check(
            Profile::Default,
            Method::GET,
            response(503, &[("retry-after", "3600")]),
            &[
                "retryable after status 503: throttled (RFC 9110 section 15.6.4)",
                "the server asks for a wait of 3600.000 s (retry-after)",
                "returned to the client: the wait is longer than rate_limited_back_off.max_interval, which is 10.000 s",
            ],
        );
    }

    /// Checks the only line of an explanation whose case is not retried. `header` belongs to the request.
    #[track_caller]
    fn check_reason(
        request: (&str, &[(&str, &str)]),
        outcome: CaseOutcome,
        change: impl Fn(&mut RetryConfig),
        reason: &str,
    ) {
        let mut route = RouteConfig::with_upstream("api", Profile::Default, false);
        change(route.retry.as_mut().unwrap());
        let method = request.0.parse().unwrap();
        let case = Case { method, request: header_map(request.1), outcome };
        let text = explain(&route, &case, SystemTime::UNIX_EPOCH);
        assert_eq!(text, format!("returned to the client: {reason}\n"));
    }

    #[test]
    fn each_reason_against_a_retry_is_named() {
        let (get, post) = (("GET", &[][..]), ("POST", &[][..]));
        let with_key = ("POST", &[("idempotency-key", "\"1\"")][..]);
        let failure = CaseOutcome::Failure;
        let same = |_: &mut RetryConfig| {};
        let on_409 = |retry: &mut RetryConfig| {
            retry.retry_on.statuses.insert(StatusCode::CONFLICT);
        };
        let reset = || failure(FailureKind::MaybeProcessed);
        check_reason(post, reset(), same, "POST is not retried after a reset (not idempotent)");
        check_reason(post, response(503, &[]), same, "POST is not retried after status 503 (not idempotent)");
        let untrusted = |retry: &mut RetryConfig| retry.trust_idempotency_key = false;
        let reason = "POST is not retried after a reset (not idempotent, and trust_idempotency_key is false)";
        check_reason(with_key, reset(), untrusted, reason);
        let listed = |retry: &mut RetryConfig| retry.methods = RetryMethods::Listed(vec![Method::PUT]);
        check_reason(get, reset(), listed, "GET is not retried after a reset (not in methods)");
        check_reason(get, response(404, &[]), same, "status 404 is not in retry_on");
        check_reason(get, response(200, &[]), same, "status 200 is not an error");
        let nothing = |retry: &mut RetryConfig| retry.retry_on = Default::default();
        for (kind, word) in [
            (FailureKind::NeverSent, "connect-failure"),
            (FailureKind::Unprocessed, "refused-stream"),
            (FailureKind::MaybeProcessed, "reset"),
            (FailureKind::Timeout, "per-try-timeout"),
        ] {
            check_reason(get, failure(kind), nothing, &format!("{word} is not in retry_on"));
        }
        let resend = ("GET", &[("x-envoy-attempt-count", "2")][..]);
        let nested = "the request is itself a resend, and retries are left to its client (nested)";
        check_reason(resend, reset(), same, nested);
        check_reason(resend, response(503, &[]), same, nested);
        for name in SHOULD_RETRY {
            let reason = format!("the server says not to retry ({name}: false)");
            check_reason(get, response(503, &[(name, "false")]), same, &reason);
        }
        check_reason(get, response(503, &[]), |retry| retry.num_retries = 0, "num_retries is 0");
        check_reason(get, response(409, &[]), on_409, "status 409 is only retried with an Idempotency-Key");
        let untrusted_409 = |retry: &mut RetryConfig| {
            on_409(retry);
            retry.trust_idempotency_key = false;
        };
        let reason =
            "status 409 is only retried with a trusted Idempotency-Key, and trust_idempotency_key is false";
        check_reason(with_key, response(409, &[]), untrusted_409, reason);
        let on_425 = |retry: &mut RetryConfig| {
            retry.retry_on.statuses.insert(StatusCode::TOO_EARLY);
        };
        let early = ("GET", &[("early-data", "1")][..]);
        let reason =
            "the request came as early data, so its client has to send it again (RFC 8470 section 5.2)";
        check_reason(early, response(425, &[]), on_425, reason);
        let upgrade = ("GET", &[("connection", "upgrade"), ("upgrade", "websocket")][..]);
        let reason = "CONNECT and requests for an upgrade are never retried";
        check_reason(upgrade, response(503, &[]), same, reason);
    }

    /// The method is only blamed where another method would be retried.
    #[test]
    fn a_request_that_is_blamed_for_its_method_is_retried_with_all_methods() {
        let outcomes = (400..600)
            .map(|status| response(status, &[]))
            .chain([FailureKind::MaybeProcessed, FailureKind::Timeout].map(CaseOutcome::Failure));
        let mut blamed = 0;
        for outcome in outcomes {
            for profile in [Profile::Default, Profile::Llm] {
                let mut route = RouteConfig::with_upstream("api", profile, false);
                let case = Case { method: Method::POST, request: HeaderMap::new(), outcome: outcome.clone() };
                if explain(&route, &case, SystemTime::UNIX_EPOCH).contains("(not idempotent)") {
                    blamed += 1;
                    route.retry.as_mut().unwrap().methods = RetryMethods::All;
                    let text = explain(&route, &case, SystemTime::UNIX_EPOCH);
                    assert!(text.starts_with("retryable after "), "{text}");
                }
            }
        }
        assert!(blamed > 10, "{blamed}");
    }

    #[test]
    fn the_next_upstream_is_named_if_there_is_one() {
        let check =
            |profile: Profile, change: &dyn Fn(&mut RouteConfig), outcome: CaseOutcome, last: &str| {
                let mut route = RouteConfig::with_upstream("api", profile, false);
                let upstreams = vec!["b".to_owned(), "c".to_owned()];
                route.fallback = Some(FallbackConfig { upstreams, after: Duration::from_secs(5) });
                change(&mut route);
                let case = Case { method: Method::POST, request: HeaderMap::new(), outcome };
                let text = explain(&route, &case, SystemTime::UNIX_EPOCH);
                assert_eq!(text.lines().last(), Some(last), "{text}");
            };
        let busy = |hint: &str| response(429, &[("retry-after", hint)]);
        let failure = CaseOutcome::Failure;
        let same: &dyn Fn(&mut RouteConfig) = &|_| {};
        let no_retry: &dyn Fn(&mut RouteConfig) = &|route| route.retry = None;
        check(Profile::Llm, same, busy("2"), "after attempt 4: sent to b, and then to c");
        let too_late = "sent to b: attempt 2 would start after 6.000 s, and fallback.after is 5.000 s";
        check(Profile::Llm, same, busy("6"), too_late);
        let too_long =
            "sent to b: the wait is longer than rate_limited_back_off.max_interval, which is 120.000 s";
        check(Profile::Llm, same, busy("600"), too_long);
        let by_method = "returned to the client: POST is not retried after status 429 (not idempotent)";
        check(Profile::Default, same, busy("2"), by_method);
        let after_reset = "returned to the client: POST is not retried after a reset (not idempotent)";
        check(Profile::Default, same, failure(FailureKind::MaybeProcessed), after_reset);
        let off = "returned to the client: the route has retry = false";
        check(Profile::Default, no_retry, busy("2"), off);
        let unsent = "sent to b: the route has retry = false";
        check(Profile::Default, no_retry, failure(FailureKind::NeverSent), unsent);
        let once: &dyn Fn(&mut RouteConfig) = &|route| route.retry.as_mut().unwrap().num_retries = 0;
        check(Profile::Llm, once, busy("2"), "sent to b: num_retries is 0");
    }
}
