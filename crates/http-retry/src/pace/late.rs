//! Keys of two parts. The second part may be known only after the send.

use std::hash::Hasher;
use std::num::NonZeroU64;
use std::time::Duration;

use super::groups::Groups;
#[cfg(feature = "fleet")]
use super::seam::KeyBytes;
use super::{Pace, PaceSettings, Permit, Settlement, Ticket};
use crate::{ClockReading, RequestHead, ResponseHead};

/// Writes the second part of a key. Returns whether it is known.
pub(super) type RestOf = dyn Fn(&RequestHead<'_>, &mut dyn Hasher) -> bool + Send + Sync;

impl Pace {
    /// Creates a pace in which requests share a limit if both functions write the same for them, as with
    /// [`per_written`](Self::per_written) for the one after the other. `rest` returns `false` while what it should write is not
    /// known, as a field in the request's body, and then writes the same for all requests.
    ///
    /// The ticket of such a request [is late](Ticket::is_late). While no request with the same first part has to wait, whatever
    /// its second part is, [`admit_free`](Self::admit_free) admits it: no key is short then, so its own makes no difference.
    /// [`settle_late`](Self::settle_late) asks for the key if the answer tells something of a limit. To [`poll`](Self::poll),
    /// a late request has the key that is written for it as it is.
    pub fn per_parts(
        first: impl Fn(&RequestHead<'_>, &mut dyn Hasher) + Send + Sync + 'static,
        rest: impl Fn(&RequestHead<'_>, &mut dyn Hasher) -> bool + Send + Sync + 'static,
    ) -> Self {
        let pace = Self::per_written(first);
        let settings = PaceSettings { has_parts: true, ..*pace.table.settings() };
        Self { rest: Some(Box::new(rest)), table: pace.table.with(settings), ..pace }
    }

    /// Creates a ticket for [`admit_free`](Self::admit_free), with fewer instructions than [`ticket`](Self::ticket): while no key
    /// may hold anybody, the second part of a key and the tenant make no difference. Then they are not asked for, and the ticket
    /// [is late](Ticket::is_late). A request that is not admitted needs a whole ticket.
    #[inline]
    pub fn free_ticket(&self, head: &RequestHead<'_>, now: Duration) -> Ticket {
        let may_matter = self.rest.is_none() || self.table.may_hold_any(now) || self.table.is_in_fleet();
        let group = if may_matter { None } else { NonZeroU64::new(self.group_of(head)) };
        match group {
            Some(group) => Ticket { late: Some(group), ..Ticket::new(group.get(), 0, self.cost_of(head)) },
            None => self.ticket(head),
        }
    }

    /// Returns the hash of the first part of a request's key.
    #[inline]
    fn group_of(&self, head: &RequestHead<'_>) -> u64 {
        let mut hasher = self.hasher.clone();
        self.key.hash(head, &mut hasher);
        hasher.finish()
    }

    /// Returns the hash of a request's key. If only the first part of the key is known, the hash of that comes with it.
    #[inline]
    pub(super) fn key_of(&self, head: &RequestHead<'_>) -> (u64, Option<NonZeroU64>) {
        let mut hasher = self.hasher.clone();
        self.key.hash(head, &mut hasher);
        let group = hasher.finish();
        let Some(rest) = &self.rest else {
            return (group, None);
        };
        let is_known = rest(head, &mut hasher);
        let late = if is_known { None } else { NonZeroU64::new(group) };
        (Groups::key_in(group, hasher.finish()), late)
    }

    /// Returns the bytes of a request's key, which are the same in all processes of a fleet.
    #[cfg(feature = "fleet")]
    pub(super) fn key_bytes(&self, head: &RequestHead<'_>) -> Vec<u8> {
        let mut bytes = self.key.bytes(head);
        if let Some(rest) = &self.rest {
            let mut more = KeyBytes::default();
            rest(head, &mut more);
            bytes.extend(more.into_vec());
        }
        bytes
    }

    /// Returns whether a late request would have to wait if its key were one that may hold requests back: a key with
    /// the same first part is stopped, has a queue or a limit, has had a refusal in the last seconds, or has less than a tenth
    /// left of an announced quota. The key is worth reading before the request is sent then. The answer may be `true` for the
    /// sake of another first part, because few bits of a hash tell them apart. The clock is read only if any key has ever held
    /// a request back.
    pub fn may_hold(&self, head: &RequestHead<'_>, now: impl FnOnce() -> Duration) -> bool {
        if self.table.none_has_held() {
            return false;
        }
        let now = now();
        if !self.table.may_hold_any(now) {
            return false;
        }
        self.table.may_hold(self.group_of(head), now)
    }

    /// Gives a late request its key, which is now known: `named` is a new ticket of the same request. It is for a resend after
    /// a send that had no answer.
    pub fn name(&self, ticket: &mut Ticket, named: &Ticket) {
        ticket.set_key(named);
    }

    /// Reports the head of the answer to a request that may be late, as [`settle`](Self::settle) does. If it is late and the
    /// answer tells something of a limit, `name` is called, and returns a new ticket of the same request, whose key is now
    /// known. The answer is booked under that key, which `ticket` carries from then on.
    pub fn settle_late(
        &self,
        ticket: &mut Ticket,
        permit: Permit,
        head: &ResponseHead<'_>,
        name: impl FnOnce() -> Ticket,
        clock: impl FnOnce() -> ClockReading,
    ) -> Settlement {
        match permit.is_late {
            false => self.settle(permit, head, clock),
            true => self.table.settle_late(permit, ticket, head, name, clock),
        }
    }
}
