use super::*;
use crate::grid::testing::{scenario, secs};
use crate::grid::{CallerFaults, Limit};

fn source(scenario: &Scenario) -> RequestSource<'_> {
    RequestSource::new(scenario, Draws::new(5))
}

#[test]
fn a_closed_loop_has_its_workers_at_first_and_its_requests_in_all() {
    let scenario = scenario(Limit::None, Arrivals::Closed { requests: 7, workers: 3 });
    let mut source = source(&scenario);
    assert_eq!(source.first().len(), 3);
    let later: Vec<_> = (1..9).map_while(|second| source.next(0, secs(second.into()))).collect();
    let times: Vec<_> = later.iter().map(|request| request.arrived.as_secs()).collect();
    assert_eq!(times, [1, 2, 3, 4]);
}

#[test]
fn poisson_requests_come_at_the_rate_of_each_phase() {
    let phases = vec![(100.0, secs(50.0)), (0.0, secs(10.0)), (400.0, secs(50.0))];
    let scenario = scenario(Limit::None, Arrivals::Poisson { phases });
    let mut source = source(&scenario);
    let requests = source.first();
    let between = |from: f64, to: f64| {
        requests.iter().filter(|request| (secs(from)..secs(to)).contains(&request.arrived)).count()
    };
    let (first, rest, second) = (between(0.0, 50.0), between(50.0, 60.0), between(60.0, 110.0));
    // Three standard deviations.
    assert!(
        (4_788..5_212).contains(&first) && rest == 0 && (19_576..20_424).contains(&second),
        "{first} {second}"
    );
    assert!(requests.is_sorted_by_key(|request| request.arrived) && first + second == requests.len());
    assert!(source.next(0, secs(1.0)).is_none());
}

#[test]
fn bursts_of_tenants_are_mixed() {
    let mut scenario = scenario(Limit::None, Arrivals::Burst { requests: 2 });
    scenario.load.tenants.push(TenantLoad { arrivals: Arrivals::Burst { requests: 3 }, max_cost: 1 });
    let tenants = |scenario: &Scenario, of: fn(&ArrivingRequest) -> usize| -> Vec<usize> {
        source(scenario).first().iter().map(of).collect()
    };
    assert_eq!(tenants(&scenario, |request| request.tenant), [0, 1, 0, 1, 1]);
    assert_eq!(tenants(&scenario, |request| request.key), [0; 5]);
    scenario.load.key_per_tenant = true;
    assert_eq!(tenants(&scenario, |request| request.key), [0, 1, 0, 1, 1]);
}

#[test]
fn poison_faults_and_costs_have_their_shares() {
    let mut scenario = scenario(Limit::None, Arrivals::Burst { requests: 8_000 });
    scenario.server.poison_one_in = Some(40);
    scenario.callers = CallerFaults { unpolled: 0.1, dropped: 0.2, stalled: 0.0 };
    scenario.load.tenants[0].max_cost = 100;
    let requests = source(&scenario).first();
    let count = |of: fn(&&ArrivingRequest) -> bool| requests.iter().filter(of).count();
    assert_eq!(count(|request| request.is_poison), 200);
    assert!((720..880).contains(&count(|request| request.is_unpolled)));
    assert!((1_490..1_710).contains(&count(|request| request.dropped_at.is_some())));
    assert_eq!(count(|request| request.dropped_at.is_some_and(|at| at > secs(5.0))), 0);
    // Half of the logarithms are below that of the root.
    let root = count(|request| request.cost < 10);
    assert!((3_850..4_150).contains(&root), "{root}");
    assert_eq!(count(|request| request.cost == 0 || request.cost > 100), 0);
}
