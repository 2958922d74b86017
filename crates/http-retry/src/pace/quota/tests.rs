//! Quotas by hand, and against simulated servers.

mod server;
mod simulated;

use proptest::prelude::*;

use super::*;
use crate::pace::evidence::{Means, Unit};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn announced(means: Means, limit: impl Into<Option<u64>>, remaining: u64, reset_ms: u64) -> Announced {
    Announced {
        name: 1,
        alternatives: None,
        unit: Unit::Units,
        limit: limit.into(),
        remaining,
        granule: 1,
        reset: ms(reset_ms),
        precision: Duration::ZERO,
        is_date: false,
        means,
    }
}

fn bucket(limit: u64, remaining: u64, reset_ms: u64) -> Announced {
    announced(Means::FullAgain, limit, remaining, reset_ms)
}

fn window(limit: u64, remaining: u64, reset_ms: u64) -> Announced {
    announced(Means::WindowEnds, limit, remaining, reset_ms)
}

/// Hears the answer to a request that was sent and answered at once.
fn hear(quotas: &mut Quotas, announced: &Announced, order: u64, in_flight_after: f64, now: Duration) {
    quotas.hear(announced, Source { order, sent_at: now, in_flight_after }, Quotas::LONGEST, now);
}

#[track_caller]
fn check_admits(quotas: &Quotas, cost: u32, now: Duration, expected_ms: u64) {
    let at = quotas.admits_at(cost, now);
    assert!(
        at.abs_diff(ms(expected_ms)) < ms(1),
        "{cost} at {now:?}: {at:?}, not {expected_ms} ms: {quotas:?}"
    );
}

#[test]
fn empty_quotas_let_all_go() {
    let quotas = Quotas::default();
    assert!(!quotas.is_known(ms(0)));
    assert!(quotas.known.is_none());
    check_admits(&quotas, u32::MAX, ms(7), 7);
}

#[test]
fn a_bucket_waits_for_the_cost_and_not_for_its_reset() {
    let mut quotas = Quotas::default();
    // Ten come back in a second. One unit is kept as a margin.
    hear(&mut quotas, &bucket(100, 6, 9_400), 1, 0.0, ms(0));
    check_admits(&quotas, 5, ms(0), 0);
    check_admits(&quotas, 15, ms(0), 1_000);
    // A request that costs more than all takes all.
    check_admits(&quotas, 1_000, ms(0), 9_500);
    quotas.reserve(5, ms(0));
    check_admits(&quotas, 5, ms(0), 500);
    quotas.finish(5);
    quotas.give_back(5, ms(0));
    check_admits(&quotas, 5, ms(0), 0);
}

/// GitHub counts searches and other requests apart, and a request does not tell which it is.
#[test]
fn of_alternatives_one_with_room_is_enough() {
    let resource = |name, limit, remaining, reset_ms| Announced {
        name,
        alternatives: Some(7),
        unit: Unit::Requests,
        ..window(limit, remaining, reset_ms)
    };
    let mut quotas = Quotas::default();
    hear(&mut quotas, &resource(1, 30, 2, 60_000), 1, 0.0, ms(0));
    quotas.reserve(1, ms(0));
    quotas.reserve(1, ms(0));
    // The next one may be of another resource.
    check_admits(&quotas, 1, ms(0), 1_000);
    quotas.refused(Some(ms(60_000)), &[resource(1, 30, 0, 60_000)], ms(0));
    check_admits(&quotas, 1, ms(0), 1_000);
    for order in [2, 3] {
        hear(&mut quotas, &resource(1, 30, 0, 60_000), order, 0.0, ms(0));
    }
    check_admits(&quotas, 1, ms(0), 60_000);
    hear(&mut quotas, &resource(2, 5_000, 1, 90_000), 4, 0.0, ms(0));
    check_admits(&quotas, 1, ms(1_000), 1_000);
    quotas.refused(Some(ms(60_000)), &[resource(1, 30, 0, 59_000)], ms(1_000));
    check_admits(&quotas, 1, ms(1_000), 1_000);
    quotas.reserve(1, ms(1_000));
    check_admits(&quotas, 1, ms(1_000), 60_000);
    // A quota of all requests counts beside them.
    hear(&mut quotas, &Announced { alternatives: None, ..resource(3, 10, 0, 70_000) }, 5, 0.0, ms(0));
    check_admits(&quotas, 1, ms(0), 70_000);
}

#[test]
fn what_left_after_the_answers_own_request_is_taken() {
    let mut quotas = Quotas::default();
    hear(&mut quotas, &bucket(100, 51, 4_900), 1, 45.0, ms(0));
    check_admits(&quotas, 5, ms(0), 0);
    check_admits(&quotas, 10, ms(0), 500);
}

#[test]
fn an_answer_to_an_older_request_never_raises_the_level() {
    for (quota, more) in
        [(bucket(100, 11, 8_900), bucket(100, 60, 4_000)), (window(100, 10, 9_000), window(100, 60, 9_000))]
    {
        let mut quotas = Quotas::default();
        hear(&mut quotas, &quota, 5, 0.0, ms(0));
        hear(&mut quotas, &more, 4, 0.0, ms(0));
        assert!(quotas.admits_at(20, ms(0)) > ms(0), "{quotas:?}");
    }
}

#[test]
fn a_window_waits_for_its_end_and_is_full_then() {
    let mut quotas = Quotas::default();
    hear(&mut quotas, &window(10, 2, 5_000), 1, 0.0, ms(0));
    check_admits(&quotas, 2, ms(0), 0);
    quotas.reserve(2, ms(0));
    check_admits(&quotas, 1, ms(0), 5_000);
    check_admits(&quotas, 10, ms(5_000), 5_000);
    quotas.reserve(10, ms(5_000));
    assert!(quotas.admits_at(1, ms(5_000)) > ms(5_000));
}

#[test]
fn all_names_must_have_room() {
    let mut quotas = Quotas::default();
    hear(&mut quotas, &bucket(100, 90, 1_000), 1, 0.0, ms(0));
    hear(&mut quotas, &Announced { name: 2, ..window(10, 0, 3_000) }, 1, 0.0, ms(0));
    check_admits(&quotas, 1, ms(0), 3_000);
}

#[test]
fn settling_corrects_the_cost() {
    let mut quotas = Quotas::default();
    hear(&mut quotas, &bucket(100, 51, 4_900), 1, 0.0, ms(0));
    quotas.reserve(50, ms(0));
    check_admits(&quotas, 20, ms(0), 2_000);
    quotas.finish(50);
    quotas.settle(50, Some(30), ms(0));
    check_admits(&quotas, 20, ms(0), 0);
    quotas.settle(0, Some(10), ms(0));
    check_admits(&quotas, 20, ms(0), 1_000);
}

#[test]
fn a_refusal_empties_a_bucket_and_holds_all_until_the_hint() {
    let mut quotas = Quotas::default();
    hear(&mut quotas, &bucket(100, 51, 4_900), 1, 0.0, ms(0));
    quotas.refused(Some(ms(2_000)), &[], ms(0));
    check_admits(&quotas, 1, ms(0), 2_000);
    check_admits(&quotas, 30, ms(0), 3_000);
}

#[test]
fn a_refusal_that_announces_a_full_bucket_leaves_it_full() {
    let full = Announced { unit: Unit::Requests, ..bucket(500, 500, 0) };
    let mut quotas = Quotas::default();
    hear(&mut quotas, &full, 1, 0.0, ms(0));
    quotas.refused(Some(ms(2_000)), &[full], ms(0));
    check_admits(&quotas, 1, ms(0), 2_000);
    // Another bucket of the key is empty after it.
    quotas.refused(None, &[Announced { name: 2, ..full }], ms(2_000));
    assert!(quotas.admits_at(1, ms(2_000)) > ms(2_000));
}

#[test]
fn a_bucket_of_which_no_refill_was_told_is_full_again_in_a_minute() {
    let now = ms(0);
    // A date in whole seconds that has just passed says nothing about the refill.
    for (remaining, is_date) in [(600, false), (599, true)] {
        let quota = Announced { precision: ms(1_000), is_date, ..bucket(600, remaining, 0) };
        let mut quotas = Quotas::default();
        hear(&mut quotas, &quota, 1, 0.0, now);
        quotas.refused(None, &[], now);
        check_admits(&quotas, 1, now, 100);
        check_admits(&quotas, 600, now, 60_000);
    }
    // A small one is not slower than one unit in its reset.
    let mut quotas = Quotas::default();
    hear(&mut quotas, &bucket(2, 2, 500), 1, 0.0, now);
    quotas.refused(None, &[], now);
    check_admits(&quotas, 1, now, 1_000);
}

#[test]
fn answers_that_find_a_small_bucket_full_let_one_after_the_other_go() {
    let mut quotas = Quotas::default();
    for (order, now) in (0..50).map(|order| (order, ms(order))) {
        check_admits(&quotas, 1, now, order);
        quotas.reserve(1, now);
        quotas.finish(1);
        quotas.settle(1, None, now);
        hear(&mut quotas, &Announced { unit: Unit::Requests, ..bucket(2, 2, 1_000) }, order, 0.0, now);
    }
}

#[test]
fn one_goes_in_each_longest_time_whatever_is_announced() {
    let century = 100 * 365 * 86_400_000;
    for quota in [bucket(10, 0, century), window(10, 0, century), window(u64::MAX, 0, u64::MAX)] {
        let mut quotas = Quotas::default();
        hear(&mut quotas, &quota, 1, f64::INFINITY, ms(0));
        check_admits(&quotas, 1, ms(0), 120_000);
        quotas.reserve(1, ms(120_000));
        check_admits(&quotas, 1, ms(120_000), 240_000);
        quotas.refused(Some(Duration::MAX), &[], ms(120_000));
        check_admits(&quotas, 1, ms(120_000), 240_000);
    }
}

#[test]
fn a_quota_is_forgotten_a_minute_after_its_reset_or_ten_after_its_use() {
    let mut quotas = Quotas::default();
    hear(&mut quotas, &window(10, 0, 5_000), 1, 0.0, ms(0));
    assert!(quotas.is_known(ms(64_999)));
    assert!(!quotas.is_known(ms(65_000)));
    hear(&mut quotas, &window(10, 0, 9_999_999), 2, 0.0, ms(100_000));
    assert!(quotas.is_known(ms(699_999)));
    assert!(!quotas.is_known(ms(700_000)));
    quotas.reserve(1, ms(700_000));
    assert!(quotas.known.is_none());
}

#[test]
fn another_limit_replaces_the_known_one() {
    let mut quotas = Quotas::default();
    hear(&mut quotas, &bucket(100, 0, 10_000), 1, 0.0, ms(0));
    hear(&mut quotas, &bucket(50, 40, 10_000), 2, 0.0, ms(0));
    check_admits(&quotas, 30, ms(0), 0);
    check_admits(&quotas, 45, ms(0), 6_000);
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![0..20_u64, 0..100_000_u64, Just(u64::MAX), any::<u64>()]
}

proptest! {
    #[test]
    fn nothing_that_is_announced_panics_or_holds_for_longer(
        steps in prop::collection::vec(
            (any::<bool>(), prop::option::of(numbers()), numbers(), numbers(), 0..30_u64, any::<f64>(), 0..100_000_u64),
            1..40,
        ),
    ) {
        let (mut quotas, mut now, mut last) = (Quotas::default(), ms(0), ms(0));
        for (full_again, limit, remaining, reset, order, in_flight, gap) in steps {
            let means = if full_again { Means::FullAgain } else { Means::WindowEnds };
            let quota = Announced { name: order % 3, ..announced(means, limit, remaining, reset) };
            let sent_at = now.saturating_sub(ms(gap / 2));
            if !quotas.is_known(now) {
                last = now;
            }
            quotas.hear(&quota, Source { order, sent_at, in_flight_after: in_flight }, Quotas::LONGEST, now);
            let at = quotas.admits_at(remaining as u32, now);
            prop_assert!(now <= at && at <= now.max(last + Quotas::LONGEST));
            if order % 2 == 0 {
                quotas.reserve(limit.unwrap_or_default() as u32, now);
                last = now;
            }
            if order % 5 == 0 {
                quotas.refused(Some(ms(reset)), &[quota], now);
                quotas.settle(9, Some(reset as u32), now);
                quotas.finish(u32::MAX);
                quotas.give_back(u32::MAX, now);
            }
            now += ms(gap);
        }
    }
}
