//! A pace that shares its limits with the other members of a fleet.

use std::task::Waker;
use std::time::Duration;

use super::seam::Seam;
use super::{Pace, Ticket};
use crate::RequestHead;
use crate::fleet::{Id, SharedKeyReport, SlotCounts, StoreEvent, StoreRequest, UnreachableReason};

impl Pace {
    /// Shares the limits of this pace with the paces of the same name in a fleet. `id` is [`Store::id`](crate::fleet::Store::id)
    /// of the fleet's store. A `lease` is from 50 ms to 2 s, and 200 ms serve most.
    ///
    /// A key without a refusal or a quota goes as without a fleet. For others, the pace makes
    /// [requests](Self::next_store_request) and hears [events](Self::on_store_event); a request of a caller never waits for the
    /// store if the member's own share would let it go. All members must come to the same bytes for a key: the kinds that are built
    /// in do, and [`per`](Self::per) does for text, bytes and whole numbers, and what is made of them.
    pub fn fleet(
        self,
        name: &str,
        lease: Duration,
        id: impl Fn(&[u8]) -> Id + Send + Sync + 'static,
    ) -> Self {
        self.table.move_to_fleet(Some((name, lease, Box::new(id))), Duration::ZERO);
        self
    }

    /// Moves this pace to another fleet, or from none to one, as [`fleet`](Self::fleet) does for a new one. It keeps what it knows:
    /// the requests that wait, the limits, and the times at which nobody sends. Until the store of the new fleet has
    /// answered for a key, the pace goes on alone at its share. Events of the fleet before must not come any more.
    pub fn move_to_fleet(
        &self,
        name: &str,
        lease: Duration,
        id: impl Fn(&[u8]) -> Id + Send + Sync + 'static,
        now: Duration,
    ) {
        self.table.move_to_fleet(Some((name, lease, Box::new(id))), now);
    }

    /// Takes this pace out of its fleet. It keeps what it knows, and learns what more the limit allows.
    pub fn move_to_no_fleet(&self, now: Duration) {
        self.table.move_to_fleet(None, now);
    }

    /// Returns the next request to the store, if one is due.
    pub fn next_store_request(&self, now: Duration) -> Option<StoreRequest> {
        self.table.next_store_request(now)
    }

    /// Returns when the next request to the store is due, if any is. The pace wakes `waker` if one is due earlier.
    pub fn next_store_request_at(&self, waker: Option<&Waker>) -> Option<Duration> {
        self.table.next_store_request_at(waker)
    }

    /// Takes in an event of the store. An answer to a request that the pace did not make counts for nothing, but that of a
    /// [`Join`](crate::fleet::StoreCommand::Join) tells the number of members.
    pub fn on_store_event(&self, event: &StoreEvent, now: Duration) {
        self.table.on_store_event(event, now);
    }

    /// Gives all slots back, because this member leaves the fleet. The requests for that are due at once.
    pub fn leave_fleet(&self, now: Duration) {
        self.table.leave_fleet(now);
    }

    /// Returns why the store does not answer, or `None` while it does.
    pub fn store_unreachable(&self) -> Option<UnreachableReason> {
        self.table.seam().and_then(Seam::reason)
    }

    /// Describes the keys that the fleet shares, at most `most` of them. The keys that were used last come first.
    pub fn shared_reports(&self, now: Duration, most: usize) -> Vec<SharedKeyReport> {
        self.table.shared_reports(now, most)
    }

    /// Returns what the slots and probes of this member came to.
    pub fn slot_counts(&self) -> SlotCounts {
        self.table.seam().map(|seam| seam.counts.read()).unwrap_or_default()
    }

    /// Returns the id of a ticket's key in the store, if a request of the key came lately.
    pub fn id_of_key(&self, ticket: &Ticket) -> Option<Id> {
        self.table.seam()?.id_of(ticket.key)
    }

    /// Notes the id of a key that a request has.
    pub(super) fn note_key(&self, key: u64, head: &RequestHead<'_>) {
        let Some(seam) = self.table.seam() else {
            return;
        };
        let news = seam.note(key, self.table.settings().keys, || self.key_bytes(head));
        if let Some((news, at)) = news {
            if let Some(id) = seam.id_of(key) {
                self.table.hear_news(key, id, &news, at);
            }
        }
    }
}
