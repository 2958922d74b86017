//! What is promised.

use retry_bench::Case;

use crate::report::{Measure, Promise};

/// What is promised of a measure in a case.
pub(crate) fn of(measure: Measure, case: &str) -> Option<Promise> {
    let is_promised = |row: &&Row| row.0 == measure && row.1 == case;
    PROMISES.iter().find(is_promised).map(|row| row.2)
}

type Row = (Measure, &'static str, Promise);

/// The names of cases that are no [`Case`].
pub(crate) const FUTURE: &str = "GET";
pub(crate) const WAITING: &str = "100,000 wait, read by hyper";
pub(crate) const WAITING_OWN_URI: &str = "100,000 wait, targets written anew";
pub(crate) const MILLION: &str = "1,000,000 wait, read by hyper";
pub(crate) const MILLION_OWN_URI: &str = "1,000,000 wait, targets written anew";
pub(crate) const BUDGET_1: &str = "withdraw and deposit, 1 thread";
pub(crate) const BUDGET_2: &str = "withdraw and deposit, 2 threads";
pub(crate) const FULL_1: &str = "deposit into a full one, 1 thread";
pub(crate) const FULL_2: &str = "deposit into a full one, 2 threads";
pub(crate) const REST: &str = "pace at rest, one key";
pub(crate) const REST_1: &str = "pace at rest, one key, 1 thread";
pub(crate) const REST_2: &str = "pace at rest, one key, 2 threads";
pub(crate) const UNPACED: &str = "without a pace";

const PROMISES: &[Row] = &[
    (Measure::Instructions, Case::Get12.name(), Promise::OfTower(0.65)),
    (Measure::Instructions, Case::Get30.name(), Promise::OfTower(0.30)),
    (Measure::Instructions, Case::Owned.name(), Promise::OfTower(0.30)),
    (Measure::Instructions, Case::Once.name(), Promise::AtMost(100.0)),
    (Measure::Time, Case::Get12.name(), Promise::OfTower(0.45)),
    (Measure::Time, Case::Resend.name(), Promise::OfTower(1.6)),
    (Measure::Allocations, Case::Get4.name(), Promise::AtMost(0.0)),
    (Measure::Allocations, Case::Get12.name(), Promise::AtMost(0.0)),
    (Measure::Allocations, Case::Get30.name(), Promise::AtMost(0.0)),
    (Measure::Allocations, Case::Owned.name(), Promise::AtMost(0.0)),
    (Measure::Allocations, Case::Post.name(), Promise::AtMost(0.0)),
    (Measure::Allocations, Case::Once.name(), Promise::AtMost(0.0)),
    (Measure::Sleeps, Case::Resend.name(), Promise::AtMost(0.0)),
    (Measure::FutureBytes, FUTURE, Promise::AtMost(280.0)),
    (Measure::WaitingBytes, WAITING, Promise::AtMost(1_800.0)),
    (Measure::WaitingBytes, WAITING_OWN_URI, Promise::AtMost(1_800.0)),
    (Measure::Gigabytes, MILLION, Promise::AtMost(2.5)),
    (Measure::Gigabytes, MILLION_OWN_URI, Promise::AtMost(2.5)),
    (Measure::BudgetTime, BUDGET_2, Promise::AtMost(100.0)),
    (Measure::BudgetTime, FULL_2, Promise::AtMost(20.0)),
    (Measure::PaceAllocations, REST, Promise::AtMost(0.0)),
    (Measure::PaceTime, REST_1, Promise::AtMost(250.0)),
    (Measure::PaceThreads, REST, Promise::AtMost(1.2)),
];
