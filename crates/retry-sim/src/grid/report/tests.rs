use super::*;

fn draws(measured: impl IntoIterator<Item = f64>) -> Vec<DrawReport> {
    let draw = |(seed, measured)| DrawReport {
        seed,
        parameters: Vec::new(),
        figures: Default::default(),
        checks: vec![Check::seconds("T", measured, 10.0).aim(5.0)],
    };
    (1..).zip(measured).map(draw).collect()
}

fn report(measured: impl IntoIterator<Item = f64>) -> FamilyReport {
    FamilyReport::new(Family::named("sliding").unwrap(), &draws(measured))
}

#[test]
fn one_draw_of_twenty_may_miss_a_promise_and_two_may_not() {
    let with_misses = |misses: usize| report((0..20).map(|index| if index < misses { 11.0 } else { 4.0 }));
    assert!(with_misses(0).is_held);
    assert!(with_misses(1).is_held);
    assert!(!with_misses(2).is_held);
}

#[test]
fn no_draw_may_be_worse_than_twice_a_promise() {
    let with_worst = |worst: f64| report((0..100).map(|index| if index == 7 { worst } else { 4.0 }));
    assert!(with_worst(20.0).is_held);
    let report = with_worst(20.5);
    assert!(!report.is_held);
    assert_eq!(report.checks[0].gross, 1);
    assert_eq!(report.checks[0].repeat, "retry-sim one sliding seed=8");
}

#[test]
fn a_promise_of_nothing_is_missed_by_anything() {
    let mut draws = draws([0.0; 200]);
    draws[3].checks = vec![Check::count("early", 1, 0.0)];
    let report = FamilyReport::new(Family::named("sliding").unwrap(), &draws);
    assert!(!report.is_held);
    assert_eq!((report.checks[0].name, report.checks[0].draws), ("early", 1));
}

#[test]
fn the_aim_counts_the_draws_that_reach_it() {
    assert_eq!(report([4.0, 5.0, 6.0]).checks[0].aim_reached, Some(2));
}

#[test]
fn a_median_is_of_the_draws_and_a_ratio_of_those_that_compare() {
    let mut draws = draws([1.0; 3]);
    for (index, draw) in draws.iter_mut().enumerate() {
        let figures = |time| Figures { time, served: 5, requests: 5, ..Figures::default() };
        draw.figures = [figures(1.0), figures(2.0), figures(3.0 + index as f64), figures(4.0)];
    }
    // Without a pace this draw serves fewer, so its time says nothing.
    draws[2].figures[1].served = 4;
    let report = FamilyReport::new(Family::named("sliding").unwrap(), &draws);
    let pace = &report.strategies[2];
    assert_eq!((pace.time.median, pace.time.worst), (4.0, 5.0));
    assert_eq!((pace.time_to_floor.median, pace.time_to_floor.worst), (4.0, 5.0));
    assert_eq!((pace.time_to_alone.median, pace.time_to_alone.worst), (1.5, 2.0));
}
