//! Tests of each combinator.

use super::*;

const ACCEPT: Verdict = Verdict::Accept;
const TRANSIENT: Verdict = Verdict::Retry(RetryCause::Transient);
const THROTTLED: Verdict = Verdict::Retry(RetryCause::Throttled);

fn base() -> FixedDelay {
    FixedDelay::new(ms(1))
}

#[track_caller]
fn check(policy: &dyn Policy, cases: &[(&str, u16, Verdict)]) {
    for (method, status, expected) in cases {
        let verdict = classified(policy, &request(method, "/"), &response(*status));
        assert_eq!(verdict, *expected, "{method} {status}");
    }
}

#[test]
fn retry_on_adds_a_status_for_idempotent_requests() {
    let policy = base().retry_on(StatusCode::NOT_FOUND);
    check(
        &policy,
        &[
            ("GET", 404, TRANSIENT),
            ("DELETE", 404, TRANSIENT),
            ("POST", 404, ACCEPT),
            ("PATCH", 404, ACCEPT),
            ("GET", 410, ACCEPT),
            // A status that the standard rules retry keeps its cause.
            ("GET", 503, THROTTLED),
        ],
    );
    let mut keyed = request("POST", "/");
    keyed.headers_mut().insert("idempotency-key", "k1".parse().unwrap());
    assert_eq!(classified(&policy, &keyed, &response(404)), TRANSIENT);
    check(&base().retry_on(StatusCode::SERVICE_UNAVAILABLE), &[("GET", 503, THROTTLED)]);
    // Only responses have a status.
    let get = request("GET", "/");
    assert_eq!(policy.classify(&Attempt::new(1, &get, FailureKind::Overloaded)), ACCEPT);
}

#[test]
fn any_method_makes_every_request_idempotent_for_the_policy_before_it() {
    let teapot = StatusCode::IM_A_TEAPOT;
    check(&base().any_method(), &[("POST", 503, THROTTLED), ("POST", 500, TRANSIENT), ("POST", 501, ACCEPT)]);
    check(&base().retry_on(teapot).any_method(), &[("POST", 418, TRANSIENT), ("POST", 500, TRANSIENT)]);
    check(&base().any_method().retry_on(teapot), &[("POST", 418, ACCEPT), ("POST", 500, TRANSIENT)]);

    let post = request("POST", "/");
    for (kind, verdict) in [
        (FailureKind::MaybeProcessed, TRANSIENT),
        (FailureKind::Timeout, Verdict::Retry(RetryCause::Timeout)),
        (FailureKind::Permanent, ACCEPT),
    ] {
        assert_eq!(base().any_method().classify(&Attempt::new(1, &post, kind)), verdict, "{kind:?}");
    }
    // A CONNECT stays out of reach of retries.
    assert!(!base().any_method().is_retryable(&RequestHead::from(&request("CONNECT", "example.com:443"))));
}

#[test]
fn any_method_does_not_retry_a_conflict() {
    // A 409 is retried only for a request with an idempotency key.
    check(&base().any_method(), &[("POST", 409, ACCEPT), ("PUT", 409, ACCEPT)]);
}

#[test]
fn never_on_removes_a_status() {
    let policy = base().never_on(StatusCode::BAD_GATEWAY);
    check(&policy, &[("GET", 502, ACCEPT), ("GET", 504, TRANSIENT)]);
    // The last combinator counts.
    let status = StatusCode::NOT_FOUND;
    check(&base().retry_on(status).never_on(status), &[("GET", 404, ACCEPT)]);
    check(&base().never_on(status).retry_on(status), &[("GET", 404, TRANSIENT)]);
    let get = request("GET", "/");
    let never_sent = Attempt::new(1, &get, FailureKind::NeverSent);
    assert_eq!(policy.classify(&never_sent), Verdict::Retry(RetryCause::NeverSent));
}

#[test]
fn a_server_that_says_no_outranks_retry_on() {
    let policy = base().retry_on(StatusCode::NOT_FOUND).any_method();
    for (name, value, status, expected) in [
        ("x-should-retry", "false", 404, ACCEPT),
        ("stripe-should-retry", "false", 404, ACCEPT),
        ("x-should-retry", "false", 503, ACCEPT),
        ("x-should-retry", "true", 404, TRANSIENT),
        ("x-should-retry", "False", 404, TRANSIENT),
        ("x-should-retry", "0", 404, TRANSIENT),
    ] {
        let response = Response::builder().status(status).header(name, value).body(()).unwrap();
        assert_eq!(classified(&policy, &request("GET", "/"), &response), expected, "{name}: {value}");
    }
}

#[test]
fn only_limits_the_requests_to_a_scope() {
    let policy = base().only(|head| head.path().starts_with("/v1/"));
    for (method, path, is_retryable) in
        [("GET", "/v1/models", true), ("GET", "/v2/models", false), ("CONNECT", "example.com:443", false)]
    {
        assert_eq!(
            policy.is_retryable(&RequestHead::from(&request(method, path))),
            is_retryable,
            "{method} {path}"
        );
    }
    let all = base().only(|_| true);
    assert!(!all.is_retryable(&RequestHead::from(&request("CONNECT", "example.com:443"))));
    let both = base().only(|head| head.path() != "/a").only(|head| head.path() != "/b");
    for (path, is_retryable) in [("/a", false), ("/b", false), ("/c", true)] {
        assert_eq!(both.is_retryable(&RequestHead::from(&request("GET", path))), is_retryable, "{path}");
    }
}

#[test]
fn classify_with_comes_first_and_may_return_none() {
    let option =
        base().classify_with(|attempt: &Attempt<'_>| match attempt.outcome.response()?.status().as_u16() {
            404 => Some(Verdict::Retry(RetryCause::Timeout)),
            503 => Some(ACCEPT),
            _ => None,
        });
    check(
        &option,
        &[("POST", 404, Verdict::Retry(RetryCause::Timeout)), ("GET", 503, ACCEPT), ("GET", 502, TRANSIENT)],
    );
    let get = request("GET", "/");
    let timeout = Attempt::new(1, &get, FailureKind::Timeout);
    assert_eq!(option.classify(&timeout), Verdict::Retry(RetryCause::Timeout));

    let verdict = base().classify_with(|attempt: &Attempt<'_>| match attempt.outcome {
        Outcome::Response(_) => TRANSIENT,
        Outcome::Failure(_) => ACCEPT,
    });
    check(&verdict, &[("POST", 200, TRANSIENT), ("GET", 503, TRANSIENT)]);
    assert_eq!(verdict.classify(&timeout), ACCEPT);
}

#[test]
fn classify_with_sees_the_effect_of_any_method() {
    let by_idempotency = |attempt: &Attempt<'_>| if attempt.is_idempotent() { TRANSIENT } else { ACCEPT };
    check(&base().classify_with(by_idempotency), &[("POST", 200, ACCEPT), ("GET", 200, TRANSIENT)]);
    check(&base().classify_with(by_idempotency).any_method(), &[("POST", 200, TRANSIENT)]);
}

/// Counts what it classifies, as a circuit breaker does, and so gives no reason of its own.
#[derive(Default)]
struct Counting(std::sync::atomic::AtomicU32);

impl Policy for Counting {
    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        base().classify(attempt)
    }

    fn accept_reason(&self, _: &Attempt<'_>) -> Option<GiveUpReason> {
        None
    }

    fn schedule(&self, context: &RetryContext<'_>) -> Plan {
        base().schedule(context)
    }
}

#[test]
fn a_combinator_asks_the_inner_policy_for_its_reason() {
    let counting = Counting::default();
    let policies: [&dyn Policy; 5] = [
        &RetryAfterFirst::new(&counting),
        &(&counting).retry_on(StatusCode::NOT_FOUND),
        &(&counting).never_on(StatusCode::NOT_FOUND),
        &(&counting).only(|_| true),
        &(&counting).any_method(),
    ];
    let (post, busy) = (request("POST", "/"), response(503));
    for policy in policies {
        let attempt = Attempt::new(1, &post, ResponseHead::from(&busy));
        assert_eq!(policy.accept_reason(&attempt), None);
    }
    assert_eq!(counting.0.into_inner(), 0, "a reason was looked for by classifying again");
}

#[test]
fn a_combinator_has_a_reason_for_its_own_status() {
    let (post, gone) = (request("POST", "/"), response(404));
    let reason =
        |policy: &dyn Policy| policy.accept_reason(&Attempt::new(1, &post, ResponseHead::from(&gone)));
    assert_eq!(reason(&base()), None);
    assert_eq!(reason(&base().retry_on(StatusCode::NOT_FOUND)), Some(GiveUpReason::NotIdempotent));
    assert_eq!(reason(&base().retry_on(StatusCode::NOT_FOUND).never_on(StatusCode::NOT_FOUND)), None);
}
