//! The state of one key: it joins the queue, the sends in flight, the rule and the quotas.

mod admission;
mod answers;
mod faults;
#[cfg(feature = "fleet")]
mod fleet;
mod late;
#[cfg(feature = "fleet")]
mod leased_slots;
#[cfg(feature = "fleet")]
mod lone_search;
mod offers;
mod report;
#[cfg(feature = "fleet")]
mod told_limit;

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::at_a_time::AtATime;
use super::by_attempt::ByAttempt;
use super::constants::{FORGOTTEN, LONGEST_WAIT};
use super::evidence;
use super::in_flight::Acquitted;
use super::key_entry::KeyEntry;
use super::lazy_box::LazyBox;
use super::nanos::Nanos;
use super::rate_controller::{Moment, RateController, Slot};
use super::refusal_time::RefusalTime;
use super::stop::Stop;
use super::ticket::Previous;
use super::traffic::Traffic;
use super::wakers::Wakers;
use super::{PaceRejection, PaceSettings, Permit, Why};
use crate::ResponseHead;

/// The state of one key, behind its lock.
#[derive(Debug)]
pub(super) struct KeyState {
    traffic: LazyBox<Traffic>,
    refusal_time: RefusalTime,
    control: RateController,
    at_a_time: AtATime,
    by_attempt: LazyBox<ByAttempt>,
    /// The first send that was watched. Sends before it left while the key was free.
    watched_from: u64,
    /// The sends of the group that count as those of this key.
    late_seen: u64,
    /// The time of the last call.
    now: Nanos,
    #[cfg(feature = "fleet")]
    lease: Option<Box<super::seam::LeaseState>>,
}

/// The data that a call of the key needs besides its state.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) entry: &'a KeyEntry,
    pub(super) settings: &'a PaceSettings,
    pub(super) now: Duration,
    #[cfg(feature = "fleet")]
    pub(super) seam: Option<&'a super::seam::Seam>,
}

/// The answer to a poll.
#[derive(Debug)]
pub(super) enum PollAnswer {
    Go { ordinal: u64, probe: Option<u32>, others: u32 },
    Wait { until: Duration, why: Why },
    Rejected(PaceRejection),
}

/// A send whose outcome is reported.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentCall {
    pub(super) ordinal: u64,
    pub(super) sent_at: Duration,
    pub(super) cost: u32,
    pub(super) probe: Option<u32>,
    pub(super) probes: u32,
    pub(super) is_reserved: bool,
    pub(super) is_late: bool,
    pub(super) attempts: u32,
    pub(super) others: u32,
    /// The first and the last attempt of the same request before.
    pub(super) first: u64,
    pub(super) previous: Option<Previous>,
}

impl SentCall {
    pub(super) fn of(permit: &Permit) -> Self {
        let Permit { ordinal, sent_at, cost, probe, is_reserved, is_late, .. } = *permit;
        let Permit { attempts, others, first, previous, probes, .. } = *permit;
        Self {
            ordinal,
            sent_at,
            cost,
            probe,
            probes,
            is_reserved,
            is_late,
            attempts,
            others,
            first,
            previous,
        }
    }
}

/// The answer of a head, as far as the key is concerned, while the key is free.
pub(super) fn is_plainly_served(head: &ResponseHead<'_>) -> bool {
    evidence::is_plainly_served(head)
}

impl KeyState {
    pub(super) fn new(settings: &PaceSettings, now: Duration) -> Self {
        Self {
            traffic: LazyBox::default(),
            refusal_time: RefusalTime::default(),
            control: RateController::new(settings.slow_start, now),
            at_a_time: AtATime::default(),
            by_attempt: LazyBox::default(),
            watched_from: 0,
            late_seen: 0,
            now: now.into(),
            #[cfg(feature = "fleet")]
            lease: None,
        }
    }

    pub(super) fn is_free(&self) -> bool {
        self.traffic.queue.is_empty()
            && self.control.is_free()
            && !self.at_a_time.is_known()
            && !self.traffic.refused_again.is_plain()
            && !self.traffic.quotas.is_known(self.now.get())
    }

    /// Returns the number of requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.traffic.queue.len()
    }

    /// Records that the key is free. The answers to what was reserved until now are not heard, so it does not count any more.
    pub(super) fn became_free(&mut self, sends: u64) {
        if let Some(traffic) = self.traffic.present_mut() {
            traffic.quotas.none_in_flight();
            traffic.reserved_from = sends;
        }
    }

    /// Frees the memory of what the key does not need while it is at rest: no call is in flight, and no request waits.
    pub(super) fn release(&mut self) {
        self.traffic.release_parts();
    }

    /// Frees what the key does not need after it was at rest for a while.
    pub(super) fn release_rested(&mut self, now: Duration) {
        self.traffic.release_rested(now);
        self.control.release_rested(now);
        self.at_a_time.release_rested();
        self.by_attempt.reset();
    }

    /// Returns whether nothing is lost if the key is forgotten.
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        self.traffic.queue.is_empty() && !self.control.is_stopped(now)
    }

    /// Takes a request out of the queue.
    pub(super) fn leave(&mut self, number: u64, context: Context<'_>, wakers: &mut Wakers) {
        self.advance(context);
        wakers.discard(self.traffic.queue.remove(number).and_then(|waiter| waiter.waker));
        self.offer(context, wakers);
    }

    #[cfg(test)]
    pub(super) fn in_flight_of_quotas(&self) -> (u64, u64) {
        self.traffic.quotas.in_flight()
    }

    /// Returns whether a permit may still be used: all may have been stopped since.
    pub(super) fn still_valid(&self, call: &SentCall, now: Duration) -> bool {
        call.probe.is_some() || !self.control.is_stopped(now)
    }

    /// Brings the state to now: silence acquits sends.
    fn advance(&mut self, context: Context<'_>) {
        if context.now.saturating_sub(self.now.get()) > FORGOTTEN && self.traffic.queue.is_empty() {
            (self.at_a_time, self.by_attempt) = (AtATime::default(), LazyBox::default());
            if let Some(traffic) = self.traffic.present_mut() {
                traffic.at_fault = VecDeque::new();
            }
        }
        let used_at = self.now.get();
        self.now = self.now.max(context.now.into());
        while let Some(Acquitted { ordinal, beside, is_resend }) = self.next_acquitted(context.now) {
            self.note_served(ordinal, is_resend);
            self.at_a_time.passed_beside(ordinal, beside);
            self.control.was_silent(ordinal, &self.moment(context));
        }
        let moment = self.moment(context);
        if let Some(since) = self.at_a_time.forget_if_closed(self.in_flight(context.entry)) {
            self.control.stop_since(since, &moment);
        }
        #[cfg(feature = "fleet")]
        self.tidy_lease(context);
        self.control.advance(&moment, used_at);
    }

    #[cfg(not(feature = "fleet"))]
    fn part_of_limit(&self) -> f64 {
        1.0
    }

    #[cfg(not(feature = "fleet"))]
    fn part_of_load(&self) -> f64 {
        1.0
    }

    #[cfg(not(feature = "fleet"))]
    fn is_limit_of_all(&self) -> bool {
        false
    }

    fn next_acquitted(&mut self, now: Duration) -> Option<Acquitted> {
        let (patience, traffic) = (self.refusal_time.patience(), self.traffic.present_mut()?);
        traffic.in_flight.next_acquitted(patience, now)
    }

    fn pass(&mut self, ordinal: u64, context: Context<'_>) {
        let moment = self.moment(context);
        self.control.passed(ordinal, &moment);
    }

    fn moment(&self, context: Context<'_>) -> Moment {
        Moment {
            now: context.now,
            waiting: self.traffic.queue.due_len(),
            queued: self.traffic.queue.len(),
            unknown: self.traffic.in_flight.unknown(),
            refusal_time: self.refusal_time.get(),
            patience: self.refusal_time.patience(),
            longest: context.settings.longest,
            sends: context.entry.sends.load(Relaxed),
            burst_from: context.entry.burst_from(),
            part: self.part_of_limit(),
            part_of_load: self.part_of_load(),
        }
    }

    /// Returns the time before which no request goes but the one that probes a stop, if the next slot is known to come then.
    fn opens_at(&self, slot: &Slot) -> Option<Duration> {
        match slot.why {
            Why::Stopped => self.control.stop_ref().map(Stop::until),
            Why::Quota => Some(slot.at),
            _ => None,
        }
    }

    /// Returns when the next request may go, one of this cost.
    fn slot(&self, cost: u32, context: Context<'_>) -> Slot {
        let now = context.now;
        let slot = self.control.slot(&self.moment(context));
        #[cfg(feature = "fleet")]
        let slot = self.leased_slot(slot, now);
        if slot.why == Why::Stopped || slot.why == Why::Probe {
            return slot;
        }
        if !self.at_a_time.has_room(self.in_flight(context.entry)) {
            return Slot { at: now + LONGEST_WAIT, why: Why::AtATime, probe: None };
        }
        let by_quota = self.traffic.quotas.admits_at(cost, now);
        if self.traffic.quotas.is_known(now) {
            let why = if by_quota > now { Why::Quota } else { slot.why };
            return Slot { at: by_quota, why, probe: None };
        }
        slot
    }
}
