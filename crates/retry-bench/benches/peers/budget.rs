//! What a deposit and a withdrawal take, alone and with another thread at the same budget.

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use http_retry::RetryCost;
use retry_bench::Subject;
use tower::retry::budget::{Budget as _, TpsBudget};
use tower_http_retry::Budget;

use crate::promise;
use crate::report::{Measure, Report, median};

/// Nanoseconds that a thread needs for an operation. A withdrawal and a deposit are two.
///
/// Both budgets earn a token for each token, so that neither ever refuses. Tower's reads the clock for each operation; ours
/// is given the time, which its caller has read for the whole decision.
pub(crate) fn measure(report: &mut Report, rounds: usize) {
    let cases = [
        (promise::BUDGET_1, 1, true),
        (promise::BUDGET_2, 2, true),
        (promise::FULL_1, 1, false),
        (promise::FULL_2, 2, false),
    ];
    for (name, threads, withdraws) in cases {
        let tower = Arc::new(TpsBudget::new(Duration::from_secs(10), 10, 1.0));
        let ours = Budget::percent(100);
        let [mut of_tower, mut of_ours] = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            let (tower, ours) = (Arc::clone(&tower), ours.clone());
            of_tower.push(operation(threads, withdraws, move || {
                let is_paid = !withdraws || black_box(&*tower).withdraw();
                black_box(&*tower).deposit();
                assert!(is_paid, "it earns what it spends");
            }));
            of_ours.push(operation(threads, withdraws, move || {
                if withdraws {
                    let token = black_box(&ours).withdraw(RetryCost::ONE, black_box(Duration::from_secs(1)));
                    token.expect("it earns what it spends").commit();
                }
                black_box(&ours).deposit();
            }));
        }
        let [of_tower, of_ours] = [median(of_tower), median(of_ours)];
        report.row(Measure::BudgetTime, name, |subject| match subject {
            Subject::Ours => Some(of_ours),
            Subject::Tower => Some(of_tower),
            _ => None,
        });
    }
}

/// The time of the slowest thread. Each has a handle of its own, as services have: one that lay beside what another thread
/// writes would be waited for, and not the budget.
fn operation<F: Fn() + Clone + Send>(threads: usize, are_two: bool, operate: F) -> f64 {
    let start = Barrier::new(threads);
    let run = |operate: F| {
        start.wait();
        let started = Instant::now();
        (0..TIMES).for_each(|_| operate());
        started.elapsed().as_nanos() as f64
    };
    let slowest = thread::scope(|scope| {
        let handles = (1..threads).map(|_| operate.clone());
        let others: Vec<_> = handles.map(|operate| scope.spawn(|| run(operate))).collect();
        let others = others.into_iter().map(|other| other.join().expect("it does not panic"));
        others.fold(run(operate.clone()), f64::max)
    });
    slowest / TIMES as f64 / if are_two { 2.0 } else { 1.0 }
}

/// Long enough that the threads meet: one that wakes up late would find nobody there.
const TIMES: u64 = 100_000;
