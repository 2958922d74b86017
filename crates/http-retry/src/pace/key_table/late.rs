//! The requests that are sent before their key is known.

use std::num::NonZeroU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::KeyTable;
use crate::pace::groups::Groups;
use crate::pace::key_state::{SentCall, is_plainly_served};
use crate::pace::{Permit, Settlement, Ticket, entry_cache};
use crate::{ClockReading, ResponseHead};

impl KeyTable {
    /// Admits a late request, unless a key of its group may hold it. The group's entry counts it.
    pub(super) fn admit_late(&self, group: NonZeroU64, ticket: &mut Ticket, now: Duration) -> Option<Permit> {
        if self.has_news(now) || !self.groups.as_ref()?.admits(group.get(), now) {
            return None;
        }
        let entry = self.entry(group.get(), now)?;
        if self.settings.slow_start && entry.in_flight() > 0 {
            entry_cache::release(entry);
            return None;
        }
        // The entry counts sends, and holds nobody itself.
        entry.is_free.store(true, Relaxed);
        Some(Permit { is_late: true, ..entry.send_free(ticket, now) })
    }

    /// Returns whether no group can hold a late request, whatever the time is.
    #[inline]
    pub(in crate::pace) fn none_has_held(&self) -> bool {
        let holds = |groups: &Groups| self.settings.slow_start || !groups.none_has_held();
        !self.groups.as_ref().is_some_and(holds) && !self.is_in_fleet()
    }

    /// Returns whether a late request of any group may have to wait. This is cheap.
    #[inline]
    pub(in crate::pace) fn may_hold_any(&self, now: Duration) -> bool {
        let Some(groups) = &self.groups else {
            return false;
        };
        self.settings.slow_start || groups.any_holds(now) || self.has_news(now)
    }

    /// Returns whether a late request of this group may have to wait once its key is known.
    pub(in crate::pace) fn may_hold(&self, group: u64, now: Duration) -> bool {
        let Some(groups) = &self.groups else {
            return false;
        };
        self.has_news(now)
            || groups.holds(group, now)
            || self.settings.slow_start && self.entry(group, now).is_some_and(|entry| entry.in_flight() > 0)
    }

    /// Returns whether a fleet has told something lately of a key that no request here has had yet.
    #[cfg(feature = "fleet")]
    fn has_news(&self, now: Duration) -> bool {
        self.seam().is_some_and(|seam| seam.has_unknown_news(now))
    }

    #[cfg(feature = "fleet")]
    #[inline]
    pub(in crate::pace) fn is_in_fleet(&self) -> bool {
        self.seam().is_some()
    }

    #[cfg(not(feature = "fleet"))]
    #[inline]
    pub(in crate::pace) fn is_in_fleet(&self) -> bool {
        false
    }

    #[cfg(not(feature = "fleet"))]
    fn has_news(&self, _: Duration) -> bool {
        false
    }

    /// Takes in the answer to a late request. Only if the answer may change something, `name` is called, and returns a ticket
    /// with the request's key.
    pub(in crate::pace) fn settle_late(
        &self,
        mut permit: Permit,
        ticket: &mut Ticket,
        head: &ResponseHead<'_>,
        name: impl FnOnce() -> Ticket,
        clock: impl FnOnce() -> ClockReading,
    ) -> Settlement {
        let Some(group) = permit.entry.take() else {
            return Settlement::default();
        };
        let is_plain = is_plainly_served(head);
        if is_plain && self.groups.as_ref().is_none_or(Groups::none_has_held) {
            group.settle_free();
            return Settlement::default();
        }
        // The clock and `name` are code of the caller, so they do not run under a lock.
        let reading = clock();
        let now = reading.monotonic;
        if is_plain && !self.may_hold(group.key, now) {
            group.settle_free();
            return Settlement::default();
        }
        ticket.set_key(&name());
        // A request that was served matters only to a key that may hold others.
        let entry = match is_plain {
            true => self.find(ticket.key).filter(|entry| !entry.is_free.load(Relaxed)),
            false => self.entry(ticket.key, now),
        };
        let Some(entry) = entry else {
            group.settle_free();
            return Settlement::default();
        };
        let context = self.context(&entry, now);
        let refused = entry.refused.load(Relaxed);
        let (settlement, call) = self.change(&entry, context.now, |state, wakers| {
            let call = state.adopt(SentCall::of(&permit), &group, &entry);
            (state.settle(&call, head, reading, context, wakers), call)
        });
        ticket.sent_before(call.ordinal, refused);
        settlement
    }
}
