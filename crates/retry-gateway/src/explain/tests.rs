//! Tests of the explanations.

mod bodies;
mod outages;

use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};

use super::reason::SHOULD_RETRY;
use super::*;
use crate::config::{Profile, RetryMethods};

fn response(status: u16, headers: &[(&str, &str)]) -> CaseOutcome {
    CaseOutcome::response(StatusCode::from_u16(status).unwrap(), header_map(headers))
}

fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    let lines = headers.iter();
    lines.map(|(name, value)| (HeaderName::try_from(*name).unwrap(), value.parse().unwrap())).collect()
}

#[track_caller]
fn check(profile: Profile, method: Method, outcome: CaseOutcome, expected: &[&str]) {
    let case = Case { method, request: HeaderMap::new(), outcome };
    let text =
        explain(&RouteConfig::with_upstream("api", profile, false), None, &case, SystemTime::UNIX_EPOCH);
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_call_of_grpc_is_explained_by_its_code() {
    check(
        Profile::Grpc,
        Method::POST,
        response(200, &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "50")]),
        &[
            "retryable after the gRPC status UNAVAILABLE: throttled (gRPC A6, and the route's retry_on)",
            "the server asks for a wait of 0.050 s (grpc-retry-pushback-ms)",
            "attempt 2: 0.050 s after the previous outcome",
            "attempt 3: 0.050 s after the previous outcome",
            "after attempt 3: the last response is returned to the client",
        ],
    );
    for (number, reason) in [
        ("0", "the call succeeded"),
        ("4", "deadline-exceeded is not in retry_on"),
        ("8", "resource-exhausted is not in retry_on, and without a time it is no limit"),
        ("99", "unknown is not in retry_on"),
    ] {
        let expected = format!("returned to the client: {reason}");
        check(Profile::Grpc, Method::POST, response(200, &[("grpc-status", number)]), &[&expected]);
    }
    let ignored = response(200, &[("grpc-status", "14")]);
    check(Profile::Default, Method::POST, ignored, &["returned to the client: status 200 is not an error"]);
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

/// The lines about attempts of a POST under `llm`, at upstreams with so many endpoints, and with the pace of the profile if
/// `is_paced`.
fn attempts(outcome: CaseOutcome, endpoints: usize, is_paced: bool) -> Vec<String> {
    let endpoints = (1..=endpoints).map(|number| format!("http://10.0.0.{number}").parse().unwrap());
    let mut upstream = UpstreamConfig::with_endpoints(endpoints.collect());
    upstream.pace = is_paced.then(Default::default);
    let route = RouteConfig::with_upstream("api", Profile::Llm, is_paced);
    let case = Case { method: Method::POST, request: HeaderMap::new(), outcome };
    let text = explain(&route, Some(&upstream), &case, SystemTime::UNIX_EPOCH);
    text.lines().filter(|line| line.contains("attempt ")).map(str::to_owned).collect()
}

#[test]
fn the_pace_is_a_part_of_the_waits() {
    let busy = || response(429, &[("retry-after", "2")]);
    let alone = attempts(busy(), 1, false);
    assert_eq!(
        alone[..2],
        [
            "attempt 2: 2.000 s to 4.000 s after the previous outcome",
            "attempt 3: 2.000 s to 4.000 s after the previous outcome",
        ]
    );
    // The pace keeps requests apart, so their waits need no spread.
    let paced = attempts(busy(), 1, true);
    assert_eq!(paced[0], "attempt 2: 2.000 s after the previous outcome", "{paced:?}");
    // The quota that is used up lasts for longer than the time that the response names.
    let gone = response(429, &[("retry-after", "1"), ("ratelimit", "\"a\";r=0;t=5")]);
    let quota = attempts(gone, 1, true);
    let seconds = quota[0].strip_prefix("attempt 2: ").unwrap().split_once(' ').unwrap().0;
    assert!((4.5..=5.5).contains(&seconds.parse::<f64>().unwrap()), "{quota:?}");
    assert!(quota[0].ends_with(" after the previous outcome (pace: quota)"), "{quota:?}");
}

/// A resend that the protocol makes at once does not count among the retries.
#[test]
fn what_was_not_processed_is_sent_again_at_once() {
    let lines = attempts(CaseOutcome::Failure(FailureKind::Unprocessed), 1, false);
    assert_eq!(lines[0], "attempt 2: 0.000 s after the previous outcome");
    assert_eq!(lines.last().unwrap(), "after attempt 5: an error of the gateway is returned to the client");
}

#[test]
fn an_unwell_endpoint_is_asked_again_later_than_an_untried_one() {
    let first = |endpoints| {
        let windows = attempts(response(503, &[]), endpoints, false).into_iter();
        windows
            .filter_map(|line| {
                line.split_once(": ")?.1.strip_suffix(" after the previous outcome").map(str::to_owned)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(first(1)[0], "0.125 s to 0.500 s");
    assert_eq!(first(3)[..2], ["0.000 s to 0.500 s", "0.000 s to 1.000 s"]);
    assert_eq!(first(3)[2], "0.500 s to 2.000 s");
}

/// Waits add up, and all of them together have to fit.
#[test]
fn the_timeout_bounds_all_waits_together() {
    let mut route = RouteConfig::with_upstream("api", Profile::Llm, false);
    route.timeout = Duration::from_secs(7);
    let case = Case {
        method: Method::POST,
        request: HeaderMap::new(),
        outcome: response(429, &[("retry-after", "3")]),
    };
    let text = explain(&route, None, &case, SystemTime::UNIX_EPOCH);
    let last = text.lines().last().unwrap();
    assert_eq!(
        last,
        "returned to the client: attempt 4 would start after 9.000 s, and the route's timeout is 7.000 s"
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
    let text = explain(&route, None, &case, SystemTime::UNIX_EPOCH);
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
        retry.retry_on.refused_stream = false;
        retry.retry_on.statuses.insert(StatusCode::TOO_EARLY);
    };
    let early = ("GET", &[("early-data", "1")][..]);
    let reason = "the request came as early data, so its client has to send it again (RFC 8470 section 5.2)";
    check_reason(early, response(425, &[]), on_425, reason);
    check_reason(early, response(425, &[]), same, reason);
    let upgrade = ("GET", &[("connection", "upgrade"), ("upgrade", "websocket")][..]);
    let reason = "CONNECT is never retried, and a request for an upgrade only if it was never sent";
    check_reason(upgrade, response(503, &[]), same, reason);
}

/// The first handshake may go to another endpoint if this one never took the connection, with POST too.
#[test]
fn an_upgrade_that_was_never_sent_is_retried_as_any_request() {
    let route = RouteConfig::with_upstream("api", Profile::Default, false);
    let text = |method: Method, request: &[(&str, &str)]| {
        let outcome = CaseOutcome::Failure(FailureKind::NeverSent);
        explain(&route, None, &Case { method, request: header_map(request), outcome }, SystemTime::UNIX_EPOCH)
    };
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    for method in [Method::GET, Method::POST] {
        let plain = text(method.clone(), &[]);
        assert!(plain.starts_with("retryable after a failed connect"), "{plain}");
        assert_eq!(text(method, &upgrade), plain);
    }
    assert!(text(Method::CONNECT, &[]).starts_with("returned to the client: "));
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
            if explain(&route, None, &case, SystemTime::UNIX_EPOCH).contains("(not idempotent)") {
                blamed += 1;
                route.retry.as_mut().unwrap().methods = RetryMethods::All;
                let text = explain(&route, None, &case, SystemTime::UNIX_EPOCH);
                assert!(text.starts_with("retryable after "), "{text}");
            }
        }
    }
    assert!(blamed > 10, "{blamed}");
}

#[test]
fn the_next_upstream_is_named_if_there_is_one() {
    let check = |profile: Profile, change: &dyn Fn(&mut RouteConfig), outcome: CaseOutcome, last: &str| {
        let mut route = RouteConfig::with_upstream("api", profile, false);
        let upstreams = vec!["b".to_owned(), "c".to_owned()];
        route.fallback = Some(FallbackConfig { upstreams, after: Duration::from_secs(5) });
        change(&mut route);
        let case = Case { method: Method::POST, request: HeaderMap::new(), outcome };
        let text = explain(&route, None, &case, SystemTime::UNIX_EPOCH);
        assert_eq!(text.lines().last(), Some(last), "{text}");
    };
    let busy = |hint: &str| response(429, &[("retry-after", hint)]);
    let failure = CaseOutcome::Failure;
    let same: &dyn Fn(&mut RouteConfig) = &|_| {};
    let no_retry: &dyn Fn(&mut RouteConfig) = &|route| route.retry = None;
    check(Profile::Llm, same, busy("1"), "after attempt 4: sent to b, and then to c");
    let in_sum = "sent to b: attempt 4 would start after 6.000 s, and fallback.after is 5.000 s";
    check(Profile::Llm, same, busy("2"), in_sum);
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
