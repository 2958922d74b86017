//! Free, paced or stopped: when the next request of a key may go, and what is learned from the answers.

mod claim_test;
#[cfg(feature = "fleet")]
mod fleet;
mod measure;
mod moment;
mod outcomes;
mod recent;
mod standstill;
mod windows;

use std::num::NonZeroU32;
use std::time::Duration;

pub(super) use self::moment::{Moment, Refused, Slot};
use self::recent::Recent;
use self::windows::margin;
use super::Why;
use super::constants::{CALLS_OF_GAP, CALM, FORGOTTEN, GAP, ROUNDS_OF_OPENING, SHORTEST_ROUND, TICK};
use super::early_probe::EarlyProbe;
use super::lazy_box::LazyBox;
use super::learned_limit::LearnedLimit;
use super::nanos::Nanos;
use super::opening::Opening;
use super::row::Row;
use super::share::Share;
use super::stop::Stop;
use super::window::Window;

/// The rule of one key.
#[derive(Debug)]
pub(super) struct RateController {
    share: Share,
    recent: LazyBox<Recent>,
    stop: Option<Box<Stop>>,
    opening: Option<Box<Opening>>,
    /// The first refusals of an opening or a search, while what was in flight with them is not known.
    settling: Option<Box<Settling>>,
    limit: Option<Box<LearnedLimit>>,
    /// What is known of a limit that may be a window. While it is claimed to be one, the limit of a rate does not count.
    window: Option<Box<Window>>,
    /// The time at which a limit was first known or looked for.
    paced_at: Nanos,
    sent_at: Nanos,
    /// The stops until now.
    stops: u32,
    early: EarlyProbe,
    /// The longest of the precise hints, in nanoseconds. They are shorter than a second.
    slot_hint: Option<NonZeroU32>,
    /// The number of refused calls that had one.
    slot_hints: u8,
    /// The hint of the last refusal for the key, or 0.
    hint: Nanos,
    /// The number of calls that went through at once before the limit was met.
    burst: f32,
    /// `true` if nothing was sent for a while since the limit was last met, so that it may have been full in between.
    has_gap: bool,
    /// `true` if the claim of a limit was dropped, and the other members have not heard of it.
    #[cfg(feature = "fleet")]
    has_dropped: bool,
}

/// The first refusals of an opening or a search, whose crowd is not known yet.
#[derive(Debug)]
struct Settling {
    from: Nanos,
    /// The time at which what was in flight is known.
    at: Nanos,
    /// The first send that may belong to the burst that met the limit.
    burst_from: u64,
}

impl RateController {
    pub(super) fn new(slow_start: bool, now: Duration) -> Self {
        Self {
            share: Share::new(),
            recent: LazyBox::default(),
            stop: None,
            opening: slow_start.then(|| Opening::slow_start(now).into()),
            settling: None,
            limit: None,
            window: None,
            paced_at: Nanos::MAX,
            sent_at: Nanos::ZERO,
            stops: 0,
            early: EarlyProbe::default(),
            slot_hint: None,
            slot_hints: 0,
            hint: Nanos::ZERO,
            burst: 0.0,
            has_gap: false,
            #[cfg(feature = "fleet")]
            has_dropped: false,
        }
    }

    /// Returns whether nothing holds anybody, and nothing has to be watched.
    pub(super) fn is_free(&self) -> bool {
        self.stop.is_none()
            && self.opening.is_none()
            && self.limit.is_none()
            && self.window_claim().is_none()
            && self.share.is_quiet()
            && self.recent.row.count() == 0
    }

    /// Frees what helps only within seconds, after the key was not used for a while.
    pub(super) fn release_rested(&mut self, now: Duration) {
        if let Some(recent) = self.recent.present_mut() {
            recent.forget(now);
        }
        self.recent.release();
        self.share.release_rested(now);
        self.release_window();
    }

    /// Returns whether a limit is known, or is being looked for.
    pub(super) fn is_paced(&self) -> bool {
        self.limit.is_some() || self.opening.is_some() || self.window_claim().is_some()
    }

    /// Brings the state to now. `used_at` is the time of the call before.
    pub(super) fn advance(&mut self, moment: &Moment, used_at: Duration) {
        let now = moment.now;
        if now.saturating_sub(used_at) > FORGOTTEN && moment.waiting == 0 {
            *self = Self { stops: self.stops, ..Self::new(false, now) };
        }
        let base = self.share.base();
        if moment.part != 1.0 {
            self.drop_window(moment);
        }
        let is_window = self.window_claim().is_some();
        if let Some(limit) = &mut self.limit {
            let is_held =
                self.stop.is_some() || self.opening.is_some() || self.settling.is_some() || is_window;
            limit.advance(moment.waiting > 0 && !is_held, base, self.hint.get(), moment, round(moment));
        }
        if let Some(settling) = self.settling.take_if(|settling| settling.at.get() <= now) {
            // Nobody may have called for a long time since.
            self.settle(&settling, &Moment { now: settling.at.get(), ..*moment });
        }
        if !is_window && self.limit.as_ref().is_some_and(|limit| limit.next() > now) {
            // What was saved is used up.
            self.opening.take_if(|opening| opening.passed_count() > 0.0);
        }
        // After a rest, what stopped the key or met its limit is over.
        let has_rested = now > self.sent_at.get().saturating_add(CALM);
        let is_over = |opening: &mut Box<Opening>| {
            opening.rounds() >= ROUNDS_OF_OPENING || has_rested && opening.stopped_since().is_some()
        };
        if moment.waiting == 0
            && let Some(opening) = self.opening.take_if(is_over)
        {
            self.end_opening(&opening, moment);
        }
    }

    /// Returns when the next request may go.
    pub(super) fn slot(&self, moment: &Moment) -> Slot {
        let now = moment.now;
        if let Some(stop) = &self.stop {
            let at = stop.next_probe();
            if at > now {
                return Slot { at, why: Why::Stopped, probe: Some(stop.number()) };
            }
            if stop.wants_probe(moment.waiting) {
                return Slot { at: now, why: Why::Probe, probe: Some(stop.number()) };
            }
            let heard = stop.probed_at().unwrap_or(now).saturating_add(moment.patience);
            return Slot { at: heard.max(now + TICK), why: Why::Probe, probe: None };
        }
        let mut slot = Slot { at: now, why: Why::Rate, probe: None };
        if let Some(limit) = self.limit.as_ref().filter(|_| self.window_claim().is_none()) {
            slot.at = if limit.lets_beyond(moment) { now } else { limit.next() };
        }
        if let Some(window) = &self.window {
            slot.at = slot.at.max(window.next(moment, margin(moment)));
        }
        if let Some(opening) = &self.opening
            && !opening.has_room(moment.unknown, moment.sends.saturating_add(moment.waiting as u64))
        {
            let at = now + moment.patience;
            let why = if opening.stopped_since().is_some() { Why::Rate } else { Why::SlowStart };
            if at > slot.at {
                slot = Slot { at: at.max(now + TICK), why, probe: None };
            }
        }
        if let Some(settling) = &self.settling {
            slot.at = slot.at.max(settling.at.get());
        }
        slot
    }

    /// Records a send.
    pub(super) fn sent(&mut self, ordinal: u64, is_probe: bool, moment: &Moment) {
        let now = moment.now;
        self.sent_in_window(ordinal, moment);
        let gap = self.limit.as_ref().map_or(0.0, |limit| CALLS_OF_GAP / limit.rate());
        if now > self.sent_at.get().saturating_add(GAP.max(Duration::from_secs_f64(gap))) {
            self.has_gap = true;
        }
        if now > self.sent_at.get().saturating_add(CALM)
            && let Some(recent) = self.recent.present_mut()
        {
            // What was refused before a rest says nothing of the calls after it.
            recent.row = Row::default();
        }
        self.sent_at = now.into();
        if let Some(stop) = self.stop.as_mut().filter(|_| is_probe) {
            stop.probed(ordinal, now);
        } else if let Some(limit) = &mut self.limit {
            limit.sent();
        }
    }

    /// Returns whether a call that left then tried for more than the limit is known to serve.
    pub(super) fn is_trial(&self, sent_at: Duration) -> bool {
        self.is_paced() && sent_at >= self.paced_at.get()
    }

    /// Returns whether nothing was served since the refusal of this send.
    pub(super) fn is_in_row(&self, previous: Option<u64>) -> bool {
        self.recent.row.has(previous)
    }

    /// Returns when a request may go again that was sent so often, while a server that is unwell serves nothing.
    pub(super) fn backs_off_until(&self, previous: Option<u64>, attempts: u32) -> Duration {
        self.recent.row.backs_off_until(previous, attempts)
    }

    /// Returns whether nothing had been sent for so long before a call left that the limit had been full for a while, or the
    /// claim of a limit was dropped since.
    pub(super) fn was_full(&self, sent_at: Duration) -> bool {
        match &self.limit {
            Some(limit) => limit.full_at() == sent_at,
            None => self.opening().is_some_and(Opening::is_tolerant),
        }
    }

    /// Returns whether refusals without a hint nearly mean a limit.
    pub(super) fn nearly_means_limit(&self, now: Duration) -> bool {
        self.share.means_limit(2.0, now)
    }

    pub(super) fn short_share(&self) -> f64 {
        self.share.short()
    }

    pub(super) fn long_share(&self) -> f64 {
        self.share.long()
    }

    /// Returns whether all are stopped, so that a permit of before is void.
    pub(super) fn is_stopped(&self, now: Duration) -> bool {
        self.stop_ref().is_some_and(|stop| stop.until() > now)
    }

    pub(super) fn stop_ref(&self) -> Option<&Stop> {
        self.stop.as_deref()
    }

    pub(super) fn limit(&self) -> Option<&LearnedLimit> {
        self.limit.as_deref()
    }

    pub(super) fn base(&self) -> f64 {
        self.share.base()
    }

    pub(super) fn opening(&self) -> Option<&Opening> {
        self.opening.as_deref()
    }
}

/// The time in which a search doubles its rate: a refusal is heard within it.
fn round(moment: &Moment) -> Duration {
    (moment.refusal_time * 6 / 5).max(SHORTEST_ROUND)
}

/// Calls that left within this time of each other may reach the server in another order.
fn spread(moment: &Moment) -> Duration {
    moment.refusal_time
}

#[cfg(test)]
mod tests;
