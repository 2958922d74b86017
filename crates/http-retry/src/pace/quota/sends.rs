//! The sends of the last seconds, by time.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Source, finite};
use crate::pace::evidence::{Announced, Unit};

/// The sums of what was sent up to some moments. An answer tells the state of a quota after its own request, so the later
/// sends must be subtracted.
#[derive(Debug, Default)]
pub(super) struct Sends {
    marks: VecDeque<SendCount>,
    /// The latest mark for which there was no room.
    dropped: SendCount,
    requests: f64,
    units: f64,
    /// The shortest and the longest time from a send to its answer.
    fastest: Option<Duration>,
    slowest: Duration,
    answers: u32,
}

/// The sums after all sends of a moment and of the next milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct SendCount {
    at: Duration,
    requests: f64,
    units: f64,
}

impl Sends {
    /// Records a send.
    pub(super) fn record(&mut self, cost: u32, now: Duration) {
        self.requests += 1.0;
        self.units += f64::from(cost);
        let is_new = self.marks.back().is_none_or(|last| now.saturating_sub(last.at) >= RESOLUTION);
        if is_new {
            if self.marks.len() >= MAX_MARKS {
                self.dropped = self.marks.pop_front().unwrap_or_default();
            }
            self.marks.push_back(SendCount { at: now, requests: 0.0, units: 0.0 });
        }
        if let Some(last) = self.marks.back_mut() {
            (last.requests, last.units) = (self.requests, self.units);
        }
    }

    /// Places an answer among the sends.
    pub(super) fn hear(&mut self, unit: Unit, source: &Source, now: Duration) -> Heard {
        let age = now.saturating_sub(source.sent_at);
        let fastest = self.fastest.map_or(age, |fastest| fastest.min(age));
        self.fastest = Some(fastest);
        self.slowest = self.slowest.max(age);
        let jitter = (self.slowest.saturating_sub(fastest)).min(MAX_JITTER);
        self.answers = self.answers.saturating_add(1);
        let later = self.taken_since(source.sent_at, false, unit).max(finite(source.in_flight_after));
        // A few answers do not show the jitter yet.
        let doubt = if self.answers < FEW_ANSWERS { fastest.min(MAX_JITTER) } else { jitter };
        let near = self.taken_from(source.sent_at.saturating_sub(doubt), unit).max(later) - later;
        Heard {
            order: source.order,
            sent_at: source.sent_at,
            now,
            later,
            total: self.total(unit) - later,
            near,
            jitter,
        }
    }

    fn total(&self, unit: Unit) -> f64 {
        match unit {
            Unit::Requests => self.requests,
            Unit::Units => self.units,
        }
    }

    /// Returns what was sent later than the first milliseconds of a moment, or from that moment on.
    fn taken_since(&self, moment: Duration, includes_moment: bool, unit: Unit) -> f64 {
        let index = match includes_moment {
            true => self.marks.partition_point(|mark| mark.at < moment),
            false => self.marks.partition_point(|mark| mark.at <= moment),
        };
        let before = index.checked_sub(1).and_then(|index| self.marks.get(index)).unwrap_or(&self.dropped);
        match unit {
            Unit::Requests => self.requests - before.requests,
            Unit::Units => self.units - before.units,
        }
    }

    /// Returns what was sent after the first milliseconds of a moment.
    pub(super) fn taken_after(&self, moment: Duration, unit: Unit) -> f64 {
        self.taken_since(moment, false, unit)
    }

    /// Returns what was sent from a moment on, and perhaps a little before.
    fn taken_from(&self, moment: Duration, unit: Unit) -> f64 {
        self.taken_since(moment.saturating_sub(RESOLUTION), true, unit)
    }
}

/// The sums of what is sent and not answered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Open {
    requests: u64,
    units: u64,
}

impl Open {
    pub(super) const fn new() -> Self {
        Self { requests: 0, units: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests == 0 && self.units == 0
    }

    pub(super) fn start(&mut self, cost: u32) {
        self.requests = self.requests.saturating_add(1);
        self.units = self.units.saturating_add(cost.into());
    }

    pub(super) fn finish(&mut self, cost: u32) {
        self.requests = self.requests.saturating_sub(1);
        self.units = self.units.saturating_sub(cost.into());
    }

    pub(super) fn sum(&self, unit: Unit) -> f64 {
        match unit {
            Unit::Requests => self.requests as f64,
            Unit::Units => self.units as f64,
        }
    }
}

/// An answer, and what was sent before and after its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// The ordinal of the request.
    pub(super) order: u64,
    pub(super) sent_at: Duration,
    pub(super) now: Duration,
    /// The amount that was sent later than the request. The announcement does not contain it.
    pub(super) later: f64,
    /// The sum of what was sent up to the request.
    total: f64,
    /// The amount that was sent so shortly before the request that it may have arrived after it.
    near: f64,
    /// The difference between the times that requests take to the server, as far as it shows.
    pub(super) jitter: Duration,
}

impl Heard {
    /// Returns the time since the request was sent.
    pub(super) fn age(&self) -> Duration {
        self.now.saturating_sub(self.sent_at)
    }
}

/// The newest announcement of a quota, from which a lower bound of its level follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    remaining: f64,
    total: f64,
    near: f64,
}

impl Anchor {
    pub(super) fn new(announced: &Announced, heard: &Heard) -> Self {
        Self { remaining: announced.remaining as f64, total: heard.total, near: heard.near }
    }

    /// Returns the lowest level that goes with the announcement. All that was sent later is taken, and so is what was sent
    /// so shortly before that it may have arrived later.
    pub(super) fn lowest(&self, unit: Unit, sends: &Sends) -> f64 {
        let later = sends.total(unit) - self.total;
        self.remaining - later - self.near
    }
}

/// Sends within this time are recorded together, so that the marks reach back at least a second.
const RESOLUTION: Duration = Duration::from_millis(4);
const MAX_MARKS: usize = 256;
/// The number of answers below which the largest difference between times of travel is not known.
const FEW_ANSWERS: u32 = 16;
/// Larger differences come from the server's work and not from the network.
const MAX_JITTER: Duration = Duration::from_millis(150);
