//! Scenarios for tests, and limits as plain counts of the calls that were served.

use std::time::Duration;

use super::{
    Announces, Arrivals, CallerFaults, HintSpec, Limit, Load, Outcome, Scenario, ServerSpec, TenantLoad,
};

/// Returns a scenario with a network and a server that take no time.
pub(super) fn scenario(limit: Limit, arrivals: Arrivals) -> Scenario {
    Scenario {
        server: server(limit),
        load: Load { tenants: vec![TenantLoad { arrivals, max_cost: 1 }], key_per_tenant: false },
        round_trip: Duration::ZERO,
        jitter: 0.0,
        max_attempts: 5,
        max_elapsed: None,
        warm: false,
        callers: CallerFaults::default(),
    }
}

/// Returns a server that takes no time.
pub(super) fn server(limit: Limit) -> ServerSpec {
    ServerSpec {
        limits: vec![(Duration::ZERO, limit)],
        service: Duration::ZERO,
        service_sigma: 0.0,
        hint: HintSpec::Seconds { at_least: 1 },
        noise: None,
        poison_one_in: None,
        poison_share: 0.0,
        poison_hint: None,
        refused_first: 0,
        outage: None,
        announces: Announces::Nothing,
    }
}

/// A limit of each kind.
pub(super) fn limits() -> [Limit; 7] {
    let window = secs(4.0);
    [
        Limit::None,
        Limit::Bucket { per_second: 30.0, burst: 6.0 },
        Limit::Gcra { per_second: 30.0, burst: 6.0 },
        Limit::Sliding { count: 40, window, counts_refused: false },
        Limit::Sliding { count: 40, window, counts_refused: true },
        Limit::Fixed { count: 40, window },
        Limit::Concurrent { limit: 3 },
    ]
}

/// Returns whether a limit allows calls that are served at these times, which ascend, and that take `service` each. It
/// counts them without any state of a server.
pub(super) fn allows(limit: &Limit, times: &[f64], service: f64) -> bool {
    (1..=times.len()).all(|count| allows_last(limit, &times[..count], service))
}

/// Returns whether a limit allows the last of these calls after the others.
pub(super) fn allows_last(limit: &Limit, times: &[f64], service: f64) -> bool {
    let Some(last) = times.last() else {
        return true;
    };
    match *limit {
        Limit::None => true,
        Limit::Bucket { per_second, burst } | Limit::Gcra { per_second, burst } => {
            let counts = times.iter().rev().zip(1..);
            counts
                .into_iter()
                .all(|(first, calls)| f64::from(calls) <= burst + per_second * (last - first) + 1e-4)
        }
        Limit::Sliding { count, window, .. } => is_apart(times, count, window.as_secs_f64()),
        Limit::Concurrent { limit } => is_apart(times, limit, service),
        Limit::Fixed { count, window } => {
            let window_of = |time: &f64| ((time + 1e-9) / window.as_secs_f64()).floor();
            times.iter().rev().nth(count as usize).is_none_or(|first| window_of(first) < window_of(last))
        }
        Limit::Quotas { .. } => panic!("the cost of calls is not among the times"),
    }
}

/// Returns the times at which calls were served.
pub(super) fn served_at(outcome: &Outcome) -> Vec<f64> {
    let served = outcome.calls.iter().filter(|call| call.is_served);
    served.map(|call| call.reached_at.as_secs_f64()).collect()
}

/// Returns so many seconds.
pub(super) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Asserts that a time is so many seconds but for the rounding to nanoseconds.
#[track_caller]
pub(super) fn assert_near(time: Duration, expected: f64) {
    let difference = (time.as_secs_f64() - expected).abs();
    assert!(difference < 1e-6, "{time:?} is not {expected} s");
}

/// Returns whether the last time and the one that is `count` before it lie so far apart.
fn is_apart(times: &[f64], count: u32, span: f64) -> bool {
    let last = times.last().copied().unwrap_or_default();
    times.iter().rev().nth(count as usize).is_none_or(|first| last - first >= span - 1e-9)
}
