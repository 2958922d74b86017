mod faults;

use super::*;
use crate::grid::testing::{allows, assert_near, limits, scenario, secs, served_at};
use crate::grid::{Announces, Arrivals, HintSpec, Limit, Noise, Outage};

/// A scenario with a bit of everything, in which each request can be served.
fn busy(limit: Limit) -> Scenario {
    let mut scenario = scenario(limit, Arrivals::Closed { requests: 200, workers: 50 });
    scenario.server.service = secs(0.05);
    scenario.server.service_sigma = 0.5;
    scenario.server.noise = Some(Noise { share: 0.02, status: 503, hint: Some(1) });
    scenario.server.poison_one_in = Some(50);
    scenario.round_trip = secs(0.06);
    scenario.jitter = 0.8;
    scenario.max_attempts = 6;
    scenario
}

/// Plays a scenario with each strategy.
fn each(scenario: &Scenario) -> impl Iterator<Item = (Strategy, Outcome)> {
    Strategy::ALL.into_iter().map(|strategy| (strategy, run(scenario, strategy, 7)))
}

#[test]
fn a_server_without_a_limit_takes_its_service_time_and_a_round_trip() {
    let mut scenario = scenario(Limit::None, Arrivals::Closed { requests: 40, workers: 4 });
    scenario.server.service = secs(0.3);
    scenario.round_trip = secs(0.1);
    for (strategy, outcome) in each(&scenario).filter(|(strategy, _)| *strategy != Strategy::PaceSlowStart) {
        assert_eq!(outcome.requests.len(), 40);
        for request in &outcome.requests {
            assert!(request.is_served && request.calls == 1 && request.refused == 0, "{strategy:?}");
            assert_eq!((request.finished - request.arrived, request.service), (secs(0.4), secs(0.3)));
        }
        assert_near(outcome.requests[39].finished, 4.0);
        assert!(outcome.held.is_zero() && !outcome.is_cut_short);
    }
}

#[test]
fn jitter_is_around_the_mean_round_trip() {
    let mut scenario = scenario(Limit::None, Arrivals::Burst { requests: 2_000 });
    scenario.round_trip = secs(0.1);
    scenario.jitter = 0.8;
    let outcome = run(&scenario, Strategy::Alone, 1);
    let times: Vec<_> = outcome.requests.iter().map(|request| request.finished.as_secs_f64()).collect();
    let mean = times.iter().sum::<f64>() / 2_000.0;
    assert!((mean - 0.1).abs() < 0.002, "{mean}");
    let extremes = (times.iter().copied().fold(1.0, f64::min), times.iter().copied().fold(0.0, f64::max));
    assert!((0.02..0.03).contains(&extremes.0) && (0.17..0.18).contains(&extremes.1), "{extremes:?}");
}

#[test]
fn a_refusal_comes_back_at_once_and_is_followed_by_its_hint() {
    let mut scenario = scenario(Limit::None, Arrivals::Burst { requests: 1 });
    scenario.server.refused_first = 1;
    scenario.server.hint = HintSpec::Fixed { seconds: 2 };
    scenario.server.service = secs(3.0);
    scenario.round_trip = secs(0.2);
    for (strategy, outcome) in each(&scenario) {
        let [refused, served] = &*outcome.calls else { panic!("{:?}", outcome.calls) };
        assert!(!refused.is_served && served.is_served && (refused.attempt, served.attempt) == (1, 2));
        assert_near(refused.reached_at, 0.1);
        // The spread without a pace is as wide as the hint.
        let latest = if strategy == Strategy::Alone { 4.2 } else { 2.2 };
        assert!((secs(2.2)..=secs(latest)).contains(&served.sent_at), "{strategy:?} {served:?}");
        assert_near(outcome.requests[0].finished - served.sent_at, 3.2);
    }
}

#[test]
fn the_same_seed_gives_the_same_outcome() {
    let scenario = busy(Limit::Bucket { per_second: 30.0, burst: 6.0 });
    for strategy in Strategy::ALL {
        let played = |seed| format!("{:?}", run(&scenario, strategy, seed));
        assert!(played(1) == played(1) && played(1) != played(2), "{strategy:?}");
    }
}

#[test]
fn all_strategies_meet_the_same_requests_and_the_same_luck() {
    let mut scenario = busy(Limit::None);
    scenario.load.tenants[0].arrivals = Arrivals::Poisson { phases: vec![(50.0, secs(4.0))] };
    let first = run(&scenario, Strategy::Alone, 1);
    let other = run(&scenario, Strategy::PaceSlowStart, 1);
    assert_eq!(first.requests.len(), other.requests.len());
    for (first, other) in first.requests.iter().zip(&other.requests) {
        assert_eq!(
            (first.arrived, first.service, first.refused),
            (other.arrived, other.service, other.refused)
        );
    }
}

#[test]
fn no_call_is_before_its_own_hint_and_none_is_served_against_the_limit() {
    for limit in limits() {
        for hint in [HintSpec::None, HintSpec::Seconds { at_least: 1 }, HintSpec::Milliseconds] {
            let mut scenario = busy(limit.clone());
            scenario.server.hint = hint;
            // Service times of one length, so that the ends of calls are known.
            scenario.server.service_sigma = 0.0;
            for (strategy, outcome) in each(&scenario) {
                let early = outcome.calls.iter().filter(|call| !call.early.is_zero()).count();
                assert_eq!(early, 0, "{strategy:?} {limit:?} {hint:?}");
                assert!(allows(&limit, &served_at(&outcome), 0.05), "{strategy:?} {limit:?}");
            }
        }
    }
}

#[test]
fn each_call_belongs_to_its_request() {
    let mut scenario = busy(Limit::Fixed { count: 20, window: secs(1.0) });
    scenario.max_attempts = 100;
    for (strategy, outcome) in each(&scenario) {
        assert_eq!(outcome.requests.len(), 200, "{strategy:?}");
        assert!(outcome.requests.is_sorted_by_key(|request| request.arrived));
        assert!(outcome.calls.is_sorted_by_key(|call| call.reached_at));
        for (index, request) in outcome.requests.iter().enumerate() {
            let calls: Vec<_> = outcome.calls.iter().filter(|call| call.request == index).collect();
            let refused = calls.iter().filter(|call| !call.is_served).count();
            assert_eq!((request.calls, request.refused), (calls.len() as u32, refused as u32));
            assert!(calls.iter().map(|call| call.attempt).eq(1..=request.calls));
            assert_eq!(request.is_served, calls.last().is_some_and(|call| call.is_served));
            assert_eq!(request.is_served, !request.is_poison, "{strategy:?} {request:?}");
        }
    }
}

#[test]
fn a_closed_loop_has_no_more_requests_at_a_time_than_workers() {
    for (_, outcome) in each(&busy(Limit::Bucket { per_second: 40.0, burst: 10.0 })) {
        for request in &outcome.requests {
            let at = request.arrived;
            let open = outcome.requests.iter().filter(|other| other.arrived <= at && at < other.finished);
            assert!(open.count() <= 50);
        }
    }
}

#[test]
fn nothing_is_sent_after_the_deadline() {
    let mut scenario = busy(Limit::Bucket { per_second: 5.0, burst: 5.0 });
    scenario.load.tenants[0].arrivals = Arrivals::Burst { requests: 100 };
    scenario.max_elapsed = Some(secs(4.0));
    for (strategy, outcome) in each(&scenario) {
        assert!(outcome.calls.iter().all(|call| call.sent_at <= secs(4.0)), "{strategy:?}");
        assert!(outcome.requests.iter().any(|request| !request.is_served));
        assert!(outcome.requests.iter().all(|request| request.overrun <= secs(0.05)), "{strategy:?}");
    }
}

#[test]
fn heads_without_a_hint_are_followed_by_the_backoff() {
    let mut scenario = scenario(Limit::None, Arrivals::Burst { requests: 200 });
    scenario.server.outage = Some(Outage { from: secs(0.0), to: secs(0.01), status: 503, hint: None });
    let outcome = run(&scenario, Strategy::Alone, 1);
    assert!(outcome.requests.iter().all(|request| request.is_served && request.calls > 1));
    let mut resent: Vec<_> =
        outcome.calls.iter().filter(|call| call.attempt == 2).map(|call| call.sent_at).collect();
    resent.dedup();
    assert!(resent.len() > 190, "{}", resent.len());
}

#[test]
fn a_wait_for_the_pace_is_held_and_a_wait_for_the_own_hint_is_not() {
    let mut scenario = scenario(Limit::None, Arrivals::Burst { requests: 1 });
    scenario.server.refused_first = 1;
    assert!(run(&scenario, Strategy::Pace, 1).held.is_zero());
    let scenario = busy(Limit::Bucket { per_second: 30.0, burst: 6.0 });
    assert!(run(&scenario, Strategy::Alone, 1).held.is_zero());
    assert!(run(&scenario, Strategy::Pace, 1).held > secs(1.0));
}

#[test]
fn a_warm_up_leaves_nothing_but_what_the_pace_has_learned() {
    let mut warm = busy(Limit::Fixed { count: 30, window: secs(3.0) });
    warm.server.announces = Announces::Anthropic;
    let cold = warm.clone();
    warm.warm = true;
    let played = |scenario: &Scenario, strategy| run(scenario, strategy, 1);
    assert_eq!(
        format!("{:?}", played(&warm, Strategy::Alone)),
        format!("{:?}", played(&cold, Strategy::Alone))
    );
    let origin = warm_up::warm_up(&warm, Driver::new(&warm, false), 1).origin();
    assert!((secs(60.0)..secs(100.0)).contains(&origin), "{origin:?}");
    let (warm, cold) = (played(&warm, Strategy::Pace), played(&cold, Strategy::Pace));
    assert_eq!((warm.requests.len(), warm.requests[0].arrived), (200, Duration::ZERO));
    assert_ne!(format!("{:?}", warm.calls), format!("{:?}", cold.calls));
}

#[test]
fn a_warm_up_lets_the_pace_meet_the_limit() {
    let rows = [
        // It refills faster than the network delivers a burst.
        (Limit::Bucket { per_second: 600.0, burst: 4.0 }, 0.08),
        // The calls of the first burst are served just after the refusals are heard.
        (Limit::Gcra { per_second: 50.0, burst: 60.0 }, 0.01),
    ];
    for (limit, service) in rows {
        let mut scenario = busy(limit.clone());
        (scenario.server.noise, scenario.server.service) = (None, secs(service));
        let driver = warm_up::warm_up(&scenario, Driver::new(&scenario, false), 1);
        let report = driver.report(Duration::ZERO);
        assert!(report.as_ref().is_some_and(|report| report.rate.is_some()), "{limit:?}: {report:?}");
    }
}

#[test]
fn a_run_is_bounded_in_time() {
    let phases = vec![(0.001, secs(200_000.0))];
    let scenario = scenario(Limit::None, Arrivals::Poisson { phases });
    for (strategy, outcome) in each(&scenario) {
        assert!(outcome.is_cut_short, "{strategy:?}");
        assert!(outcome.requests.iter().all(|request| request.arrived <= LONGEST_RUN));
    }
}
