mod brute_force;

use super::*;
use crate::grid::testing::{allows, assert_near, limits, scenario, secs, served_at};
use crate::grid::{Arrivals, HintSpec, Limit, Noise, Outage, Strategy, TenantLoad, run};

/// Returns when the last answer comes.
fn end(outcome: &Outcome) -> Duration {
    outcome.requests.iter().map(|request| request.finished).max().unwrap_or_default()
}

/// Checks the end of a burst.
#[track_caller]
fn check_burst(limit: Limit, requests: u32, expected: f64) {
    let outcome = floor(&scenario(limit, Arrivals::Burst { requests }), 1);
    assert!(outcome.requests.iter().all(|request| request.is_served && request.calls == 1));
    assert_near(end(&outcome), expected);
}

#[test]
fn a_burst_takes_what_the_limit_needs_for_it() {
    let bucket = |per_second, burst| Limit::Bucket { per_second, burst };
    // (requests - burst) / rate.
    check_burst(bucket(35.0, 6.0), 120, 114.0 / 35.0);
    check_burst(bucket(0.5, 20.0), 20, 0.0);
    check_burst(Limit::Gcra { per_second: 25.0, burst: 1.0 }, 101, 4.0);
    // All windows before the last one are full.
    let window = secs(4.0);
    for counts_refused in [false, true] {
        check_burst(Limit::Sliding { count: 40, window, counts_refused }, 160, 12.0);
        check_burst(Limit::Sliding { count: 40, window, counts_refused }, 161, 16.0);
    }
    check_burst(Limit::Fixed { count: 70, window }, 200, 8.0);
    check_burst(Limit::None, 1_000, 0.0);
}

#[test]
fn calls_at_a_time_take_their_rounds() {
    let mut scenario = scenario(Limit::Concurrent { limit: 12 }, Arrivals::Burst { requests: 100 });
    scenario.server.service = secs(0.3);
    scenario.round_trip = secs(0.1);
    assert_near(end(&floor(&scenario, 1)), 9.0 * 0.3 + 0.1);
}

/// Returns the mean wait of Poisson requests for a server of one call at a time.
fn mean_wait(per_second: f64, service: f64, sigma: f64) -> f64 {
    let phases = vec![(per_second, secs(80_000.0))];
    let mut scenario = scenario(Limit::Concurrent { limit: 1 }, Arrivals::Poisson { phases });
    scenario.server.service = secs(service);
    scenario.server.service_sigma = sigma;
    let outcome = floor(&scenario, 2);
    let waits = outcome
        .requests
        .iter()
        .map(|request| (request.finished - request.arrived - request.service).as_secs_f64());
    waits.sum::<f64>() / outcome.requests.len() as f64
}

#[test]
fn one_call_at_a_time_waits_as_queueing_theory_has_it() {
    // Pollaczek and Khinchine: the rate x the mean square of the service time / (2 x (1 - load)).
    let wait = mean_wait(2.5, 0.2, 0.0);
    let expected = 2.5 * 0.04 / (2.0 * 0.5);
    assert!((wait / expected - 1.0).abs() < 0.02, "{wait} {expected}");

    let (median, sigma) = (0.2, 0.6_f64);
    let (mean, square) =
        (median * (sigma * sigma / 2.0).exp(), median * median * (2.0 * sigma * sigma).exp());
    let wait = mean_wait(2.0, median, sigma);
    let expected = 2.0 * square / (2.0 * (1.0 - 2.0 * mean));
    assert!((wait / expected - 1.0).abs() < 0.02, "{wait} {expected}");
}

#[test]
fn requests_are_served_in_order_and_as_the_limit_allows() {
    let phases = vec![(60.0, secs(10.0)), (5.0, secs(20.0))];
    for limit in limits() {
        let mut scenario = scenario(limit.clone(), Arrivals::Poisson { phases: phases.clone() });
        scenario.server.service = secs(0.1);
        scenario.round_trip = secs(0.08);
        let outcome = floor(&scenario, 3);
        assert!(allows(&limit, &served_at(&outcome), 0.1), "{limit:?}");
        assert!(outcome.requests.iter().all(|request| request.is_served && request.refused == 0));
        assert!(outcome.requests.is_sorted_by_key(|request| request.arrived));
        assert!(outcome.calls.is_sorted_by_key(|call| call.request), "{limit:?}");
    }
}

#[test]
fn a_closed_loop_takes_its_next_request_when_one_is_done() {
    let mut scenario = scenario(Limit::None, Arrivals::Closed { requests: 10, workers: 4 });
    scenario.server.service = secs(1.0);
    scenario.round_trip = secs(0.5);
    let outcome = floor(&scenario, 1);
    let arrivals: Vec<_> = outcome.requests.iter().map(|request| request.arrived.as_secs_f64()).collect();
    assert_eq!(arrivals, [0.0, 0.0, 0.0, 0.0, 1.5, 1.5, 1.5, 1.5, 3.0, 3.0]);
    assert_near(end(&outcome), 4.5);

    // The requests of another tenant come between.
    let arrivals = Arrivals::Poisson { phases: vec![(5.0, secs(4.0))] };
    scenario.load.tenants.push(TenantLoad { arrivals, max_cost: 1 });
    let outcome = floor(&scenario, 1);
    assert!(outcome.requests.len() > 20 && outcome.requests.is_sorted_by_key(|request| request.arrived));
    for call in &outcome.calls {
        assert_eq!(call.reached_at - outcome.requests[call.request].arrived, secs(0.25));
    }
}

#[test]
fn refusals_that_no_time_avoids_cost_their_hint() {
    let mut each = scenario(Limit::None, Arrivals::Burst { requests: 3 });
    each.server.refused_first = 2;
    each.round_trip = secs(0.1);
    let outcome = floor(&each, 1);
    // Two refusals with their hint of a second, and three round trips.
    assert_near(end(&outcome), 2.3);
    assert!(outcome.requests.iter().all(|request| (request.calls, request.refused) == (3, 2)));

    let mut poisoned = scenario(Limit::None, Arrivals::Burst { requests: 4 });
    poisoned.server.poison_one_in = Some(4);
    poisoned.server.poison_hint = Some(secs(0.25));
    poisoned.round_trip = secs(0.1);
    let outcome = floor(&poisoned, 1);
    let calls: Vec<_> = outcome.requests.iter().map(|request| (request.is_served, request.calls)).collect();
    assert_eq!(calls, [(true, 1), (true, 1), (false, 5), (true, 1)]);
    assert_near(end(&outcome), 5.0 * 0.1 + 4.0 * 0.25);

    let mut noisy = scenario(Limit::None, Arrivals::Burst { requests: 1_000 });
    noisy.server.noise = Some(Noise { share: 0.2, status: 503, hint: None });
    let outcome = floor(&noisy, 1);
    let refused: u32 = outcome.requests.iter().map(|request| request.refused).sum();
    // A fifth, and a fifth of that, and so on.
    assert!((200..300).contains(&refused) && end(&outcome).is_zero(), "{refused}");
}

#[test]
fn a_hint_that_callers_do_not_wait_for_ends_a_request() {
    let mut scenario = scenario(Limit::None, Arrivals::Burst { requests: 1 });
    scenario.server.refused_first = 1;
    scenario.server.hint = HintSpec::Fixed { seconds: 120 };
    assert!(floor(&scenario, 1).requests[0].is_served);
    scenario.server.hint = HintSpec::Fixed { seconds: 121 };
    assert!(!floor(&scenario, 1).requests[0].is_served);
}

#[test]
fn an_outage_is_waited_for() {
    let mut scenario = scenario(Limit::None, Arrivals::Burst { requests: 5 });
    scenario.server.outage = Some(Outage { from: secs(0.0), to: secs(6.0), status: 503, hint: None });
    scenario.round_trip = secs(0.2);
    let outcome = floor(&scenario, 1);
    assert_near(end(&outcome), 6.1);
    assert!(outcome.requests.iter().all(|request| request.calls == 1));
}

#[test]
fn a_request_that_cannot_be_served_in_time_is_not_sent() {
    let limit = Limit::Bucket { per_second: 1.0, burst: 1.0 };
    let mut late = scenario(limit.clone(), Arrivals::Burst { requests: 10 });
    late.max_elapsed = Some(secs(4.5));
    let outcome = floor(&late, 1);
    assert_eq!((served_at(&outcome).len(), outcome.calls.len()), (5, 5));
    // They learn it at once.
    assert_near(end(&outcome), 4.0);

    let mut dropped = scenario(limit, Arrivals::Burst { requests: 10 });
    dropped.callers.dropped = 1.0;
    let outcome = floor(&dropped, 1);
    assert!(outcome.requests.iter().all(|request| request.is_faulty != request.is_served));
    assert!(end(&outcome) <= secs(5.0) && !outcome.calls.is_empty());

    let never = scenario(Limit::Bucket { per_second: 0.0, burst: 1.0 }, Arrivals::Burst { requests: 3 });
    assert_eq!(floor(&never, 1).calls.len(), 1);
}

#[test]
fn no_strategy_is_done_earlier() {
    let phases = vec![(40.0, secs(5.0)), (15.0, secs(5.0))];
    // Callers without a pace fill the window of this one with their refused calls for ever.
    let is_sure = |limit: &Limit| !matches!(limit, Limit::Sliding { counts_refused: true, .. });
    for limit in limits().into_iter().filter(is_sure) {
        for seed in 0..5 {
            let mut scenario = scenario(limit.clone(), Arrivals::Poisson { phases: phases.clone() });
            scenario.server.service = secs(0.1);
            scenario.server.refused_first = 1;
            scenario.max_attempts = 1_000;
            let floor = floor(&scenario, seed);
            for strategy in Strategy::ALL {
                let outcome = run(&scenario, strategy, seed);
                assert_eq!(served_at(&outcome).len(), served_at(&floor).len(), "{strategy:?} {limit:?}");
                assert!(end(&outcome) >= end(&floor), "{strategy:?} {limit:?}");
            }
        }
    }
}
