use super::*;
use crate::{
    DecorrelatedJitter, ExponentialBackoff, FixedDelay, Jitter, LlmPolicy, NoRetry, RetryAfterFirst, Verdict,
    Window, policy_fn,
};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Asserts that a policy breaks a law after this attempt, and that the message has these words.
#[track_caller]
fn check_breaks(policy: &dyn Policy, law: Law, attempt: u32, words: &[&str]) {
    let violation = check(policy).unwrap_err();
    assert_eq!((violation.law(), violation.attempt()), (law, attempt), "{violation}");
    let message = violation.to_string();
    assert!(
        message.starts_with(&format!("after attempt {attempt} the policy breaks the law `{law:?}`")),
        "{message}"
    );
    assert!(message.contains(law.as_str()), "{message}");
    for word in words {
        assert!(message.contains(word), "{message}");
    }
    let others = Laws::new().except(law).check(policy);
    assert!(others.is_ok() || others.unwrap_err().law() != law);
}

#[test]
fn the_policies_of_this_crate_obey_every_law() {
    let policies: [&dyn Policy; 7] = [
        &RetryAfterFirst::default(),
        &ExponentialBackoff::default(),
        &ExponentialBackoff::default().jitter(Jitter::Equal),
        &ExponentialBackoff::default().jitter(Jitter::Proportional(0.2)),
        &DecorrelatedJitter::new(ms(100), ms(10_000)),
        &LlmPolicy::new(),
        &NoRetry,
    ];
    for policy in policies {
        assert_lawful(policy);
    }
    #[cfg(feature = "grpc")]
    assert_lawful(&crate::Grpc::default());
    #[cfg(feature = "service-config")]
    assert_lawful(&service_config());
}

#[cfg(feature = "service-config")]
fn service_config() -> crate::GrpcServiceConfig {
    let config = r#"{"methodConfig": [{"name": [{}], "retryPolicy": {
        "maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "10s", "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE", "UNKNOWN"]
    }}]}"#;
    crate::GrpcServiceConfig::from_json(config).unwrap()
}

#[test]
fn a_policy_without_jitter_breaks_one_law() {
    let policies: [&dyn Policy; 2] =
        [&FixedDelay::new(ms(100)), &ExponentialBackoff::default().jitter(Jitter::None)];
    for policy in policies {
        check_breaks(policy, Law::Varied, 1, &["1000 sessions wait for 1 different times"]);
        Laws::new().except(Law::Varied).assert(policy);
    }
}

#[test]
fn every_resend_needs_varied_delays() {
    let policy = policy_fn(|context| match context.backoff_step {
        1 => Window::exactly(ms(100)),
        _ => Window::up_to(ms(100)),
    });
    check_breaks(&policy, Law::Varied, 2, &["a 503 each time"]);
}

#[test]
fn an_inverted_window_is_found() {
    let policy = policy_fn(|context| match context.backoff_step {
        0 | 1 => Window::up_to(ms(100)),
        step => Window::between(ms(200), ms(200) / step),
    });
    check_breaks(&policy, Law::Ordered, 3, &["opens after 200ms and closes after 100ms", "step 2"]);
}

#[test]
fn a_window_without_end_is_found() {
    let growing =
        policy_fn(|context| Window::up_to(ms(100).saturating_mul(1 << context.backoff_step.min(31))));
    check_breaks(&growing, Law::Bounded, 32, &["3600s is allowed", "step 31"]);
    let day = policy_fn(|_| Window::up_to(ms(86_400_000)));
    check_breaks(&day, Law::Bounded, 1, &["closes after 86400s"]);
    assert!(Laws::new().longest(ms(86_400_000)).check(&day).is_ok());
    // The time of the hint does not count.
    assert_lawful(&RetryAfterFirst::default().longest(Duration::MAX));
}

#[test]
fn arithmetic_that_overflows_is_found() {
    let factor = policy_fn(|context| {
        let factor = 2_u32.checked_pow(context.backoff_step).expect("small");
        Window::up_to((ms(1) * factor).min(ms(1_000)))
    });
    check_breaks(&factor, Law::NoPanic, 33, &["it panics: small", "step 32"]);
    let previous = policy_fn(|context| {
        let backoff = context.previous_delay.unwrap_or_default() * 3;
        Window::between(ms(1), backoff.clamp(ms(10), ms(1_000)))
    });
    check_breaks(&previous, Law::NoPanic, 1, &["previous delay 18446744073709551615"]);
}

#[test]
fn a_panic_over_a_head_is_found() {
    let status = ExponentialBackoff::default().classify_with(|attempt| {
        let status = attempt.outcome.response().map(|head| head.status().as_u16());
        assert_ne!(status, Some(599));
        None::<Verdict>
    });
    check_breaks(&status, Law::NoPanic, 1, &["599"]);
    let header = ExponentialBackoff::default()
        .only(|head| head.headers().all(|(_, value)| std::str::from_utf8(value).expect("text") != "x"));
    check_breaks(&header, Law::NoPanic, 1, &["it panics: text"]);
}

#[test]
fn a_session_that_ignores_hints_is_found() {
    let laws = Laws::new().session(|| Session::new().ignore_hints());
    let violation = laws.check(&ExponentialBackoff::default()).unwrap_err();
    assert_eq!((violation.law(), violation.attempt()), (Law::HeedsHints, 1));
    assert!(violation.to_string().contains("503 with `retry-after: 7` each time"), "{violation}");
    assert!(laws.except(Law::HeedsHints).check(&ExponentialBackoff::default()).is_ok());
}

#[test]
#[should_panic(expected = "after attempt 1 the policy breaks the law `Varied`: callers that fail together")]
fn an_assertion_says_which_law_and_where() {
    assert_lawful(&FixedDelay::new(ms(100)));
}
