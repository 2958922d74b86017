//! Members of a fleet cost a limit what one member costs.

use retry_sim::fleet::{FleetFigures, FleetScenario};

fn scenario(name: &str) -> FleetScenario {
    FleetScenario::all().into_iter().find(|scenario| scenario.name == name).unwrap()
}

#[track_caller]
fn check(name: &str, bound: fn(&FleetFigures, &FleetFigures) -> bool) {
    let scenario = scenario(name);
    let one = scenario.play(1, 7_001);
    let four = scenario.play(4, 7_001);
    assert_eq!((one.unserved, four.unserved), (0, 0), "{name}");
    assert!(bound(&one, &four), "{name}: one {one:?}, four {four:?}");
}

/// The calls for a hundred requests.
fn calls(figures: &FleetFigures) -> f64 {
    100.0 * figures.calls as f64 / figures.requests as f64
}

#[test]
fn a_full_load_takes_as_many_calls_and_as_long() {
    check("200 %", |one, four| {
        calls(four) <= calls(one) + 3.0 && four.time <= 1.1 * one.time && four.jain >= 0.99
    });
}

#[test]
fn half_of_the_limit_is_not_felt() {
    check("half of the limit", |one, four| {
        four.p99 <= 1.2 * one.p99 + 0.03 && four.refused <= one.refused + 1
    });
}

#[test]
fn store_that_is_gone_opens_nothing() {
    check("80 %, the store gone for 3 s", |one, four| {
        four.refused <= one.refused + 4 && four.p99 <= one.p99 + 1.0
    });
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let figures = || format!("{:?}", scenario("four seconds' worth at once").play(3, 5));
    assert_eq!(figures(), figures());
}
