use http::{Request, Response};

use super::*;
use crate::{ResponseHead, RetryContext, Window};

fn values() -> GrpcRetryConfig {
    GrpcRetryConfig {
        max_attempts: 4,
        initial_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(1),
        backoff_multiplier: 2.0,
        retryable_status_codes: vec![GrpcCode::Unavailable, GrpcCode::Aborted],
    }
}

#[track_caller]
fn check_windows(multiplier: f64, expected_ms: &[(u64, u64)]) {
    let values = GrpcRetryConfig { backoff_multiplier: multiplier, ..values() };
    let policy = GrpcRetryPolicy::new(values).unwrap();
    let (request, response) = (Request::new(()), Response::new(()));
    let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
    for (step, (earliest, latest)) in (0..).zip(expected_ms) {
        let context = RetryContext::new(attempt, RetryCause::Transient).backoff_step(step);
        let (earliest, latest) = (Duration::from_millis(*earliest), Duration::from_millis(*latest));
        assert_eq!(policy.schedule(&context), Window::between(earliest, latest).into(), "{step}");
    }
}

#[test]
fn a_window_is_a_fifth_around_the_backoff() {
    check_windows(2.0, &[(80, 120), (160, 240), (320, 480), (640, 960), (800, 1_200), (800, 1_200)]);
    check_windows(1.0, &[(80, 120), (80, 120)]);
    check_windows(0.5, &[(80, 120), (40, 60), (20, 30)]);
    check_windows(100.0, &[(80, 120), (800, 1_200)]);
}

#[test]
fn the_attempts_are_five_at_most() {
    for (attempts, expected) in [(2, 2), (5, 5), (6, 5), (u32::MAX, 5)] {
        let values = GrpcRetryConfig { max_attempts: attempts, ..values() };
        assert_eq!(GrpcRetryPolicy::new(values).unwrap().max_attempts(), expected);
    }
}

#[test]
fn the_codes_of_the_list_are_retried_and_no_others() {
    let policy = GrpcRetryPolicy::new(values()).unwrap();
    let request = Request::post("http://api.example/shop.Orders/Place").body(()).unwrap();
    for (code, _) in GrpcCode::ALL {
        let response = Response::builder().header("grpc-status", code as u32);
        let response = response.header("grpc-retry-pushback-ms", 1).body(()).unwrap();
        let expected = match code {
            GrpcCode::Unavailable => Verdict::Retry(RetryCause::Throttled),
            GrpcCode::Aborted => Verdict::Retry(RetryCause::Transient),
            _ => Verdict::Accept,
        };
        let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
        assert_eq!(policy.classify(&attempt), expected, "{code:?}");
    }
}

#[test]
fn a_failure_counts_as_the_code_that_grpc_gives_it() {
    use FailureKind::{MaybeProcessed, NeverSent, Overloaded, Permanent, Timeout, Unprocessed};
    let request = Request::post("http://api.example/shop.Orders/Place").body(()).unwrap();
    let never = [(Overloaded, None), (Permanent, None)];
    let always = [(NeverSent, Some(RetryCause::NeverSent)), (Unprocessed, Some(RetryCause::Unprocessed))];
    for (codes, listed) in [
        (vec![GrpcCode::Unavailable], [(MaybeProcessed, Some(RetryCause::Transient)), (Timeout, None)]),
        (vec![GrpcCode::DeadlineExceeded], [(MaybeProcessed, None), (Timeout, Some(RetryCause::Timeout))]),
        (vec![GrpcCode::Aborted], [(MaybeProcessed, None), (Timeout, None)]),
    ] {
        let values = GrpcRetryConfig { retryable_status_codes: codes.clone(), ..values() };
        let policy = GrpcRetryPolicy::new(values).unwrap();
        for (kind, cause) in never.into_iter().chain(always).chain(listed) {
            let verdict = policy.classify(&Attempt::new(1, &request, kind));
            assert_eq!(verdict, cause.map_or(Verdict::Accept, Verdict::Retry), "{codes:?} {kind:?}");
        }
    }
}

#[track_caller]
fn check_error(set: impl FnOnce(&mut GrpcRetryConfig), field: &str, value: &str) {
    let mut values = values();
    set(&mut values);
    let error = GrpcRetryPolicy::new(values).unwrap_err();
    assert_eq!((error.field(), error.value()), (field, value));
    let expected = format!("`{field}` is {value}, and must be {}", error.allowed());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn an_error_names_the_value_and_the_allowed_ones() {
    check_error(|values| values.max_attempts = 0, "maxAttempts", "0");
    check_error(|values| values.max_attempts = 1, "maxAttempts", "1");
    check_error(|values| values.initial_backoff = Duration::ZERO, "initialBackoff", "0s");
    check_error(|values| values.max_backoff = Duration::ZERO, "maxBackoff", "0s");
    for (multiplier, value) in [(0.0, "0"), (-2.0, "-2"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        check_error(|values| values.backoff_multiplier = multiplier, "backoffMultiplier", value);
    }
    check_error(|values| values.retryable_status_codes.clear(), "retryableStatusCodes", "empty");
    check_error(|values| values.retryable_status_codes.push(GrpcCode::Ok), "retryableStatusCodes", "with OK");
}
