//! How long clients wait.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use http::{Request, Response};
use http_retry::{
    Attempt, ClockReading, Decision, DecorrelatedJitter, ExponentialBackoff, FixedDelay, Jitter, Plan,
    Policy, ResponseHead, RetryAfterFirst, RetryCause, RetryContext, Session, Window,
};
use rand::{SeedableRng, rngs::SmallRng};
use serde::Deserialize;

use super::check_exceptions;

const DATA: &str = include_str!("../data/backoff_vectors.json");

/// Schedules whose bounds their own tests widen to whole milliseconds.
const ROUNDED: &[&str] = &["resilience4j-random"];

/// Schedules whose first resend has already grown: `base * 2^n` for the `n`th.
const A_STEP_AHEAD: &[&str] = &["aws-blog-equal"];

/// Vectors that a test of their own below is about.
const TESTED_APART: &[&str] = &[
    "aws-2.1-x-amz-retry-after--100",
    "aws-2.1-x-amz-retry-after-invalid",
    "aws-blog-decorrelated",
    "cenkalti-overflow",
    "polly-aws-decorrelated",
    "polly-constant-jitter",
    "polly-overflow",
    "smithy-rs-overflow",
    "spring-min",
    "tenacity-overflow",
];

const FLOOR: &str = "a floor below which a backoff never falls; ours begins at its base";
const ADDITIVE: &str = "a jitter of a fixed width on top; ours is in proportion to the backoff";
const FIRST_AT_ONCE: &str = "the first resend waits for nothing; ours never does, unless it was refused";
const QUOTA: &str = "a quota of other costs and refunds; ours is in the tests of the budget";
const CUBIC: &str = "a client-side rate that follows a cubic curve";

/// Vectors that no policy of ours expresses.
#[rustfmt::skip]
const SKIPPED: &[(&str, &str)] = &[
    ("tenacity-expo-min20", FLOOR),
    ("tenacity-expo-min10-max100", FLOOR),
    ("tenacity-expo-min20-mul2", FLOOR),
    ("tenacity-expo-jitter-min5", ADDITIVE),
    ("urllib3-0.2", FIRST_AT_ONCE),
    ("urllib3-0.2-max1", FIRST_AT_ONCE),
    ("urllib3-0.2-jitter.4", FIRST_AT_ONCE),
    ("urllib3-redirect-reset", "redirects are followed below us or above us"),
    ("faraday-rand", ADDITIVE),
    ("octokit", "it grows with the square of the attempts"),
    ("reactor-backoff", "a proportional jitter that is cut off at the base and at the cap"),
    ("linkerd-exp-backoff", "a proportional jitter that only lengthens"),
    ("aws-2.1-dynamodb", QUOTA),
    ("aws20-fail-due-to-max-attempts-reached", QUOTA),
    ("aws20-no-retries-at-all-if-retry-quota-is-0", QUOTA),
    ("aws20-eventual-success-rs", QUOTA),
    ("aws21-fail-due-to-max-attempts-reached", QUOTA),
    ("aws21-retry-stops-after-retry-quota-exhaustion", QUOTA),
    ("aws21-throttling-error-token-bucket-drain-and-backoff-duration", QUOTA),
    ("aws21-x-amz-retry-after-minimum-is-exponential-backoff-duration", QUOTA),
    ("aws21-long-polling-backoff-after-transient-error-when-token-bucket-empty", QUOTA),
    ("aws21-long-polling-backoff-after-throttling-error-when-token-bucket-empty", QUOTA),
    ("aws21-long-polling-max-attempts-exceeded-must-not-delay", QUOTA),
    ("aws21-long-polling-non-retryable-errors-must-not-delay", QUOTA),
    ("aws21-retry-quota-recovery-after-successful-responses", QUOTA),
    ("aws21-quota-units", QUOTA),
    ("tower-budget", "it earns by requests; ours earns by successes, with other capacities"),
    ("grpc-a6-unary", "a sequence of gRPC status codes: `grpc::calls` makes these calls"),
    ("cubic-cubic-success-1", CUBIC),
    ("cubic-end-to-end-test-for-client-sending-rates", CUBIC),
    ("polly-v2", "a recurrence through tanh"),
    ("netresilience-defaults", "the defaults of another library"),
];

#[derive(Deserialize)]
struct Vector {
    id: String,
    kind: String,
    base_ms: Option<f64>,
    multiplier: Option<f64>,
    cap_ms: Option<f64>,
    jitter: Option<String>,
    #[serde(default)]
    delays: Vec<Bounds>,
    #[serde(default)]
    bounds: serde_json::Value,
    #[serde(default)]
    points: Vec<(f64, f64)>,
    #[serde(default)]
    params: serde_json::Value,
    expect_ms: Option<f64>,
}

#[derive(Deserialize)]
struct Bounds {
    retry: u32,
    exact_ms: Option<f64>,
    min_ms: Option<f64>,
    max_ms: Option<f64>,
}

impl Bounds {
    fn window(&self) -> Window {
        let (earliest, latest) = (self.exact_ms.or(self.min_ms), self.exact_ms.or(self.max_ms));
        Window::between(millis(earliest.unwrap()), millis(latest.unwrap()))
    }
}

impl Vector {
    fn policy(&self) -> ExponentialBackoff {
        let cap = self.cap_ms.map_or(Duration::MAX, millis);
        ExponentialBackoff::new(millis(self.base_ms.unwrap()), cap)
            .multiplier(self.multiplier.unwrap())
            .jitter(jitter(self.jitter.as_deref().unwrap()))
    }
}

fn jitter(name: &str) -> Jitter {
    match name {
        "none" | "none(rand=1)" => Jitter::None,
        "full" => Jitter::Full,
        "equal" => Jitter::Equal,
        other => {
            let percent = other.strip_prefix("plusminus").and_then(|percent| percent.parse::<f64>().ok());
            Jitter::Proportional(percent.unwrap_or_else(|| panic!("{other} is unknown")) / 100.0)
        }
    }
}

fn millis(millis: f64) -> Duration {
    Duration::from_nanos((millis * 1e6).round() as u64)
}

fn vectors() -> Vec<Vector> {
    super::rows(DATA)
}

fn vector(id: &str) -> Vector {
    vectors().into_iter().find(|vector| vector.id == id).unwrap()
}

/// The window of the resend after `step` others.
fn window(policy: &dyn Policy, step: u32, previous: Option<Duration>) -> Window {
    let (request, response) = (Request::new(()), Response::builder().status(503).body(()).unwrap());
    let attempt = Attempt::new(step.saturating_add(1), &request, ResponseHead::from(&response));
    let context =
        RetryContext::new(attempt, RetryCause::Transient).backoff_step(step).previous_delay(previous);
    match policy.schedule(&context) {
        Plan::Resend(window) => window,
        Plan::GiveUp(reason) => panic!("gave up: {reason}"),
    }
}

#[test]
fn every_vector_is_checked_or_has_a_reason_why_not() {
    let vectors = vectors();
    let ids: BTreeSet<_> = vectors.iter().map(|vector| vector.id.as_str()).collect();
    assert_eq!((vectors.len(), ids.len()), (57, 57));
    let skipped = SKIPPED.iter().map(|(id, _)| *id);
    check_exceptions(skipped.chain(TESTED_APART.iter().copied()), &ids);
    check_exceptions(ROUNDED.iter().chain(A_STEP_AHEAD).copied(), &ids);
    let schedules = schedules().len();
    assert_eq!((schedules, TESTED_APART.len(), SKIPPED.len()), (15, 10, 32));
}

fn schedules() -> Vec<Vector> {
    let skipped = |vector: &Vector| SKIPPED.iter().any(|(id, _)| *id == vector.id);
    let apart = |vector: &Vector| TESTED_APART.contains(&vector.id.as_str());
    vectors().into_iter().filter(|vector| !skipped(vector) && !apart(vector)).collect()
}

#[test]
fn schedules_are_the_same_windows() {
    for vector in schedules() {
        assert_eq!(vector.kind, "schedule", "{}", vector.id);
        assert!(!vector.delays.is_empty(), "{}", vector.id);
        for bounds in &vector.delays {
            let expected = bounds.window();
            let ahead = u32::from(A_STEP_AHEAD.contains(&vector.id.as_str()));
            let window = window(&vector.policy(), bounds.retry - 1 + ahead, None);
            if ROUNDED.contains(&vector.id.as_str()) {
                let within = expected.earliest <= window.earliest && window.latest <= expected.latest;
                let slack = expected.width() - window.width();
                assert!(within && slack <= expected.latest / 50, "{}: {window:?}", vector.id);
            } else {
                assert_eq!(window, expected, "{}, resend {}", vector.id, bounds.retry);
            }
        }
    }
}

#[test]
fn aws_blog_decorrelated_bounds_each_delay_by_the_one_before_it() {
    let vector = vector("aws-blog-decorrelated");
    let (base, cap) = (&vector.params["base_ms"], &vector.params["cap_ms"]);
    let policy = DecorrelatedJitter::new(millis(base.as_f64().unwrap()), millis(cap.as_f64().unwrap()));
    let bounds: Vec<Bounds> = serde_json::from_value(vector.bounds).unwrap();
    assert_eq!(bounds.len(), 8);
    let mut previous = None;
    for bounds in bounds {
        let window = window(&policy, bounds.retry - 1, previous);
        assert_eq!(window, bounds.window(), "resend {}", bounds.retry);
        previous = Some(window.latest);
    }
}

#[test]
fn polly_aws_decorrelated_stays_between_its_ends_for_a_thousand_seeds() {
    let vector = vector("polly-aws-decorrelated");
    let (min, max) = (&vector.params["min_ms"], &vector.params["max_ms"]);
    let (min, max) = (millis(min.as_f64().unwrap()), millis(max.as_f64().unwrap()));
    let policy = DecorrelatedJitter::new(min, max);
    for seed in 0..1_000 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut previous = None;
        for step in 0..3 {
            let delay = window(&policy, step, previous).draw(&mut rng);
            assert!((min..=max).contains(&delay), "seed {seed}, step {step}: {delay:?}");
            previous = Some(delay);
        }
    }
}

#[test]
fn polly_constant_jitter_is_a_proportional_one() {
    let vector = vector("polly-constant-jitter");
    let base = millis(vector.base_ms.unwrap());
    let window = window(&FixedDelay::new(base).jitter(Jitter::Proportional(0.25)), 0, None);
    assert_eq!(vector.points.len(), 4);
    for (share, expected) in vector.points {
        let point = window.earliest + window.width().mul_f64(share);
        assert_eq!(point, millis(expected), "{share}");
    }
}

#[test]
fn an_x_amz_retry_after_that_cannot_be_read_leaves_the_policys_own_delay() {
    for id in ["aws-2.1-x-amz-retry-after-invalid", "aws-2.1-x-amz-retry-after--100"] {
        let vector = vector(id);
        let header = vector.params["header_ms"].as_str().unwrap();
        let own = millis(vector.params["t_i_ms"].as_f64().unwrap());
        let request = Request::new(());
        let response = Response::builder().status(500).header("x-amz-retry-after", header).body(()).unwrap();
        let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
        let policy = RetryAfterFirst::new(FixedDelay::new(own));
        let clock = || ClockReading::new(Duration::ZERO, SystemTime::UNIX_EPOCH);
        let step = Session::new().decide(&policy, &attempt, None, clock, &mut SmallRng::seed_from_u64(1));
        assert_eq!(step, Decision::Wait(millis(vector.expect_ms.unwrap())), "{id}");
    }
}

/// The statements of the vectors of kind `property`, as rows.
#[test]
fn growth_beyond_all_numbers_is_the_cap() {
    const DAY: Duration = Duration::from_secs(86_400);
    let (nanos, secs) = (Duration::from_nanos, Duration::from_secs);
    let half = i64::MAX as u64 / 2;
    for (id, base, multiplier, cap, step, expected) in [
        ("tenacity-overflow", secs(1), 1e300, nanos(1), 0, nanos(1)),
        ("tenacity-overflow", secs(1), 1e300, secs(60), 1, secs(60)),
        ("tenacity-overflow", secs(1), 1e300, secs(60), 49, secs(60)),
        ("cenkalti-overflow", nanos(half), 2.1, nanos(half * 2 + 1), 1, nanos(half * 2 + 1)),
        ("smithy-rs-overflow", secs(10), 2.0, secs(20), 99_999, secs(20)),
        ("smithy-rs-overflow", secs(10), 2.0, secs(20), 32, secs(20)),
        ("polly-overflow", DAY, 2.0, Duration::MAX, 1_000, Duration::MAX),
        ("polly-overflow", DAY, 2.0, DAY * 2, 1_000, DAY * 2),
        // A multiplier below 1 is 1, and a base above the cap the cap.
        ("spring-min", secs(1), 0.5, secs(60), 9, secs(1)),
        ("spring-min", millis(100.0), 2.0, millis(50.0), 0, millis(50.0)),
    ] {
        assert_eq!(vector(id).kind, "property");
        let exponential = ExponentialBackoff::new(base, cap).multiplier(multiplier);
        let exact = window(&exponential.jitter(Jitter::None), step, None);
        assert_eq!(exact, Window::exactly(expected), "{id}");
        assert_eq!(window(&exponential, step, None), Window::up_to(expected), "{id}");
    }
}

#[test]
fn polly_overflow_with_jitter_stays_under_the_cap() {
    let cap = Duration::from_secs(30);
    let policy = ExponentialBackoff::new(Duration::from_secs(1), cap);
    let mut rng = SmallRng::seed_from_u64(1);
    for attempt in [1, 2, 3, 4, 10, 100, 1_000, 1_024, 1_025] {
        for jitter in [Jitter::Full, Jitter::Equal] {
            let delay = window(&policy.jitter(jitter), attempt, None).draw(&mut rng);
            assert!(!delay.is_zero() && delay <= cap, "{attempt} {jitter:?}: {delay:?}");
        }
    }
}
