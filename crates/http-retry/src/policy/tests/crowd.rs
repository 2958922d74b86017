//! Tests of callers who meet one limit at the same time, without a pace, in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::SystemTime;

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::*;
use crate::{Budget, ClockReading, Decision, Session};

const CALLERS: usize = 100;
const SEEDS: u64 = 20;

/// A server with one limit.
#[derive(Clone, Debug)]
enum Limited {
    /// A token bucket of 50 a second, which holds 10. A refusal names the time of the next token in milliseconds.
    Bucket { tokens: f64, at: Duration },
    /// Eight calls at a time, each of which takes 100 ms. A refusal names no time.
    AtATime { ends: Vec<Duration> },
}

impl Limited {
    /// Returns `None` if the call is served, or the refusal.
    fn call(&mut self, now: Duration) -> Option<Response<()>> {
        match self {
            Self::Bucket { tokens, at } => {
                *tokens = (*tokens + 50.0 * (now - *at).as_secs_f64()).min(10.0);
                *at = now;
                if *tokens >= 1.0 {
                    *tokens -= 1.0;
                    return None;
                }
                let wait = ((1.0 - *tokens) * 20.0).ceil();
                let refusal = Response::builder().status(429).header("retry-after-ms", format!("{wait}"));
                Some(refusal.body(()).unwrap())
            }
            Self::AtATime { ends } => {
                ends.retain(|end| *end > now);
                let is_free = ends.len() < 8;
                if is_free {
                    ends.push(now + ms(100));
                }
                (!is_free).then(|| response(429))
            }
        }
    }
}

/// Plays the callers of one seed, who begin within 5 ms. Returns how many are served.
fn served(mut server: Limited, max_attempts: u32, seed: u64) -> usize {
    let mut rng = SmallRng::seed_from_u64(seed);
    let (policy, budget, request) = (RetryAfterFirst::default(), Budget::default(), request("GET", "/"));
    let mut sessions: Vec<_> = (0..CALLERS).map(|_| Session::new().max_attempts(max_attempts)).collect();
    let mut sends: BinaryHeap<_> = (0..CALLERS)
        .map(|caller| Reverse((Duration::from_micros(rng.random_range(0..5_000)), caller)))
        .collect();
    let mut served = 0;
    while let Some(Reverse((now, caller))) = sends.pop() {
        let session = &mut sessions[caller];
        let refusal = server.call(now);
        let answer = refusal.as_ref().map_or_else(|| response(200), Clone::clone);
        let attempt = Attempt::new(session.number(), &request, ResponseHead::from(&answer));
        let clock = || ClockReading::new(now, SystemTime::UNIX_EPOCH);
        match session.decide(&policy, &attempt, Some(&budget), clock, &mut rng) {
            Decision::Wait(delay) => {
                let hint = session.hint().and_then(crate::RetryHint::delay);
                assert!(Some(delay) >= hint, "{delay:?} is before {hint:?}");
                session.resend();
                sends.push(Reverse((now + delay, caller)));
            }
            Decision::Accept => served += 1,
            Decision::GiveUp(_) => assert!(refusal.is_some()),
        }
    }
    served
}

#[track_caller]
fn check(name: &str, server: &Limited, max_attempts: u32, least_percent: f64) {
    let served: usize = (0..SEEDS).map(|seed| served(server.clone(), max_attempts, seed)).sum();
    let percent = 100.0 * served as f64 / (CALLERS as f64 * SEEDS as f64);
    println!("{name}, {max_attempts} attempts: {percent:.1} % of {CALLERS} callers are served");
    assert!(
        percent >= least_percent,
        "{name}, {max_attempts} attempts: {percent:.1} % is below {least_percent} %"
    );
}

#[test]
fn a_crowd_at_a_bucket_with_precise_hints_is_served() {
    let bucket = Limited::Bucket { tokens: 10.0, at: Duration::ZERO };
    check("50 a second, with retry-after-ms", &bucket, 3, 70.0);
    check("50 a second, with retry-after-ms", &bucket, 5, 99.0);
}

#[test]
fn a_crowd_at_a_limit_of_calls_at_a_time_is_served() {
    let at_a_time = Limited::AtATime { ends: Vec::new() };
    check("8 at a time, without hints", &at_a_time, 3, 60.0);
    check("8 at a time, without hints", &at_a_time, 5, 95.0);
}
