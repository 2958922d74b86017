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
    let scenario = scenario("half of the limit");
    let runs = |members| -> Vec<_> { (7_001..7_006).map(|seed| scenario.play(members, seed)).collect() };
    let p99 = |runs: &[FleetFigures]| runs.iter().map(|run| run.p99).sum::<f64>() / runs.len() as f64;
    let one = p99(&runs(1));
    for members in [4, 8] {
        let many = runs(members);
        assert!(many.iter().all(|run| run.refused == 0), "{many:?}");
        assert!(p99(&many) <= 1.2 * one + 0.03, "{} s of {members} members, {one} s of one", p99(&many));
    }
}

#[test]
fn store_that_is_gone_opens_nothing() {
    check("80 %, the store gone for 3 s", |one, four| {
        four.refused <= one.refused + 4 && four.p99 <= one.p99 + 1.0
    });
}

/// Returns the refused calls, and the time, of several runs with so many members.
fn sums(name: &str, members: usize) -> (u64, f64) {
    let scenario = scenario(name);
    let runs = (7_001..7_006).map(|seed| scenario.play(members, seed));
    runs.fold((0, 0.0), |(refused, time), run| (refused + run.refused, time + run.time))
}

#[test]
fn members_learn_a_low_limit_from_the_calls_of_all() {
    let (one, time) = sums("5 per second, burst 1, 80 %", 1);
    for members in [4, 8] {
        let (refused, longer) = sums("5 per second, burst 1, 80 %", members);
        assert!(2 * refused <= 5 * one, "{refused} refused of {members} members, {one} of one");
        assert!(longer <= 1.3 * time, "{longer} s of {members} members, {time} s of one");
    }
    // More members hear later of what the others are served.
    let (refused, longer) = sums("5 per second, burst 1, 80 %", 16);
    assert!(refused <= 4 * one, "{refused} refused of 16 members, {one} of one");
    assert!(longer <= 1.3 * time, "{longer} s of 16 members, {time} s of one");
}

#[test]
fn full_load_is_refused_as_rarely() {
    let (one, time) = sums("150 %", 1);
    for members in [4, 8] {
        let (refused, longer) = sums("150 %", members);
        assert!(5 * refused <= 8 * one, "{refused} refused of {members} members, {one} of one");
        assert!(longer <= 1.06 * time, "{longer} s of {members} members, {time} s of one");
    }
}

#[test]
fn full_load_at_a_limit_that_nobody_knows_is_refused_less_often_than_the_members_are_many() {
    let (one, time) = sums("150 %, not known", 1);
    let (refused, longer) = sums("150 %, not known", 8);
    assert!(refused <= 5 * one, "{refused} refused of eight members, {one} of one");
    assert!(longer <= 1.2 * time, "{longer} s of eight members, {time} s of one");
}

#[test]
fn burst_at_a_limit_that_nobody_knows_takes_as_many_calls_and_as_long() {
    let name = "four seconds' worth at once, not known";
    let (one, time) = sums(name, 1);
    for members in [4, 8] {
        let (refused, longer) = sums(name, members);
        assert!(20 * refused <= 21 * one, "{refused} refused of {members} members, {one} of one");
        assert!(longer <= 1.1 * time, "{longer} s of {members} members, {time} s of one");
    }
}

#[test]
fn store_that_comes_back_empty_holds_nobody_for_long() {
    for members in [4, 8] {
        let (refused, _) = sums("80 %, the store gone for 3 s", members);
        assert!(refused <= 6 * members as u64, "{refused} refused of {members} members");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let figures = || format!("{:?}", scenario("four seconds' worth at once").play(3, 5));
    assert_eq!(figures(), figures());
}
