//! A pace or a budget of a member that the fleet shares.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use http_retry::Budget;
use http_retry::fleet::{SlotCounts, StoreEvent, StoreRequest};

use super::{FleetBudgetReport, FleetPaceReport};
use crate::lock::lock;
use crate::pace::SharedPace;

/// A pace or a budget, with its name.
pub(super) struct User {
    name: String,
    kind: Kind,
    /// `true` once it knows whether the store answers.
    is_greeted: AtomicBool,
    has_left: AtomicBool,
    /// `true` once it belongs to another member. The lock is held while it is called, so that nothing of this member's store comes
    /// after that.
    is_let_go: Mutex<bool>,
}

enum Kind {
    Pace(SharedPace),
    Budget(Budget),
}

impl User {
    pub(super) fn pace(name: &str, pace: SharedPace) -> Self {
        Self::new(name, Kind::Pace(pace))
    }

    pub(super) fn budget(name: &str, budget: Budget) -> Self {
        Self::new(name, Kind::Budget(budget))
    }

    fn new(name: &str, kind: Kind) -> Self {
        let (is_greeted, has_left) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { name: name.to_owned(), kind, is_greeted, has_left, is_let_go: Mutex::new(false) }
    }

    /// Returns whether this is the first call.
    pub(super) fn greet(&self) -> bool {
        !self.is_greeted.swap(true, Relaxed)
    }

    /// Returns whether it is this pace.
    pub(super) fn is_pace(&self, pace: &SharedPace) -> bool {
        matches!(&self.kind, Kind::Pace(own) if own.is_same(pace))
    }

    /// Lets it go to another member.
    pub(super) fn let_go(&self) {
        *lock(&self.is_let_go) = true;
    }

    /// Keeps it from being let go during a call. Returns `None` once it has been.
    fn hold(&self) -> Option<MutexGuard<'_, bool>> {
        Some(lock(&self.is_let_go)).filter(|is_let_go| !**is_let_go)
    }

    pub(super) fn next_request(&self, now: Duration) -> Option<StoreRequest> {
        let _held = self.hold()?;
        match &self.kind {
            Kind::Pace(pace) => pace.pace.next_store_request(now),
            Kind::Budget(budget) => budget.next_store_request(now),
        }
    }

    pub(super) fn next_request_at(&self, waker: Option<&Waker>) -> Option<Duration> {
        let _held = self.hold()?;
        match &self.kind {
            Kind::Pace(pace) => pace.pace.next_store_request_at(waker),
            Kind::Budget(budget) => budget.next_store_request_at(waker),
        }
    }

    pub(super) fn on_event(&self, event: &StoreEvent, now: Duration) {
        let Some(_held) = self.hold() else { return };
        match &self.kind {
            Kind::Pace(pace) => pace.pace.on_store_event(event, now),
            Kind::Budget(budget) => budget.on_store_event(event, now),
        }
    }

    /// Gives back what it has in hand. Returns whether this is the first call.
    pub(super) fn leave(&self, now: Duration) -> bool {
        let Some(_held) = self.hold() else { return false };
        match &self.kind {
            Kind::Pace(pace) => pace.pace.leave_fleet(now),
            Kind::Budget(budget) => budget.leave_fleet(),
        }
        !self.has_left.swap(true, Relaxed)
    }

    /// Returns whether all layers with it were dropped.
    pub(super) fn is_unused(&self) -> bool {
        match &self.kind {
            Kind::Pace(pace) => Arc::strong_count(&pace.pace) == 1,
            Kind::Budget(budget) => !budget.has_other_handles(),
        }
    }

    pub(super) fn slot_counts(&self) -> SlotCounts {
        match &self.kind {
            Kind::Pace(pace) => pace.pace.slot_counts(),
            Kind::Budget(_) => SlotCounts::default(),
        }
    }

    pub(super) fn pace_report(&self, now: Duration, most: usize) -> Option<FleetPaceReport> {
        match &self.kind {
            Kind::Pace(pace) => {
                let keys = pace.pace.shared_reports(now, most);
                Some(FleetPaceReport { name: self.name.clone(), keys })
            }
            Kind::Budget(_) => None,
        }
    }

    pub(super) fn budget_report(&self) -> Option<FleetBudgetReport> {
        match &self.kind {
            Kind::Pace(_) => None,
            Kind::Budget(budget) => {
                let purse = budget.purse_report()?;
                Some(FleetBudgetReport { name: self.name.clone(), purse })
            }
        }
    }
}
