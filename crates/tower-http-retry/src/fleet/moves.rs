//! Paces and budgets that move to another fleet, to the first one or to none, with what they know.

use http_retry::Budget;

use super::Fleet;
use super::user::User;
use crate::pace::SharedPace;
use crate::timer::{self, TokioTimer};

impl Fleet {
    /// Shares the limits of a pace that was `from` another fleet, or from none, under this name. All handles of the pace go on with
    /// what it knows: the requests that wait, the limits, and the times at which nobody sends. Until the store has answered for
    /// a key, the pace sends that key's requests at its share of the limit.
    ///
    /// The slots in hand of the fleet before are lost to its other members.
    pub fn move_pace(&self, from: Option<&Self>, name: &str, pace: &SharedPace) {
        if let Some(from) = from {
            from.shared.let_go(pace);
        }
        let (store, now) = (self.shared.store(), timer::monotonic(&TokioTimer));
        pace.pace.move_to_fleet(name, self.lease, move |key| store.id(key), now);
        self.add(User::pace(name, pace.clone()));
    }

    /// Shares a budget under this name that goes on from what `budget` knows, which may be that of another fleet. What is borrowed
    /// there goes back once all handles of `budget` are dropped.
    pub fn move_budget(&self, name: &str, budget: &Budget) -> Budget {
        let store = self.shared.store();
        let budget = budget.moved_to_fleet(name, |key| store.id(key), timer::monotonic(&TokioTimer));
        self.add(User::budget(name, budget.clone()));
        budget
    }

    /// Lets a pace go on alone with what it knows, and shares its limits no more.
    pub fn release_pace(&self, pace: &SharedPace) {
        self.shared.let_go(pace);
        pace.pace.move_to_no_fleet(timer::monotonic(&TokioTimer));
    }

    /// Returns a budget of this process alone that goes on from what `budget` of this fleet knows.
    pub fn release_budget(&self, budget: &Budget) -> Budget {
        budget.moved_to_no_fleet(timer::monotonic(&TokioTimer))
    }
}
