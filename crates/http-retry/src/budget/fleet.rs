//! A budget that the members of a fleet share.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::Budget;
use super::bucket::Bucket;
use super::purse::Purse;
use crate::fleet::{Id, PurseReport, StoreEvent, StoreRequest};

impl Budget {
    /// Shares this budget with those of the same name in a fleet. `id` is [`Store::id`](crate::fleet::Store::id) of the fleet's
    /// store. The result has a new bucket, which it does not share with earlier clones, and the settings of before: set them
    /// first. A budget of gRPC's `retryThrottling` stays the member's own.
    ///
    /// The budget borrows tokens from the store ahead of time, so that no resend waits for it, and reports what successes
    /// earned. Of settings that differ between members, the lowest count. While the store does not answer, the budget spends
    /// what it has borrowed, and then the member's part of the minimum and of its own successes.
    pub fn fleet(self, name: &str, id: impl Fn(&[u8]) -> Id) -> Self {
        let settings = self.bucket.settings();
        if settings.throttles {
            return self;
        }
        Self { bucket: Arc::new(Bucket::of_fleet(settings, id(name.as_bytes()))) }
    }

    /// Creates a budget for another fleet, or for the first one, that goes on from what this one knows, as
    /// [`fleet`](Self::fleet) does for a new one. The store begins with no more tokens than this budget knows to be left, unless it
    /// knows of fewer.
    pub fn moved_to_fleet(&self, name: &str, id: impl Fn(&[u8]) -> Id, now: Duration) -> Self {
        let settings = self.bucket.settings();
        if settings.throttles {
            return self.clone();
        }
        let bucket = Bucket::of_fleet(settings, id(name.as_bytes()));
        Self { bucket: Arc::new(bucket.begin_at(self.bucket.left(now), now)) }
    }

    /// Creates a budget of this process alone that goes on with the tokens that this one knows to be left.
    pub fn moved_to_no_fleet(&self, now: Duration) -> Self {
        let bucket = Bucket::new(self.bucket.settings());
        Self { bucket: Arc::new(bucket.begin_at(self.bucket.left(now), now)) }
    }

    /// Returns the next request to the store, if one is due.
    pub fn next_store_request(&self, now: Duration) -> Option<StoreRequest> {
        self.bucket.purse()?.next_request(now)
    }

    /// Returns when the next request to the store is due, if any is. The budget wakes `waker` if one is due earlier.
    pub fn next_store_request_at(&self, waker: Option<&Waker>) -> Option<Duration> {
        self.bucket.purse()?.next_request_at(waker)
    }

    /// Takes in an event of the store. An answer to a request that the budget did not make counts for nothing, but that of a
    /// [`Join`](crate::fleet::StoreCommand::Join) tells the number of members.
    pub fn on_store_event(&self, event: &StoreEvent, now: Duration) {
        if let Some(purse) = self.bucket.purse() {
            purse.on_event(event, now);
        }
    }

    /// Describes this member's part of the budget, if a fleet shares it.
    pub fn purse_report(&self) -> Option<PurseReport> {
        self.bucket.purse().map(Purse::report)
    }

    /// Returns whether there are other handles of this budget, so that a resend may take a token.
    #[doc(hidden)]
    pub fn has_other_handles(&self) -> bool {
        Arc::strong_count(&self.bucket) > 1
    }

    /// Gives all borrowed tokens back, because this member leaves the fleet. The request for that is due at once.
    pub fn leave_fleet(&self) {
        if let Some(purse) = self.bucket.purse() {
            purse.leave();
        }
    }
}
