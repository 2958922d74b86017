//! The answer to a request that asks whether it may go: it goes, it waits in the queue, or it is rejected.

use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;
use std::time::Duration;

use super::{Context, KeyState, PollAnswer, Previous};
use crate::pace::constants::{ALL_CANDIDATES, INSTANT, PASS_ON};
use crate::pace::nanos::Nanos;
use crate::pace::opening::Opening;
use crate::pace::rate_controller::Slot;
use crate::pace::suspects::NewRequest;
use crate::pace::wait_queue::Waiter;
use crate::pace::wakers::Wakers;
use crate::pace::{PaceRejection, Ticket, Why, room};

impl KeyState {
    /// Answers a request that asks whether it may go. `has_room` says whether one more may wait, over all keys.
    /// `waker` is taken if the request waits.
    pub(in crate::pace) fn poll(
        &mut self,
        ticket: &mut Ticket,
        has_room: bool,
        waker: &mut Option<Waker>,
        context: Context<'_>,
        wakers: &mut Wakers,
    ) -> PollAnswer {
        let now = context.now;
        self.advance(context);
        let is_queued = ticket.queued.is_some();
        if is_queued && self.traffic.queue.get(ticket.number).is_none() {
            // The queue was full, and it was the newest of the tenant that had the most.
            ticket.opens_at = self.opens_at(&self.slot(ticket.cost, context)).map(Nanos::from);
            return PollAnswer::Rejected(PaceRejection::Full);
        }
        if !self.traffic.queue.is_empty() {
            self.traffic.queue.promote(now);
            self.traffic.queue.polled(ticket.number);
        }
        if !is_queued {
            let previous = ticket.previous.map(Previous::ordinal);
            ticket.not_before =
                ticket.not_before.max(self.control.backs_off_until(previous, ticket.attempts));
        }
        let ends_before = |time: Duration| ticket.deadline.is_some_and(|deadline| deadline < time);
        let cost = self.first_cost().unwrap_or(ticket.cost);
        let slot = self.slot(cost, context);
        let opens_at = self.opens_at(&slot);
        if ends_before(now.max(ticket.not_before)) || opens_at.is_some_and(ends_before) {
            ticket.opens_at = opens_at.map(Nanos::from);
            wakers.discard(self.traffic.queue.remove(ticket.number).and_then(|waiter| waiter.waker));
            self.offer(context, wakers);
            return PollAnswer::Rejected(PaceRejection::TooLong);
        }
        let is_own = ticket.not_before > now;
        if !is_queued && !is_own && slot.at <= now && self.traffic.queue.due_len() == 0 {
            return self.go(ticket, slot, context, wakers);
        }
        if !is_queued {
            let len = self.traffic.queue.len();
            if !room::make(&mut self.traffic.queue, ticket.tenant, has_room, context.settings, wakers) {
                ticket.opens_at = opens_at.map(Nanos::from);
                return PollAnswer::Rejected(PaceRejection::Full);
            }
            if self.traffic.queue.len() < len {
                self.offer(context, wakers);
            }
            self.join(ticket, now);
        }
        if is_own {
            return self.wait(ticket, ticket.not_before, Why::OwnHint, waker, context, wakers);
        }
        let before = self.traffic.offered.map(Nanos::get);
        let offered = self.offered_from(&slot, now);
        let is_earlier = before.is_none_or(|before| offered < before);
        let Some(rank) = self.rank(ticket.number, &slot) else {
            if slot.at <= now && offered.saturating_add(PASS_ON * ALL_CANDIDATES) <= now {
                // None of the next requests is polled.
                self.traffic.queue.pass_over_front();
                return self.go(ticket, slot, context, wakers);
            }
            let why = if slot.why == Why::Rate { Why::Turn } else { slot.why };
            let until = self.next_look(ticket.number, &slot, now);
            let answer = self.wait(ticket, until, why, waker, context, wakers);
            if is_earlier && self.control.opening().is_some_and(Opening::is_slow_start) {
                // This request is one more that came, so that one more may go.
                self.offer(context, wakers);
            }
            return answer;
        };
        let at = offered.saturating_add(PASS_ON * rank);
        if at <= now {
            return self.go(ticket, slot, context, wakers);
        }
        let answer = self.wait(ticket, at, slot.why, waker, context, wakers);
        if is_earlier {
            // The others do not know it yet.
            self.offer(context, wakers);
        }
        answer
    }

    fn join(&mut self, ticket: &Ticket, now: Duration) {
        let Ticket { number, tenant, cost, not_before, attempts, .. } = *ticket;
        let (waker, armed) = (None, Duration::MAX);
        let waiter = Waiter { number, tenant, cost, not_before, attempts, waker, armed };
        self.traffic.queue.join(waiter, now);
    }

    fn wait(
        &mut self,
        ticket: &Ticket,
        until: Duration,
        why: Why,
        waker: &mut Option<Waker>,
        context: Context<'_>,
        wakers: &mut Wakers,
    ) -> PollAnswer {
        let until = ticket.deadline.map_or(until, |deadline| until.min(deadline.saturating_add(INSTANT)));
        let until = until.max(context.now + INSTANT);
        if let Some(waiter) = self.traffic.queue.get_mut(ticket.number) {
            waiter.armed = until;
            wakers.discard(std::mem::replace(&mut waiter.waker, waker.take()));
        }
        PollAnswer::Wait { until, why }
    }

    fn go(&mut self, ticket: &Ticket, slot: Slot, context: Context<'_>, wakers: &mut Wakers) -> PollAnswer {
        let ordinal = context.entry.sends.fetch_add(1, Relaxed);
        self.traffic.offered = None;
        if let Some(prober) = slot.probe.and_then(|_| self.prober()).filter(|prober| *prober != ticket.number)
        {
            // It was offered the probe for long enough.
            self.traffic.queue.pass_over(prober);
        }
        if !self.traffic.queue.is_empty() {
            let taken = match slot.probe {
                Some(_) => self.traffic.queue.take_probe(ticket.number),
                None => self.traffic.queue.take(ticket.number),
            };
            wakers.discard(taken.and_then(|waiter| waiter.waker));
        }
        let others = self.in_flight(context.entry).saturating_sub(1);
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        let (is_resend, spread) = (ticket.attempts > 0, self.refusal_time.get());
        if !is_resend {
            let known_until = self.traffic.in_flight.oldest_unknown().unwrap_or(ordinal);
            self.traffic.refused_again.sent(NewRequest { ordinal, known_until, beside: others });
        }
        self.traffic.in_flight.sent(ordinal, context.now, is_resend, others, spread);
        let moment = self.moment(context);
        self.control.sent(ordinal, slot.probe.is_some(), &moment);
        #[cfg(feature = "fleet")]
        self.sent_in_lease(slot.probe.is_some(), context);
        self.traffic.quotas.reserve(ticket.cost, context.now);
        self.offer(context, wakers);
        PollAnswer::Go { ordinal, probe: slot.probe, others }
    }
}
