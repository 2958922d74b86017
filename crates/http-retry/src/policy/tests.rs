mod combinators;
mod crowd;
mod windows;

use std::time::Duration;

use http::{Request, Response};

use super::*;
use crate::{FailureKind, GiveUpReason, Outcome, ResponseHead, RetryCause, Window};

/// A policy whose answers differ from those of every other policy.
#[derive(Clone, Copy, Debug)]
struct Unusual;

impl Policy for Unusual {
    fn is_retryable(&self, head: &RequestHead<'_>) -> bool {
        head.path() != "/no"
    }

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        match attempt.outcome.response() {
            Some(head) if head.status() == 299 => Verdict::Retry(RetryCause::Timeout),
            _ => Verdict::Accept,
        }
    }

    fn schedule(&self, context: &RetryContext<'_>) -> Plan {
        Window::exactly(ms(7_919) + ms(1) * context.backoff_step).into()
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn request(method: &str, path: &str) -> Request<()> {
    Request::builder().method(method).uri(path).body(()).unwrap()
}

fn response(status: u16) -> Response<()> {
    Response::builder().status(status).body(()).unwrap()
}

fn classified(policy: &dyn Policy, request: &Request<()>, response: &Response<()>) -> Verdict {
    policy.classify(&Attempt::new(1, request, ResponseHead::from(response)))
}

/// Returns the plan of a policy for the context that `set` makes from a first one.
fn planned(policy: &dyn Policy, set: impl FnOnce(RetryContext<'_>) -> RetryContext<'_>) -> Plan {
    let (request, response) = (request("GET", "/"), response(503));
    let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
    policy.schedule(&set(RetryContext::new(attempt, RetryCause::Throttled)))
}

#[track_caller]
fn check_forwards(name: &str, policy: &dyn Policy) {
    let is_retryable = |method, path| policy.is_retryable(&RequestHead::from(&request(method, path)));
    assert!(!is_retryable("GET", "/no"), "{name} is_retryable");
    assert!(is_retryable("GET", "/yes"), "{name} is_retryable");
    // The default method would return false.
    assert!(is_retryable("CONNECT", "example.com:443"), "{name} is_retryable");

    let get = request("GET", "/");
    let verdict = |status| classified(policy, &get, &response(status));
    assert_eq!(verdict(299), Verdict::Retry(RetryCause::Timeout), "{name} classify");
    // The default method would retry it.
    assert_eq!(verdict(503), Verdict::Accept, "{name} classify");

    for step in [0, 3] {
        let expected = Window::exactly(ms(7_919 + u64::from(step))).into();
        assert_eq!(planned(policy, |context| context.backoff_step(step)), expected, "{name} schedule");
    }
}

#[test]
fn every_pointer_forwards_all_three_methods() {
    check_forwards("Unusual", &Unusual);
    check_forwards("&P", &&Unusual);
    check_forwards("&dyn", &(&Unusual as &dyn Policy));
    check_forwards("Box<P>", &Box::new(Unusual));
    check_forwards("Box<dyn>", &(Box::new(Unusual) as Box<dyn Policy>));
    check_forwards("Arc<P>", &Arc::new(Unusual));
    check_forwards("Arc<dyn>", &(Arc::new(Unusual) as Arc<dyn Policy>));
    check_forwards("Arc<Box<dyn>>", &Arc::new(Box::new(Unusual) as Box<dyn Policy>));
}

#[test]
fn every_combinator_forwards_all_three_methods() {
    check_forwards("RetryAfterFirst", &RetryAfterFirst::new(Unusual));
    check_forwards("retry_on", &Unusual.retry_on(StatusCode::IM_A_TEAPOT));
    check_forwards("never_on", &Unusual.never_on(StatusCode::IM_A_TEAPOT));
    check_forwards("any_method", &Unusual.any_method());
    check_forwards("only", &Unusual.only(|_| true));
    check_forwards("classify_with Option", &Unusual.classify_with(|_| None));
    let all = Unusual
        .retry_on(StatusCode::IM_A_TEAPOT)
        .never_on(StatusCode::IM_A_TEAPOT)
        .any_method()
        .only(|_| true)
        .classify_with(|_| None);
    check_forwards("all of them", &(Box::new(RetryAfterFirst::new(all)) as Box<dyn Policy>));
}

#[test]
fn a_policy_that_only_schedules_has_the_default_methods() {
    for policy in [&FixedDelay::new(ms(1)) as &dyn Policy, &policy_fn(|_| Window::exactly(ms(1)))] {
        for (method, path, upgrade, is_retryable) in [
            ("GET", "/", false, true),
            ("POST", "/", false, true),
            ("GET", "/", true, false),
            ("CONNECT", "example.com:443", false, false),
        ] {
            let mut request = request(method, path);
            if upgrade {
                request.headers_mut().insert("upgrade", "websocket".parse().unwrap());
            }
            assert_eq!(policy.is_retryable(&RequestHead::from(&request)), is_retryable, "{method} {upgrade}");
        }
        let get = request("GET", "/");
        assert_eq!(classified(policy, &get, &response(503)), Verdict::Retry(RetryCause::Throttled));
        assert_eq!(classified(policy, &get, &response(299)), Verdict::Accept);
    }
}

#[test]
fn a_closure_returns_a_window_or_a_plan() {
    let window = Window::up_to(ms(3));
    assert_eq!(planned(&policy_fn(move |_| window), |context| context), window.into());
    let give_up = Plan::GiveUp(GiveUpReason::Policy);
    assert_eq!(planned(&policy_fn(move |_| give_up), |context| context), give_up);
}

#[test]
fn no_retry_sends_every_request_once() {
    let get = request("GET", "/");
    assert!(!NoRetry.is_retryable(&RequestHead::from(&get)));
    assert_eq!(classified(&NoRetry, &get, &response(503)), Verdict::Accept);
    assert_eq!(planned(&NoRetry, |context| context), Plan::GiveUp(GiveUpReason::Policy));
}
