use http::{Request, Response};

use super::*;
use crate::config::Profile;

/// Checks the source of the rule that resends a request after a response, under the defaults of a
/// profile.
#[track_caller]
fn check(profile: Profile, request: &str, outcome: u16, headers: &[(&str, &str)], expected: Option<&str>) {
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
        (529, "RFC 9110 section 15.6.4"),
    ] {
        check(Default, "GET", status, &[], Some(source));
        check(Default, "POST keyed", status, &[], Some(source));
        check(Default, "POST", status, &[], None);
    }
    for status in [200, 400, 404, 408, 409, 417, 421, 500, 501, 505, 520] {
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
fn a_refusal_of_a_limit_is_told_from_other_errors() {
    use Profile::{Default, Llm};
    const GITHUB: Option<&str> = Some("GitHub, primary and secondary rate limits");
    for lines in [
        ("retry-after", "2"),
        ("x-ratelimit-remaining", "0"),
        ("x-rate-limit-remaining", "0"),
        ("ratelimit", r#""a";r=0;t=3"#),
    ] {
        check(Default, "GET", 403, &[lines], GITHUB);
        check(Default, "PROPFIND", 403, &[lines], GITHUB);
        check(Default, "POST", 403, &[lines], None);
        check(Default, "POST keyed", 403, &[lines], GITHUB);
        check(Llm, "POST", 403, &[lines], GITHUB);
        check(Default, "GET", 404, &[lines], None);
    }
    check(Default, "GET", 403, &[], None);
    check(Default, "GET", 403, &[("x-ratelimit-remaining", "4980")], None);
    check(Llm, "POST", 403, &[("retry-after", "soon")], None);
    for (status, source) in [
        (400, "a limit that names a time, as 429"),
        (413, "RFC 9110 section 15.5.14"),
        (423, "RFC 4918 section 11.3, with a time as 429"),
        (449, "Azure Cosmos DB, with a time as 429"),
        (509, "limits on bandwidth, as 429"),
        (529, "Anthropic, with a time as 429"),
    ] {
        check(Default, "GET", status, &[("retry-after", "2")], Some(source));
        check(Default, "GET", status, &[("retry-after", "2"), ("x-should-retry", "false")], None);
        let gone = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "2")];
        check(Default, "GET", status, &gone, Some(source));
        check(Default, "POST", status, &gone, None);
        if status != 529 {
            check(Default, "GET", status, &[], None);
        }
    }
    check(Default, "LOCK", 429, &[], None);
    check(Default, "SEARCH", 502, &[], Some("RFC 9110 sections 15.6.3 and 15.6.5"));
}

#[test]
fn a_retriable_header_makes_an_error_a_refusal() {
    let mut retry = Profile::Llm.retry(false);
    let name = HeaderName::from_static("x-amzn-errortype");
    retry.retry_on.headers = vec![RetriableHeader { name, value: "ThrottlingException".into() }];
    let policy = GatewayPolicy::new(&retry);
    let rule = |status: u16, value: &str| {
        let request = Request::post("/").body(()).unwrap();
        let response = Response::builder().status(status).header("x-amzn-errortype", value).body(()).unwrap();
        policy.rule(&Attempt::new(1, &request, ResponseHead::from(&response)))
    };
    let expected = Some((RetryCause::Throttled, "the route's retriable_headers"));
    for value in ["ThrottlingException", "ThrottlingException:http://internal.amazon.com/coral/"] {
        assert_eq!(rule(400, value), expected, "{value}");
        assert_eq!(rule(200, value), None, "{value}");
    }
    for value in ["ThrottlingExceptions", "throttlingexception", "ValidationException", ""] {
        assert_eq!(rule(400, value), None, "{value}");
    }
}

/// The backoff of the `llm` profile is that of the library's policy.
#[test]
fn the_llm_profile_waits_as_the_librarys_policy() {
    let gateway = GatewayPolicy::new(&Profile::Llm.retry(false));
    let library = tower_http_retry::policy::LlmPolicy::new();
    let request = Request::post("/").body(()).unwrap();
    for (status, cause) in [
        (429, RetryCause::Throttled),
        (529, RetryCause::Throttled),
        (503, RetryCause::Throttled),
        (500, RetryCause::Transient),
    ] {
        let response = Response::builder().status(status).body(()).unwrap();
        for step in 0..9 {
            let attempt = Attempt::new(step + 1, &request, ResponseHead::from(&response));
            let context = RetryContext::new(attempt, cause).backoff_step(step);
            assert_eq!(gateway.schedule(&context), library.schedule(&context), "{status} {step}");
        }
    }
}

/// The default backoff is short, and not after the refusal of a limit.
#[test]
fn a_refusal_without_a_time_waits_for_half_a_second() {
    let request = Request::get("/").body(()).unwrap();
    for (status, earliest_ms, latest_ms) in [(429, 125, 500), (403, 125, 500), (503, 0, 25)] {
        let response = Response::builder().status(status).body(()).unwrap();
        let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
        let plan = GatewayPolicy::new(&Profile::Default.retry(false))
            .schedule(&RetryContext::new(attempt, RetryCause::Throttled));
        let millis = std::time::Duration::from_millis;
        let window = tower_http_retry::Window::between(millis(earliest_ms), millis(latest_ms));
        assert_eq!(plan, window.into(), "{status}");
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
        assert_eq!(cause(profile, "GET", 402, BodySignal::TooLarge), None);
        assert_eq!(cause(profile, "GET", 529, BodySignal::FailedEarly), Some(RetryCause::Throttled));
        assert_eq!(cause(profile, "GET", 429, BodySignal::Limited), Some(RetryCause::Throttled));
    }
    assert_eq!(cause(Profile::Default, "POST", 529, BodySignal::FailedEarly), None);
    assert_eq!(cause(Profile::Llm, "POST", 529, BodySignal::FailedEarly), Some(RetryCause::Throttled));
}

#[test]
fn what_a_status_says_was_not_processed_is_sent_again_once_with_any_method() {
    for (is_refused_stream, is_listed) in [(true, false), (false, true), (true, true), (false, false)] {
        let mut retry = Profile::Default.retry(false);
        retry.retry_on.refused_stream = is_refused_stream;
        if is_listed {
            retry.retry_on.statuses.extend([StatusCode::TOO_EARLY, StatusCode::EXPECTATION_FAILED]);
        }
        let policy = GatewayPolicy::new(&retry);
        let rule = |number: u32, status: u16, line: (&str, &str)| {
            let response = Response::builder().status(status).body(()).unwrap();
            let request = Request::post("/").header(line.0, line.1).body(()).unwrap();
            policy.rule(&Attempt::new(number, &request, ResponseHead::from(&response)))
        };
        let when = |source| (is_refused_stream || is_listed).then_some((RetryCause::Unprocessed, source));
        assert_eq!(rule(1, 425, ("early-data", "0")), when("RFC 8470 section 5.2"));
        assert_eq!(rule(2, 425, ("early-data", "0")), None);
        // Only the client can repeat it after its handshake.
        assert_eq!(rule(1, 425, ("early-data", "1")), None);
        assert_eq!(rule(1, 417, ("expect", "100-continue")), when("RFC 9110 section 10.1.1"));
        assert_eq!(rule(1, 417, ("expect", "something")), None);
    }
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
