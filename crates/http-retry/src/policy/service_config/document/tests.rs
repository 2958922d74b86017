use http::{Request, Response};

use super::*;
use crate::{ResponseHead, RetryHint};

/// Returns a `retryPolicy` with this number of attempts, which retries `UNAVAILABLE`.
fn policy(attempts: u32) -> String {
    format!(
        r#"{{"maxAttempts": {attempts}, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"], "perAttemptRecvTimeout": "1s"}}"#
    )
}

fn parse_methods(methods: &str) -> Result<GrpcServiceConfig, ServiceConfigError> {
    GrpcServiceConfig::from_json(&format!(r#"{{"methodConfig": [{methods}]}}"#))
}

/// Returns a config that names methods, services and the default.
fn shop() -> GrpcServiceConfig {
    let [five, four, three] = [5, 4, 3].map(policy);
    let methods = format!(
        r#"{{"name": [{{}}], "retryPolicy": {five}}},
        {{"name": [{{"service": "shop.Orders"}}, {{"service": "shop.Prices", "method": ""}}], "retryPolicy": {four}}},
        {{"name": [{{"service": "shop.Orders", "method": "List"}}], "retryPolicy": {three}, "timeout": "1s"}},
        {{"name": [{{"service": "shop.Orders", "method": "Place"}}], "waitForReady": true}},
        {{"name": [], "retryPolicy": {three}}},
        {{"retryPolicy": {three}}}"#
    );
    parse_methods(&methods).unwrap()
}

#[test]
fn the_most_specific_name_counts() {
    for (path, attempts) in [
        ("/shop.Orders/List", Some(3)),
        ("/shop.Orders/Place", None),
        ("/shop.Orders/place", Some(4)),
        ("/shop.Orders/List/All", Some(5)),
        ("/shop.Orders/", Some(4)),
        ("/shop.Orders", Some(5)),
        ("/shop.Prices/Get", Some(4)),
        ("/shop.Other/List", Some(5)),
        ("/", Some(5)),
        ("", Some(5)),
    ] {
        assert_eq!(shop().retry_policy(path).map(GrpcRetryPolicy::max_attempts), attempts, "{path}");
    }
}

#[test]
fn without_a_default_an_unnamed_method_has_no_policy() {
    for text in ["{}", r#"{"methodConfig": null, "loadBalancingConfig": [{"round_robin": {}}]}"#] {
        let config = GrpcServiceConfig::from_json(text).unwrap();
        assert!(config.retry_policy("/shop.Orders/List").is_none());
        assert!(config.throttling().is_none());
    }
}

#[test]
fn each_budget_is_full() {
    let text = r#"{"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}}"#;
    let config = GrpcServiceConfig::from_json(text).unwrap();
    let budget = config.throttling().unwrap();
    assert_eq!(budget.tokens(), 10.0);
    let unavailable = Response::builder().header("grpc-status", 14).body(()).unwrap();
    budget.observe(Verdict::Retry(RetryCause::Throttled), &ResponseHead::from(&unavailable).into());
    assert_eq!((budget.tokens(), config.throttling().unwrap().tokens()), (9.0, 10.0));
}

/// An attempt of a call to a method.
#[derive(Clone, Copy, Debug)]
struct CallAttempt<'a> {
    path: &'a str,
    number: u32,
    attempts_used: u32,
}

impl CallAttempt<'_> {
    fn ask<T>(self, kind: FailureKind, ask: impl FnOnce(Attempt<'_>) -> T) -> T {
        let request =
            Request::post(format!("http://api.example{}", self.path)).header("idempotency-key", "a");
        let request = request.body(()).unwrap();
        ask(Attempt::new(self.number, &request, kind).assume_idempotent(true))
    }

    fn plan(self, kind: FailureKind, cause: RetryCause) -> Plan {
        self.ask(kind, |attempt| {
            shop().schedule(&RetryContext::new(attempt, cause).attempts_used(self.attempts_used))
        })
    }
}

#[test]
fn without_a_policy_only_an_unprocessed_call_is_sent_again() {
    let place = CallAttempt { path: "/shop.Orders/Place", number: 1, attempts_used: 1 };
    for (kind, expected) in [
        (FailureKind::NeverSent, Verdict::Retry(RetryCause::NeverSent)),
        (FailureKind::Unprocessed, Verdict::Retry(RetryCause::Unprocessed)),
        (FailureKind::Overloaded, Verdict::Accept),
        (FailureKind::Timeout, Verdict::Accept),
        (FailureKind::MaybeProcessed, Verdict::Accept),
        (FailureKind::Permanent, Verdict::Accept),
    ] {
        assert_eq!(place.ask(kind, |attempt| shop().classify(&attempt)), expected, "{kind:?}");
    }
}

#[test]
fn a_code_is_retried_if_the_methods_policy_lists_it() {
    for (code, _) in GrpcCode::ALL {
        for (path, has_policy) in
            [("/shop.Orders/Place", false), ("/shop.Orders/List", true), ("/shop.Other/List", true)]
        {
            let request = Request::post(path).body(()).unwrap();
            let response = Response::builder().header("grpc-status", code as u32).body(()).unwrap();
            let expected = match code {
                GrpcCode::Unavailable if has_policy => Verdict::Retry(RetryCause::Throttled),
                _ => Verdict::Accept,
            };
            let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
            assert_eq!(shop().classify(&attempt), expected, "{code:?} {path}");
        }
    }
}

#[test]
fn a_method_has_its_own_max_attempts() {
    let give_up = Plan::GiveUp(GiveUpReason::MaxAttempts);
    for (path, attempts) in [("/shop.Orders/List", 3), ("/shop.Orders/Get", 4), ("/shop.Other/Get", 5)] {
        for attempts_used in 1..=6 {
            // With a transparent resend, and without.
            for number in [attempts_used, attempts_used + 1] {
                let attempt = CallAttempt { path, number, attempts_used };
                let plan = attempt.plan(FailureKind::MaybeProcessed, RetryCause::Transient);
                assert_eq!(plan == give_up, attempts_used >= attempts, "{attempt:?}: {plan:?}");
                // Only the first unprocessed attempt is not counted.
                let plan = attempt.plan(FailureKind::Unprocessed, RetryCause::Unprocessed);
                assert_eq!(
                    plan == give_up,
                    attempts_used >= attempts && number > attempts_used,
                    "{attempt:?}: {plan:?}"
                );
            }
        }
    }
}

#[test]
fn without_a_policy_there_is_one_transparent_resend() {
    let at_once = Plan::from(Window::exactly(Duration::ZERO));
    let give_up = Plan::GiveUp(GiveUpReason::Policy);
    for (number, attempts_used, cause, expected) in [
        (1, 1, RetryCause::NeverSent, at_once),
        (1, 1, RetryCause::Unprocessed, at_once),
        (2, 2, RetryCause::NeverSent, give_up),
        (2, 1, RetryCause::Unprocessed, give_up),
        // The second attempt was sent, and the server did not process it.
        (2, 2, RetryCause::Unprocessed, at_once),
        (3, 2, RetryCause::Unprocessed, give_up),
    ] {
        let attempt = CallAttempt { path: "/shop.Orders/Place", number, attempts_used };
        assert_eq!(attempt.plan(FailureKind::NeverSent, cause), expected, "{attempt:?} {cause:?}");
    }
}

#[test]
fn the_schedule_is_that_of_the_methods_policy() {
    let list = CallAttempt { path: "/shop.Orders/List", number: 1, attempts_used: 1 };
    list.ask(FailureKind::MaybeProcessed, |attempt| {
        let context = RetryContext::new(attempt, RetryCause::Throttled);
        for context in
            [context, context.backoff_step(1), context.hint(RetryHint::After(Duration::from_secs(3)))]
        {
            let config = shop();
            let policy = config.retry_policy(list.path).unwrap();
            assert_eq!(config.schedule(&context), policy.schedule(&context), "{context:?}");
        }
    });
}

#[track_caller]
fn check_error(methods: &str, expected: &str) {
    assert_eq!(parse_methods(methods).unwrap_err().to_string(), expected, "{methods}");
}

#[test]
fn an_error_names_the_value_and_its_path() {
    let fine = r#"{"name": [{"service": "a", "method": "b"}]}"#;
    for (methods, expected) in [
        ("3", "`methodConfig[0]` is 3, and must be a JSON object"),
        (r#"{"name": {}}"#, "`methodConfig[0].name` is {}, and must be a list"),
        (r#"{"name": ["a"]}"#, "`methodConfig[0].name[0]` is \"a\", and must be a JSON object"),
        (r#"{"name": [{"service": 1}]}"#, "`methodConfig[0].name[0].service` is 1, and must be a string"),
        (
            r#"{"name": [{}, {"method": "b"}]}"#,
            "`methodConfig[0].name[1].service` is null, and must be the name of the method's service",
        ),
        (
            r#"{"name": [{"service": "", "method": "b"}]}"#,
            "`methodConfig[0].name[0].service` is \"\", and must be the name of the method's service",
        ),
        (r#"{"retryPolicy": []}"#, "`methodConfig[0].retryPolicy` is [], and must be a JSON object"),
        (
            &format!(r#"{fine}, {{"retryPolicy": {}}}"#, policy(1)),
            "`methodConfig[1].retryPolicy.maxAttempts` is 1, and must be 2 or more",
        ),
        (
            &format!(r#"{{"retryPolicy": {}, "hedgingPolicy": {{}}}}"#, policy(2)),
            "`methodConfig[0].hedgingPolicy` is {}, and must be absent, since nothing here hedges",
        ),
        (
            &format!(r#"{fine}, {{"hedgingPolicy": {{"maxAttempts": 2}}}}"#),
            "`methodConfig[1].hedgingPolicy` is {\"maxAttempts\":2}, and must be absent, since nothing here hedges",
        ),
    ] {
        check_error(methods, expected);
    }
}

#[test]
fn a_name_may_not_repeat() {
    for name in ["{}", r#"{"service":"a"}"#, r#"{"method":"b","service":"a"}"#] {
        let expected = |field| format!("`{field}` is {name}, and must be a name that no other has");
        let once = format!(r#"{{"name": [{name}]}}"#);
        check_error(&format!("{once}, {once}"), &expected("methodConfig[1].name[0]"));
        check_error(&format!(r#"{{"name": [{name}, {name}]}}"#), &expected("methodConfig[0].name[1]"));
    }
    // An empty string is the same as an absent one.
    let name = r#"{"method":"","service":""}"#;
    check_error(
        &format!(r#"{{"name": [{{}}, {name}]}}"#),
        &format!("`methodConfig[0].name[1]` is {name}, and must be a name that no other has"),
    );
}

#[test]
fn an_invalid_document_is_an_error() {
    for (text, expected) in [
        ("[]", "`serviceConfig` is [], and must be a JSON object"),
        (r#"{"methodConfig": {}}"#, "`methodConfig` is {}, and must be a list"),
        (r#"{"retryThrottling": 1}"#, "`retryThrottling` is 1, and must be a JSON object"),
        (
            r#"{"retryThrottling": {"maxTokens": 0, "tokenRatio": 1}}"#,
            "`retryThrottling.maxTokens` is 0, and must be from 1 to 1000",
        ),
    ] {
        assert_eq!(GrpcServiceConfig::from_json(text).unwrap_err().to_string(), expected);
    }
    let error = GrpcServiceConfig::from_json("{").unwrap_err();
    assert_eq!((error.field(), error.allowed()), ("serviceConfig", "a JSON object"));
}
