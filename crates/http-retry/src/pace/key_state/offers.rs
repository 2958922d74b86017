//! The requests that are offered the next slot, and their order.

use std::time::Duration;

use super::{Context, KeyState};
use crate::pace::constants::{ALL_CANDIDATES, LONGEST_WAIT, MOST_PROBED, PASS_ON, TICK, WOKEN};
use crate::pace::rate_controller::Slot;
use crate::pace::wakers::Wakers;

impl KeyState {
    /// Returns the time from which the next slot is offered. A slot that no request took stays as old as it is.
    pub(super) fn offered_from(&mut self, slot: &Slot, now: Duration) -> Duration {
        let from = if slot.at > now {
            slot.at
        } else {
            self.traffic.offered.map_or(now, |offered| offered.get().min(now))
        };
        self.traffic.offered = Some(from.into());
        from
    }

    /// Returns how many others are offered the slot before this request, if it is one of the next.
    pub(super) fn rank(&self, number: u64, slot: &Slot) -> Option<u32> {
        let position = self.traffic.queue.position(number).and_then(|position| u32::try_from(position).ok());
        if slot.probe.is_none() {
            return position;
        }
        let prober = self.prober();
        if prober == Some(number) {
            return Some(0);
        }
        let before = prober
            .and_then(|prober| self.traffic.queue.position(prober))
            .and_then(|place| u32::try_from(place).ok());
        position.map(
            |position| if before.is_some_and(|before| before < position) { position } else { position + 1 },
        )
    }

    /// Returns when a request polls by itself that is not among the next ones. The first to come poll first, so that one of
    /// them takes a slot that none of the next requests takes. Few of a long queue poll for a slot.
    pub(super) fn next_look(&self, number: u64, slot: &Slot, now: Duration) -> Duration {
        let first = self.traffic.queue.front().next().unwrap_or(number);
        let before = u32::try_from(number.saturating_sub(first)).unwrap_or(u32::MAX).max(ALL_CANDIDATES);
        slot.at.max(now).saturating_add(PASS_ON.saturating_mul(before).min(LONGEST_WAIT))
    }

    /// Returns the request that is the next probe: one that was sent least often, or, so that a refusal of all first
    /// attempts is found out, each second time the one that was sent most often.
    pub(super) fn prober(&self) -> Option<u64> {
        let refused = self.control.stop_ref().map_or(0, |stop| stop.refused());
        let queue = &self.traffic.queue;
        let sent_before = (refused % 2 == 1).then(|| queue.most_attempts_below(MOST_PROBED)).flatten();
        sent_before.or_else(|| queue.fewest_attempts())
    }

    /// Returns the cost of the request that is next. The others wait for its slot, however little they cost.
    pub(super) fn first_cost(&self) -> Option<u32> {
        let first = self.traffic.queue.front().next()?;
        self.traffic.queue.get(first).map(|waiter| waiter.cost)
    }

    /// Wakes those of the next requests that would poll too late.
    pub(super) fn offer(&mut self, context: Context<'_>, wakers: &mut Wakers) {
        if self.traffic.queue.is_empty() {
            return;
        }
        self.traffic.queue.promote(context.now);
        let Some(cost) = self.first_cost() else {
            return;
        };
        let slot = self.slot(cost, context);
        let offered = self.offered_from(&slot, context.now);
        let prober = slot.probe.and_then(|_| self.prober());
        let front = self.traffic.queue.front().filter(|number| Some(*number) != prober);
        // The rate grows while requests wait, so a later slot comes a little earlier with each poll. If that woke the others each
        // time, their polls would bring it forward again, without end.
        let since_woken = context.now.saturating_sub(self.traffic.woken_at.get());
        let is_just_woken = !since_woken.is_zero() && since_woken < WOKEN;
        for (rank, number) in prober.into_iter().chain(front).enumerate() {
            let at = offered.saturating_add(PASS_ON * rank as u32);
            let Some(waiter) = self.traffic.queue.get_mut(number) else {
                continue;
            };
            let is_little = at > context.now && waiter.armed < at + TICK;
            if waiter.armed > at.max(context.now) && !(is_little && is_just_woken) {
                // It polls at once, and is told when to poll again.
                waiter.armed = context.now;
                wakers.wake(waiter.waker.take());
                if is_little {
                    self.traffic.woken_at = context.now.into();
                }
            }
        }
    }
}
