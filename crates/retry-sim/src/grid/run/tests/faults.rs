//! Callers that are dropped, or that are never polled again.

use super::*;

/// Callers in a queue that moves slowly.
fn queue() -> Scenario {
    let limit = Limit::Bucket { per_second: 10.0, burst: 5.0 };
    let mut scenario = scenario(limit, Arrivals::Closed { requests: 120, workers: 60 });
    scenario.server.service = secs(0.5);
    scenario.round_trip = secs(0.05);
    scenario.max_attempts = 100;
    scenario
}

#[test]
fn a_dropped_caller_ends_when_it_is_dropped() {
    let mut scenario = queue();
    scenario.callers.dropped = 0.5;
    for (strategy, outcome) in each(&scenario) {
        let dropped: Vec<_> = outcome.requests.iter().filter(|request| request.is_faulty).collect();
        assert!((20..80).contains(&dropped.len()), "{strategy:?} {}", dropped.len());
        for request in &dropped {
            assert!(!request.is_served && request.finished - request.arrived <= secs(5.0), "{request:?}");
        }
        assert_eq!(outcome.requests.len(), 120);
        assert!(
            outcome.requests.iter().all(|request| request.is_served != request.is_faulty),
            "{strategy:?}"
        );
    }
}

#[test]
fn a_server_serves_the_call_of_a_dropped_caller() {
    let mut scenario = scenario(Limit::None, Arrivals::Burst { requests: 50 });
    scenario.server.service = secs(10.0);
    scenario.callers.dropped = 1.0;
    for (strategy, outcome) in each(&scenario) {
        assert!(outcome.calls.iter().any(|call| call.is_served), "{strategy:?}");
        assert!(
            outcome.requests.iter().all(|request| !request.is_served && request.is_faulty),
            "{strategy:?}"
        );
    }
}

#[test]
fn a_caller_that_is_never_polled_again_sends_nothing_more_and_its_worker_goes_on() {
    let mut scenario = queue();
    scenario.callers.unpolled = 1.0;
    let outcome = run(&scenario, Strategy::Pace, 7);
    let unpolled: Vec<_> = outcome.requests.iter().filter(|request| request.is_faulty).collect();
    assert!(unpolled.len() > 60 && outcome.requests.len() == 120);
    assert!(unpolled.iter().all(|request| !request.is_served && request.overrun.is_zero()));
    assert!(unpolled.iter().all(|request| request.calls <= 1));
    // Without a pace there is no queue to be abandoned in.
    assert!(run(&scenario, Strategy::Alone, 7).requests.iter().all(|request| !request.is_faulty));
}
