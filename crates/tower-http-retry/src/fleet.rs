//! Several processes that share one limit and one retry budget, through a store.
//!
//! A *member* is one process, and the *fleet* is all of them. A [`Fleet`] is the member's handle: it makes the paces and
//! budgets that are shared, and a task of its own moves their requests to the store, and its answers and news back. Layers and
//! futures know nothing of it. No request waits for the store longer than the store's own timeout, and a member without a store goes
//! on with its share of what it knows.
//!
//! The store is `http_retry_redis::connect("redis://..", "prod")?`, or a [`Memory`] in tests.
//!
//! ```
//! use http::Request;
//! use tower_http_retry::fleet::{Fleet, FleetState, Memory};
//! use tower_http_retry::{Budget, Pace, RetryLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let memory = Memory::new();
//! let fleet = Fleet::new(memory.connect());
//! let layer = RetryLayer::default()
//!     .pace(fleet.pace("api", Pace::per_credential()))
//!     .budget(fleet.budget("api", Budget::default()));
//!
//! tokio::task::yield_now().await;
//! assert_eq!(fleet.state(), FleetState::Joined);
//! assert_eq!(fleet.report(20).members, 1);
//!
//! // Before the process ends: the slots and tokens that it has in hand go back.
//! fleet.leave().await;
//! # let _: RetryLayer<_, tower_http_retry::markers::Concrete, _> = layer;
//! # }
//! ```
//!
//! # What is shared
//!
//! | what | between whom |
//! |---|---|
//! | the rate of a key, the times at which no member sends, and the probe after them | all members with a pace of the same name, for each key |
//! | the tokens of a budget | all members with a budget of the same name |
//!
//! A key without a refusal or a quota is not shared: its requests go at once, and the store is not asked. Heads,
//! bodies, credentials and queues are never shared. All members name the same limits for a budget; where they differ, the lowest
//! count.
//!
//! # What happens when
//!
//! | what | the member |
//! |---|---|
//! | the store does not answer in time, or is gone | is [alone](FleetState::Alone): it goes on at its share of the rate, one request at a time, and spends the tokens that it has borrowed and then its part of the minimum |
//! | the store answers again | joins again, and reports what it sent meanwhile |
//! | the process ends without [`leave`](Fleet::leave) | its slots and tokens in hand are lost, and the others take its share within 2 s |
//! | the task of the fleet ends with its runtime, or the program has no runtime | is alone for good, with [`UnreachableReason::Closed`] |
//!
//! # Cancel safety
//!
//! A dropped [`Fleet::leave`] goes on in the background. Dropping all handles of a fleet, with all layers that have its paces and
//! budgets, leaves the fleet as well.

mod driver;
mod moves;
mod open;
mod report;
mod shared;
mod user;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_retry::{Budget, Pace};
use tokio::runtime::Handle;

use self::driver::Driver;
pub use self::report::{FleetBudgetReport, FleetCounts, FleetEvent, FleetPaceReport, FleetReport};
use self::shared::Shared;
use self::user::User;
use crate::pace::SharedPace;
use crate::timer::{self, TokioTimer};
pub use http_retry::fleet::{
    Id, Memory, MemorySnapshot, MemoryStore, PurseReport, SharedKeyReport, SlotCounts, Store,
    UnreachableReason,
};

/// A member's handle of its fleet. Clones are handles of the same member. The [module](self) has an example.
///
/// The member joins with its first pace or budget, in a task of tokio that runs until all handles, paces and budgets of the
/// fleet are dropped.
#[derive(Clone)]
pub struct Fleet {
    shared: Arc<Shared>,
    lease: Duration,
}

/// The state of a member: does the store answer it?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FleetState {
    /// The store has not answered yet.
    Joining,
    /// The store answers.
    Joined,
    /// The store does not answer, for this reason. The member goes on with what it knows, at its own share of each rate.
    Alone(UnreachableReason),
}

impl FleetState {
    /// Returns the state as one lower-case word, as logs, `/status` and metrics show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Joined => "joined",
            Self::Alone(_) => "alone",
        }
    }
}

impl fmt::Display for FleetState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Fleet {
    /// Creates the handle of a member with this store. It does not wait for the store.
    pub fn new(store: impl Store + 'static) -> Self {
        Self { shared: Arc::new(Shared::new(Arc::new(store))), lease: LEASE }
    }

    /// Sets how long ahead slots are taken, from 50 ms to 2 s, for paces that are made afterwards. The default is 200 ms: what
    /// a member knows of the others is at most that old.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// Sets the function that is called at each [`FleetEvent`], before the first pace or budget is made. A second function is left
    /// out. It is called in the task of the fleet, so it must not block.
    #[must_use]
    pub fn observe(self, observe: impl Fn(&FleetEvent) + Send + Sync + 'static) -> Self {
        self.shared.observe(Box::new(observe));
        self
    }

    /// Shares the limits of a pace with the paces of this name in the fleet. Its layers must have the clock of
    /// [`TokioTimer`], which is the default.
    pub fn pace(&self, name: &str, pace: Pace) -> SharedPace {
        let store = self.shared.store();
        let pace = SharedPace::from(pace.fleet(name, self.lease, move |key| store.id(key)));
        self.add(User::pace(name, pace.clone()));
        pace
    }

    /// Shares a budget with the budgets of this name in the fleet. Its settings are those of `budget`, and its tokens are the
    /// fleet's. A budget of gRPC's `retryThrottling` stays the member's own.
    pub fn budget(&self, name: &str, budget: Budget) -> Budget {
        let store = self.shared.store();
        let budget = budget.fleet(name, |key| store.id(key));
        self.add(User::budget(name, budget.clone()));
        budget
    }

    /// Returns whether the store answers this member.
    pub fn state(&self) -> FleetState {
        self.shared.state()
    }

    /// Describes the member, with at most `most` keys of each of its paces. They are the keys that were used last.
    pub fn report(&self, most: usize) -> FleetReport {
        self.shared.report(timer::monotonic(&TokioTimer), most)
    }

    /// Leaves the fleet: slots and tokens in hand go back to the store, and the others take this member's share. It waits for the
    /// store's answer for at most a second. Requests that the member still has go on, and it does not join again.
    pub async fn leave(&self) {
        self.shared.leave().await;
    }

    fn add(&self, user: User) {
        if let Some(alone) = self.shared.add(user) {
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(Driver::new(alone).run())),
                Err(_) => drop(Driver::new(alone)),
            }
        }
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// A request that comes rarely does not wait longer for what other members do, and the store is asked five times a second.
const LEASE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
