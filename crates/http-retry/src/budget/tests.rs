#[cfg(feature = "fleet")]
mod fleet;

use std::sync::Barrier;
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::RetryCause;

const START: Duration = Duration::ZERO;

fn empty(budget: &Budget) {
    while let Some(token) = budget.withdraw(RetryCost::QUARTER, START) {
        token.commit();
    }
    assert_eq!(budget.tokens(), 0.0);
}

fn spend_all(budget: &Budget, cost: RetryCost, now: Duration) -> u32 {
    let mut sends = 0;
    while let Some(token) = budget.withdraw(cost, now) {
        token.commit();
        sends += 1;
    }
    sends
}

#[test]
fn the_ratio_is_exact_for_every_percentage() {
    for percent in [1, 10, 20, 33, 40, 60, 90, 100, 150] {
        let budget = Budget::percent(percent).min_per_second(0).capacity(10_000);
        empty(&budget);
        (0..1_000).for_each(|_| budget.deposit());
        assert_eq!(spend_all(&budget, RetryCost::ONE, START), percent * 10, "{percent} %");
    }
}

#[test]
fn the_minimum_accrues_by_the_millisecond_up_to_the_capacity() {
    let budget = Budget::percent(0).min_per_second(10);
    empty(&budget);
    assert_eq!(spend_all(&budget, RetryCost::ONE, Duration::from_millis(99)), 0);
    assert_eq!(spend_all(&budget, RetryCost::ONE, Duration::from_millis(100)), 1);
    assert_eq!(spend_all(&budget, RetryCost::ONE, Duration::from_secs(3_600)), 100);
}

#[test]
fn a_reading_older_than_the_newest_accrues_nothing() {
    let budget = Budget::percent(0).min_per_second(1).capacity(1);
    assert_eq!(spend_all(&budget, RetryCost::ONE, Duration::from_secs(50)), 1);
    assert_eq!(spend_all(&budget, RetryCost::ONE, Duration::from_secs(49)), 0);
    assert_eq!(spend_all(&budget, RetryCost::ONE, Duration::from_secs(51)), 1);
}

#[test]
fn the_minimum_accrues_across_the_wrap_of_the_milliseconds() {
    let wrap = Duration::from_millis(u64::from(u32::MAX));
    let budget = Budget::percent(0).min_per_second(1).capacity(1);
    assert_eq!(spend_all(&budget, RetryCost::ONE, wrap / 2), 1);
    assert_eq!(spend_all(&budget, RetryCost::ONE, wrap - Duration::from_millis(500)), 1);
    assert_eq!(spend_all(&budget, RetryCost::ONE, wrap + Duration::from_millis(400)), 0);
    assert_eq!(spend_all(&budget, RetryCost::ONE, wrap + Duration::from_millis(600)), 1);
    // A month without a withdrawal does not count as a late reading.
    assert_eq!(spend_all(&budget, RetryCost::ONE, wrap + Duration::from_secs(30 * 86_400)), 1);
}

#[test]
fn the_capacity_is_ten_seconds_of_the_minimum_but_at_least_a_hundred() {
    assert_eq!(Budget::percent(20).tokens(), 100.0);
    assert_eq!(Budget::percent(20).min_per_second(3).tokens(), 100.0);
    assert_eq!(Budget::percent(20).min_per_second(50).tokens(), 500.0);
    assert_eq!(Budget::percent(20).min_per_second(50).capacity(7).tokens(), 7.0);
    assert_eq!(Budget::percent(u32::MAX).min_per_second(u32::MAX).tokens(), 4_294_967.295);
}

#[test]
fn one_thread_fills_the_bucket_and_another_spends_all() {
    let budget = Budget::percent(100).min_per_second(0).capacity(5);
    empty(&budget);
    for tokens in [1, 2, 3, 4, 5, 5] {
        budget.deposit();
        assert_eq!(budget.tokens(), f64::from(tokens));
    }
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(spend_all(&budget, RetryCost::TWO, START), 2));
    });
    assert_eq!((budget.tokens(), spend_all(&budget, RetryCost::ONE, START)), (1.0, 1));
}

#[test]
fn a_withdrawal_outlives_the_handle_once_it_is_owned() {
    let budget = Budget::percent(0).min_per_second(0).capacity(2);
    let other = budget.clone();
    let spent = other.withdraw(RetryCost::ONE, START).unwrap().into_owned();
    let unspent = other.withdraw(RetryCost::ONE, START).unwrap().into_owned();
    drop(other);
    assert_eq!((budget.tokens(), unspent.cost()), (0.0, RetryCost::ONE));
    spent.commit();
    drop(unspent);
    assert_eq!(budget.tokens(), 1.0);
}

#[test]
fn an_unspent_withdrawal_goes_back() {
    let budget = Budget::percent(0).min_per_second(0).capacity(2);
    let token = budget.withdraw(RetryCost::TWO, START).unwrap();
    assert!(budget.withdraw(RetryCost::QUARTER, START).is_none());
    drop(token);
    assert_eq!(budget.tokens(), 2.0);
}

#[test]
fn clones_share_one_bucket_and_a_setter_starts_another() {
    let budget = Budget::percent(0).min_per_second(0).capacity(1);
    let clone = budget.clone();
    clone.withdraw(RetryCost::ONE, START).unwrap().commit();
    assert_eq!(budget.tokens(), 0.0);
    assert_eq!(budget.capacity(1).tokens(), 1.0);
}

#[test]
fn the_cost_follows_the_cause() {
    use RetryCause::*;
    for (cause, hinted, first, expected) in [
        (NeverSent, false, true, RetryCost::FREE),
        (NeverSent, false, false, RetryCost::FREE),
        (Unprocessed, false, true, RetryCost::QUARTER),
        (Unprocessed, false, false, RetryCost::ONE),
        (Throttled, true, true, RetryCost::QUARTER),
        (Throttled, true, false, RetryCost::QUARTER),
        (Throttled, false, true, RetryCost::ONE),
        (Transient, true, true, RetryCost::ONE),
        (Timeout, false, true, RetryCost::TWO),
    ] {
        assert_eq!(RetryCost::new(cause, hinted, first), expected, "{cause} {hinted} {first}");
    }
}

#[test]
fn sixteen_threads_never_overdraw() {
    const SUCCESSES: u32 = 5_000;
    for percent in [10, 20, 40, 60, 90] {
        let budget = Budget::percent(percent).min_per_second(0).capacity(1_000_000);
        empty_at_once(&budget);
        let start = Barrier::new(16);
        let sends: u32 = thread::scope(|scope| {
            let work = |_| {
                scope.spawn(|| {
                    start.wait();
                    let mut sends = 0;
                    for _ in 0..SUCCESSES {
                        budget.deposit();
                        if let Some(token) = budget.withdraw(RetryCost::ONE, START) {
                            token.commit();
                            sends += 1;
                        }
                    }
                    sends
                })
            };
            let threads: Vec<_> = (0..16).map(work).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let rest = spend_all(&budget, RetryCost::ONE, START);
        assert_eq!(sends + rest, 16 * SUCCESSES * percent / 100, "{percent} %");
    }
}

fn empty_at_once(budget: &Budget) {
    let all = RetryCost::from_thousandths(budget.bucket.thousandths());
    budget.withdraw(all, START).unwrap().commit();
}

#[derive(Clone, Debug)]
enum Event {
    Deposit,
    Spend(u32),
    Refund(u32),
    Tick(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        Just(Event::Deposit),
        (0..3_000_u32).prop_map(Event::Spend),
        (0..3_000_u32).prop_map(Event::Refund),
        (0..5_000_u64).prop_map(Event::Tick),
    ];
    prop::collection::vec(event, 0..200)
}

proptest! {
    /// The spent tokens never exceed the sum of the initial, earned and accrued ones.
    #[test]
    fn the_bucket_is_never_overdrawn(events in events(), percent in 0..200_u32, minimum in 0..20_u32, capacity in 0..50_u32) {
        let budget = Budget::percent(percent).min_per_second(minimum).capacity(capacity);
        let (mut now, mut spent, mut earned) = (0_u64, 0_u64, u64::from(capacity) * 1_000);
        for event in events {
            match event {
                Event::Tick(millis) => now += millis,
                Event::Deposit => {
                    budget.deposit();
                    earned += u64::from(percent) * 10;
                }
                Event::Spend(cost) => {
                    if let Some(token) = budget.withdraw(RetryCost::from_thousandths(cost), Duration::from_millis(now)) {
                        token.commit();
                        spent += u64::from(cost);
                    }
                }
                Event::Refund(cost) => {
                    drop(budget.withdraw(RetryCost::from_thousandths(cost), Duration::from_millis(now)));
                }
            }
            prop_assert!(spent <= earned + now * u64::from(minimum));
            prop_assert!(budget.tokens() <= f64::from(capacity));
        }
    }
}
