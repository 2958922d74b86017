//! A quota that is full again when its window ends, as GitHub's and those of `RateLimit` are.

use std::time::Duration;

use super::sends::{Heard, Open, Sends};
use crate::pace::evidence::{Announced, Unit};

/// A window, in the time of sends: its end is the first moment at which a request is sent that arrives in the next one.
#[derive(Debug)]
pub(super) struct WindowQuota {
    /// The size of a full quota. Without one the quota says nothing after its end.
    size: Option<f64>,
    level: f64,
    end: WindowEnd,
    /// The longest time until a reset that was announced. No window is known to be longer.
    length: Duration,
    /// The smallest rest that an answer announced for this window.
    least: Option<f64>,
    /// The time at which that was heard.
    heard_at: Duration,
    /// The first moment at which a request was sure to arrive in this window and not in the last one.
    since: Duration,
    /// The largest difference between times of travel. A request may be faster than the answers that told of the end,
    /// and must not arrive before it.
    jitter: Duration,
}

/// The end of the window that `level` is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WindowEnd {
    /// The server rounds the time up, so that the window may end earlier than `latest`, but not before this.
    earliest: Duration,
    latest: Duration,
    /// `true` if no answer has told of this window yet, and its end follows from the one before.
    is_guess: bool,
}

impl WindowEnd {
    fn of(announced: &Announced, heard: &Heard) -> Self {
        let (latest, age) = match announced.is_date {
            true => (heard.now.saturating_add(announced.reset), heard.age()),
            false => (heard.sent_at.saturating_add(announced.reset), Duration::ZERO),
        };
        let earliest =
            latest.saturating_sub(announced.precision).saturating_sub(age).saturating_sub(heard.jitter);
        // The request arrived in this window.
        let earliest = earliest.max(heard.sent_at.min(latest));
        Self { earliest, latest, is_guess: false }
    }
}

impl WindowQuota {
    pub(super) fn new(announced: &Announced, heard: &Heard) -> Self {
        Self {
            size: announced.limit.map(|limit| limit as f64),
            level: announced.remaining as f64 - heard.later,
            end: WindowEnd::of(announced, heard),
            length: announced.reset,
            least: Some(announced.remaining as f64),
            heard_at: heard.now,
            since: Duration::ZERO,
            jitter: heard.jitter,
        }
    }

    /// Hears an announcement.
    pub(super) fn hear(
        &mut self,
        announced: &Announced,
        heard: &Heard,
        is_newest: bool,
        sends: &Sends,
        open: &Open,
    ) {
        self.jitter = self.jitter.max(heard.jitter);
        self.roll(announced.unit, sends, heard.now);
        self.length = self.length.max(announced.reset);
        let end = WindowEnd::of(announced, heard);
        let is_guess = self.end.is_guess;
        let last = if is_guess { self.end.earliest } else { self.end.latest };
        let is_later = end.earliest > last.saturating_add(SLACK) || (is_guess && heard.sent_at >= last);
        let ends_earlier = end.latest < self.end.earliest.saturating_sub(SLACK);
        // The ends of short windows are known so badly that the time of the request has to tell them apart.
        let is_earlier = !is_later && (is_guess || ends_earlier || heard.sent_at < self.since);
        let remaining = announced.remaining as f64;
        let highest = remaining - heard.later;
        // A request that was sent when this window was known is not of an earlier one.
        let is_correction = is_earlier && is_newest && heard.sent_at >= self.heard_at;
        if is_later || is_correction {
            let since = if is_guess { last } else { self.end.earliest };
            // In a window that was guessed, what was sent at its start may be missing from the first answers.
            let level = if is_guess { highest.min(self.level) } else { highest };
            *self = Self { level, end, least: Some(remaining), heard_at: heard.now, since, ..*self };
        } else if !is_earlier {
            let latest = self.end.latest.min(end.latest);
            let earliest = self.end.earliest.max(end.earliest).min(latest);
            self.end = WindowEnd { earliest, latest, is_guess: false };
            // The rest only falls in a window. The least is from the answer to the last request that arrived, so it contains
            // all that are answered, in whatever order they arrived.
            let least = self.least.map_or(remaining, |least| least.min(remaining));
            self.least = Some(least);
            self.heard_at = heard.now;
            self.level = self.level.max(least - open.sum(announced.unit)).min(highest);
        }
    }

    /// Returns the first moment from `now` on at which so much is there.
    pub(super) fn has_at(&self, amount: f64, unit: Unit, sends: &Sends, now: Duration) -> Duration {
        let current = self.at(unit, sends, now);
        if current.level + TOLERANCE >= amount { now } else { current.full_at().max(now) }
    }

    pub(super) fn level_at(&self, unit: Unit, sends: &Sends, now: Duration) -> f64 {
        self.at(unit, sends, now).level
    }

    pub(super) fn add(&mut self, amount: f64, unit: Unit, sends: &Sends, now: Duration) {
        self.roll(unit, sends, now);
        self.level = (self.level + amount).min(self.size.unwrap_or(f64::MAX));
    }

    /// Returns the first moment at which a request surely arrives in the next window.
    fn full_at(&self) -> Duration {
        self.end.latest.saturating_add(self.jitter)
    }

    fn roll(&mut self, unit: Unit, sends: &Sends, now: Duration) {
        *self = self.at(unit, sends, now);
    }

    /// Returns the window at a moment. After its end it is a full one.
    fn at(&self, unit: Unit, sends: &Sends, now: Duration) -> Self {
        if now < self.full_at() {
            return Self { ..*self };
        }
        let length = self.length.max(MIN_LENGTH);
        let start = self.full_at();
        let is_long_ago = now >= start.saturating_add(length);
        // What was sent when the window may have ended already counts in the new one.
        let taken = if is_long_ago { 0.0 } else { sends.taken_after(self.end.earliest, unit) };
        let level = self.size.map_or(f64::MAX, |size| size - taken.min(size));
        let start = if is_long_ago { now } else { start };
        let end = WindowEnd { earliest: start, latest: start.saturating_add(length), is_guess: true };
        Self { level, end, least: None, ..*self }
    }
}

/// Windows whose ends are that near to each other are the same: the times of travel differ.
const SLACK: Duration = Duration::from_millis(50);
/// A window that nothing is known of lasts at least this long.
const MIN_LENGTH: Duration = Duration::from_secs(1);
const TOLERANCE: f64 = 1e-6;
