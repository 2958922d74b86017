//! A member describes itself and its fleet, for `/status`, metrics and logs.

use std::time::Duration;

use http_retry::fleet::{PurseReport, SharedKeyReport, SlotCounts, UnreachableReason};

use super::FleetState;

/// The state of a member: the result of [`Fleet::report`](super::Fleet::report).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FleetReport {
    /// The state of the member: does the store answer?
    pub state: FleetState,
    /// The time for which it has been so.
    pub since: Duration,
    /// The number of members, as the store last said it. It is 0 before its first answer.
    pub members: u32,
    /// The layout of entries that all members speak, or 0 before the first answer.
    pub layout: u32,
    /// The counters of this member.
    pub counts: FleetCounts,
    /// The shared paces, with the keys that were used last.
    pub paces: Vec<FleetPaceReport>,
    /// The shared budgets.
    pub budgets: Vec<FleetBudgetReport>,
}

/// A shared pace.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FleetPaceReport {
    /// The name of the pace.
    pub name: String,
    /// The keys that were used last.
    pub keys: Vec<SharedKeyReport>,
}

/// A shared budget.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FleetBudgetReport {
    /// The name of the budget.
    pub name: String,
    /// This member's part of it.
    pub purse: PurseReport,
}

/// The counters of a member. They only rise.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FleetCounts {
    /// The requests to the store, by script: `lease`, `publish`, `settle` and `join`.
    pub asks: Vec<(&'static str, u64)>,
    /// The times at which the store became unreachable, by reason. A reason that has not come yet is not in it.
    pub lost: Vec<(UnreachableReason, u64)>,
    /// The news that this member heard, its own included, by kind: `quiet`, `announced`, `opened` and `probing`.
    pub news: Vec<(&'static str, u64)>,
    /// The slots and probes of all paces.
    pub slots: SlotCounts,
}

impl FleetCounts {
    /// Returns the number of requests to the store.
    pub fn asks_total(&self) -> u64 {
        self.asks.iter().map(|(_, count)| count).sum()
    }

    /// Returns the number of times at which the store did not answer in time.
    pub fn timeouts(&self) -> u64 {
        self.lost
            .iter()
            .filter(|(reason, _)| *reason == UnreachableReason::Timeout)
            .map(|(_, count)| count)
            .sum()
    }

    /// Returns the number of pieces of news that this member heard.
    pub fn news_total(&self) -> u64 {
        self.news.iter().map(|(_, count)| count).sum()
    }
}

/// An event of a member, for [`Fleet::observe`](super::Fleet::observe).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FleetEvent {
    /// The state of the member has changed.
    #[non_exhaustive]
    Changed {
        /// The state from now on.
        state: FleetState,
        /// The time for which the state before lasted.
        after: Duration,
        /// The number of members, as the store last said it, or 0.
        members: u32,
    },
    /// The store has answered a request.
    #[non_exhaustive]
    Answered {
        /// The script: `lease`, `publish`, `settle` or `join`.
        script: &'static str,
        /// The time from the request to the answer.
        took: Duration,
    },
}

/// Adds one to the counter of a name.
pub(super) fn count<T: PartialEq>(counters: &mut Vec<(T, u64)>, name: T) {
    match counters.iter_mut().find(|(other, _)| *other == name) {
        Some((_, count)) => *count += 1,
        None => counters.push((name, 1)),
    }
}
