//! Tests of every interleaving of two or three threads. They run with `RUSTFLAGS="--cfg loom"`.

use loom::thread;

use super::*;

const START: Duration = Duration::ZERO;

fn empty(percent: u32) -> Budget {
    Budget::percent(percent).min_per_second(0).capacity(0)
}

fn budget_with(tokens: u32) -> Budget {
    empty(0).capacity(tokens)
}

#[test]
fn one_token_pays_for_one_of_two_resends() {
    loom::model(|| {
        let budget = budget_with(1);
        let other = budget.clone();
        let thread =
            thread::spawn(move || other.withdraw(RetryCost::ONE, START).map(Withdrawal::commit).is_some());
        let mine = budget.withdraw(RetryCost::ONE, START).map(Withdrawal::commit).is_some();
        let theirs = thread.join().unwrap();
        assert!(mine ^ theirs);
    });
}

#[test]
fn no_failure_is_lost() {
    loom::model(|| {
        let budget = Budget::new(BudgetSettings {
            reward: 1_000,
            min_per_second: 0,
            capacity: Some(3),
            throttles: true,
        });
        (0..2).for_each(|_| budget.bucket.fail());
        let other = budget.clone();
        let thread = thread::spawn(move || other.bucket.fail());
        budget.deposit();
        thread.join().unwrap();
        assert_eq!(budget.tokens(), 1.0);
    });
}

#[test]
fn no_deposit_is_lost() {
    loom::model(|| {
        let budget = Budget::percent(50).min_per_second(0).capacity(2);
        budget.withdraw(RetryCost::TWO, START).unwrap().commit();
        let other = budget.clone();
        let thread = thread::spawn(move || other.deposit());
        budget.deposit();
        thread.join().unwrap();
        assert_eq!(budget.tokens(), 1.0);
    });
}

#[test]
fn a_refund_beside_a_withdrawal_neither_loses_nor_doubles_a_token() {
    loom::model(|| {
        let budget = budget_with(2);
        let unsent = budget.withdraw(RetryCost::ONE, START).unwrap();
        let other = budget.clone();
        let thread = thread::spawn(move || other.withdraw(RetryCost::ONE, START).unwrap().commit());
        drop(unsent);
        thread.join().unwrap();
        assert_eq!(budget.tokens(), 1.0);
    });
}

#[test]
fn one_second_of_the_minimum_is_accrued_once() {
    loom::model(|| {
        let budget = Budget::percent(0).min_per_second(1).capacity(2);
        budget.withdraw(RetryCost::TWO, START).unwrap().commit();
        let other = budget.clone();
        let second = Duration::from_secs(1);
        let thread =
            thread::spawn(move || other.withdraw(RetryCost::ONE, second).map(Withdrawal::commit).is_some());
        let mine = budget.withdraw(RetryCost::ONE, second).map(Withdrawal::commit).is_some();
        assert!(mine ^ thread.join().unwrap());
    });
}
