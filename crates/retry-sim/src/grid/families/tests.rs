use super::*;

/// The runs of a draw in which the clairvoyant takes the place of the pace.
fn clairvoyant(case: Case, seed: u64) -> Runs {
    let scenario = case.scenario.clone();
    let clean = scenario.without_faults();
    let floor = |scenario: &Scenario| Run::new(floor::floor(scenario, seed), scenario);
    let alone = Run::new(run::run(&scenario, Strategy::Alone, seed), &scenario);
    Runs {
        case,
        floor: floor(&scenario),
        alone,
        pace: floor(&scenario),
        slow: floor(&scenario),
        without_faults: Some(floor(&clean)),
    }
}

/// Returns whether the clairvoyant can break this promise: it is not fair, it does not start slowly, and the workers
/// of its closed loops take the requests in another order.
fn is_exempt(family: &str, check: &Check) -> bool {
    let is_slow_start = check.name.starts_with("slow start");
    is_slow_start || family == "tenants" || (family == "no-limit" && check.name == "T")
}

#[test]
fn the_clairvoyant_holds_every_promise() {
    for family in Family::all() {
        for seed in 0..SEEDS {
            let (case, _) = family.draw(seed, &[]).unwrap();
            for check in family.judge(&clairvoyant(case, seed)) {
                assert!(
                    check.is_held() || is_exempt(family.name, &check),
                    "{} {seed}: {check:?}",
                    family.name
                );
            }
        }
    }
}

#[test]
fn callers_who_wait_for_nothing_break_promises_where_there_is_a_limit() {
    for name in ["bucket-over", "burst-known", "concurrency", "hint-short", "noise-on-bucket", "outage"] {
        let family = Family::named(name).unwrap();
        let breaks = |seed| {
            let (case, _) = family.draw(seed, &[]).unwrap();
            let alone = Run::new(run::run(&case.scenario, Strategy::Alone, seed), &case.scenario);
            let runs = Runs { pace: alone, ..clairvoyant(case, seed) };
            family.judge(&runs).iter().any(|check| !check.is_held())
        };
        let broken = (0..2 * SEEDS).filter(|seed| breaks(*seed)).count();
        assert!(broken >= SEEDS as usize, "{name}: {broken} of {}", 2 * SEEDS);
    }
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = Family::all().map(|family| family.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

const SEEDS: u64 = 4;
