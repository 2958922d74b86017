//! What outcomes mean.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Method, Request, Response};
use http_retry::{
    Attempt, BodyState, Budget, ClockReading, Decision, ExponentialBackoff, FailureKind, FixedDelay, Outcome,
    Policy, RequestHead, ResponseHead, RetryAfterFirst, Session,
};
use rand::{SeedableRng, rngs::SmallRng};
use serde::Deserialize;

use super::{Headers, check_exceptions, header_map};

const DATA: &str = include_str!("../data/decision_cases.json");

/// Rows that are not about a decision of ours.
#[rustfmt::skip]
const SKIPPED: &[(&str, &str)] = &[
    ("get-cancelled", "a caller that is gone has dropped the session"),
    ("post-cancelled", "a caller that is gone has dropped the session"),
    ("cancel-during-sleep", "a caller that is gone has dropped the session"),
    ("get-deadline_exceeded", "a deadline around the session drops it"),
    ("post-deadline_exceeded", "a deadline around the session drops it"),
    ("throttle-cheaper", "a throttle is cheaper only where the server names the time"),
    ("throttle-cheaper-500", "a throttle is cheaper only where the server names the time"),
];

/// Rows, all of them contested, to which our answer is another than the one recommended.
#[rustfmt::skip]
const DEPARTURES: &[(&str, &str)] = &[
    ("post-408", "what arrived may have been processed: RFC 9110 section 9.2.2 outranks 15.5.9"),
    ("post-529", "as a 503: an overload does not say that nothing was processed"),
    ("empty-body-post-503", "it could be replayed, and might be processed twice"),
    ("get-pool_timeout", "never the same closed gate again (gRPC A6)"),
    ("upgrade-503", "an upgrade leaves HTTP, and passes straight through"),
    ("ra-too-long-61", "61 s do not fit before the default deadline of 60 s"),
];

/// What most clients keep of a body.
const REPLAY_LIMIT: u64 = 64 * 1024;

#[derive(Deserialize)]
struct Row {
    id: String,
    request: Sent,
    outcome: CameBack,
    attempt: u32,
    max_attempts: u32,
    expect: String,
    #[serde(default)]
    recommended: Recommended,
    min_delay_ms: Option<u64>,
    max_delay_ms: Option<u64>,
    deadline_remaining_ms: Option<u64>,
    retry_budget_available: Option<u32>,
    computed_backoff_ms: Option<u64>,
    buffer_limit_bytes: Option<u64>,
}

#[derive(Deserialize)]
struct Sent {
    method: String,
    headers: Headers,
    #[serde(default)]
    bytes: u64,
}

#[derive(Deserialize)]
struct CameBack {
    status: Option<u16>,
    #[serde(default)]
    headers: Headers,
    error_kind: Option<String>,
}

#[derive(Default, Deserialize)]
struct Recommended {
    generic: String,
}

impl Row {
    /// What a session says when its attempt of the row's number comes back with the row's outcome.
    fn decide(&self, seed: u64, now: SystemTime) -> Decision {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut request = Request::new(());
        *request.method_mut() = Method::from_bytes(self.request.method.as_bytes()).unwrap();
        *request.headers_mut() = header_map(&self.request.headers);
        let mut response = Response::new(());
        *response.headers_mut() = header_map(&self.outcome.headers);
        let outcome = match (self.outcome.status, &self.outcome.error_kind) {
            (Some(status), _) => {
                *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
                Outcome::from(ResponseHead::from(&response))
            }
            (None, Some(kind)) => failure(kind).into(),
            (None, None) => panic!("{}: no outcome", self.id),
        };

        let mut session = Session::new().max_attempts(self.max_attempts);
        if let Some(remaining) = self.deadline_remaining_ms {
            session = session.max_elapsed(Duration::from_millis(remaining));
        }
        walk(&mut session, self.attempt, &mut rng);
        let attempt = Attempt::new(self.attempt, &request, outcome).body(self.body());
        let budget =
            self.retry_budget_available.map(|tokens| Budget::percent(20).min_per_second(0).capacity(tokens));
        let policy = self.policy();
        if !policy.is_retryable(&RequestHead::from(&request)) {
            return Decision::Accept;
        }
        session.decide(
            &policy,
            &attempt,
            budget.as_ref(),
            || ClockReading::new(Duration::ZERO, now),
            &mut rng,
        )
    }

    fn policy(&self) -> RetryAfterFirst<Box<dyn Policy>> {
        RetryAfterFirst::new(match self.computed_backoff_ms {
            Some(millis) => Box::new(FixedDelay::new(Duration::from_millis(millis))),
            None => Box::new(ExponentialBackoff::default()),
        })
    }

    fn body(&self) -> BodyState {
        if self.outcome.error_kind.as_deref() == Some("request_body_read_error") {
            BodyState::Failed
        } else if self.request.bytes > self.buffer_limit_bytes.unwrap_or(REPLAY_LIMIT) {
            BodyState::TooLarge
        } else {
            BodyState::Replayable
        }
    }

    #[track_caller]
    fn check_delay(&self, delay: Duration) {
        let (Some(min), Some(max)) = (self.min_delay_ms, self.max_delay_ms) else {
            panic!("{}: no bounds", self.id);
        };
        let bounds = Duration::from_millis(min)..=Duration::from_millis(max);
        assert!(bounds.contains(&delay), "{}: {delay:?} is not in {bounds:?}", self.id);
    }
}

/// Resends, after a 503 without a hint each, until attempt `number` is under way. No time passes.
fn walk(session: &mut Session, number: u32, rng: &mut SmallRng) {
    let (request, response) = (Request::new(()), Response::builder().status(503).body(()).unwrap());
    while session.number() < number {
        let attempt = Attempt::new(session.number(), &request, ResponseHead::from(&response));
        let step = session.decide(&FixedDelay::new(Duration::ZERO), &attempt, None, clock, rng);
        assert_eq!(step, Decision::Wait(Duration::ZERO));
        session.resend();
    }
}

fn clock() -> ClockReading {
    ClockReading::new(Duration::ZERO, SystemTime::UNIX_EPOCH)
}

fn failure(kind: &str) -> FailureKind {
    match kind {
        "connect_refused"
        | "connect_timeout"
        | "dns_nxdomain"
        | "dns_temporary"
        | "network_unreachable"
        | "proxy_connect_error" => FailureKind::NeverSent,
        "h2_refused_stream" | "h2_goaway_unprocessed" => FailureKind::Unprocessed,
        "pool_timeout" => FailureKind::Overloaded,
        "read_timeout" => FailureKind::Timeout,
        "reset_before_response"
        | "reset_idle_reused_conn"
        | "incomplete_response_head"
        | "h2_internal_error" => FailureKind::MaybeProcessed,
        "tls_cert_untrusted"
        | "tls_cert_expired"
        | "tls_hostname_mismatch"
        | "too_many_redirects"
        | "unsupported_scheme"
        | "invalid_header"
        | "programming_error"
        | "request_body_read_error" => FailureKind::Permanent,
        other => panic!("{other} is unknown"),
    }
}

fn rows() -> Vec<Row> {
    super::rows(DATA)
}

fn stands_in(table: &[(&str, &str)], row: &Row) -> bool {
    table.iter().any(|(id, _)| *id == row.id)
}

#[test]
fn every_row_is_decided_as_recommended() {
    let (mut checked, mut contested, mut skipped) = (0, 0, 0);
    for row in rows() {
        if stands_in(SKIPPED, &row) {
            skipped += 1;
            continue;
        }
        let gated = row.expect != "contested";
        if gated {
            assert_eq!(row.expect, row.recommended.generic, "{}", row.id);
            checked += 1;
        } else {
            contested += 1;
        }
        let recommended = row.recommended.generic == "retry";
        let expected = recommended != stands_in(DEPARTURES, &row);
        for seed in 0..100 {
            let step = row.decide(seed, UNIX_EPOCH);
            assert_eq!(matches!(step, Decision::Wait(_)), expected, "{}: {step:?}", row.id);
            if let (Decision::Wait(delay), true) = (step, gated) {
                row.check_delay(delay);
            }
        }
    }
    assert_eq!((checked, contested, skipped), (74, 34, SKIPPED.len()));
}

/// The rows of what was learned later: refusals with 403, methods of IANA's registry, and refusals that name no time.
#[test]
fn every_later_row_is_decided_as_expected() {
    let rows: Vec<Row> = super::section(super::MORE, "decisions");
    assert_eq!(rows.len(), 6);
    for row in rows {
        for seed in 0..100 {
            let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
            let decision = row.decide(seed, now);
            assert_eq!(
                matches!(decision, Decision::Wait(_)),
                row.expect == "retry",
                "{}: {decision:?}",
                row.id
            );
            if let Decision::Wait(delay) = decision {
                let min = Duration::from_millis(row.min_delay_ms.unwrap_or_default());
                let max = row.max_delay_ms.map_or(Duration::MAX, Duration::from_millis);
                assert!((min..=max).contains(&delay), "{}: {delay:?}", row.id);
            }
        }
    }
}

#[test]
fn every_exception_is_a_row() {
    let rows = rows();
    assert_eq!(rows.len(), 115);
    let ids: BTreeSet<_> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids.len(), rows.len());
    check_exceptions(SKIPPED.iter().chain(DEPARTURES).map(|(id, _)| *id), &ids);
}
