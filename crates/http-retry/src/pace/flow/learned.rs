//! What an opening of the gate teaches for the next.

use std::time::Duration;

use crate::pace::allowance::Allowance;

/// When the server wanted quiet last.
#[derive(Debug, Default)]
pub(super) struct Closure {
    pub(super) since: Duration,
    pub(super) until: Duration,
}

/// What was sent since the gate opened, and what came of it.
#[derive(Debug)]
pub(super) struct Opening {
    /// The number of its first send.
    pub(super) first: u64,
    pub(super) since: Duration,
    /// How long the gate had been closed before; zero for a key that had never closed it.
    pub(super) closed_for: Duration,
    /// Sends that were served.
    pub(super) passed: f64,
    /// When the first left that was not.
    refused_at: Option<Duration>,
    /// How fast they went at that time.
    per_second: Option<f64>,
}

impl Opening {
    pub(super) fn new(first: u64, since: Duration, closed_for: Duration) -> Self {
        Self { first, since, closed_for, passed: 0.0, refused_at: None, per_second: None }
    }

    /// While the gate has never been closed, only the last second counts.
    pub(super) fn roll(&mut self, number: u64, now: Duration) {
        if self.refused_at.is_none() && now.saturating_sub(self.since) > SECOND {
            *self = Self::new(number, now, Duration::ZERO);
        }
    }

    pub(super) fn refuse(&mut self, sent_at: Duration, per_second: Option<f64>) {
        self.refused_at = Some(self.refused_at.map_or(sent_at, |first| first.min(sent_at)));
        self.per_second = self.per_second.or(per_second);
    }
}

/// What is known of the server's limit: a bucket that holds `burst` and earns `rate` a second.
#[derive(Debug)]
pub(super) struct Learned {
    burst: f64,
    rate: Rate,
}

/// Requests a second, and how well that is known.
#[derive(Clone, Copy, Debug)]
enum Rate {
    /// From what went through before the gate closed for the first time.
    Guess(f64),
    /// Not less than this.
    Bound(f64),
    /// About this.
    Measured(f64),
}

impl Learned {
    /// What was learned of an opening that ended with a refusal, before which the gate had been closed.
    pub(super) fn learn(&mut self, opening: &Opening, closes_for: Duration) {
        let Some(refused_at) = opening.refused_at else {
            return;
        };
        let lasted = refused_at.saturating_sub(opening.since).as_secs_f64();
        let passed = opening.passed;
        // It was not open at all.
        if passed < 1.0 {
            return;
        }
        if opening.closed_for.is_zero() {
            self.burst = (passed * (BURST_TIME / lasted.max(BURST_TIME))).max(1.0);
            let time = lasted.max(closes_for.as_secs_f64()).max(1.0);
            self.rate = Rate::Guess(passed / time);
            return;
        }
        if passed < self.burst {
            self.burst = passed.max(1.0);
        }
        let bound = passed / (opening.closed_for.as_secs_f64() + lasted);
        let measured = (passed - self.burst - MARGIN) / lasted.max(0.001);
        let estimate = bound.max(measured);
        let top = opening.per_second.unwrap_or(f64::INFINITY);
        self.rate = match self.rate {
            _ if lasted >= 1.0 => Rate::Measured(estimate.min(top)),
            Rate::Guess(_) => Rate::Bound(estimate),
            Rate::Bound(_) | Rate::Measured(_) => Rate::Measured(bound.max(BACK * top).min(top)),
        };
    }

    /// What the server itself has said.
    pub(super) fn hear(&mut self, allowance: &Allowance) {
        if let Some(per_second) = allowance.per_second() {
            self.rate = Rate::Measured(per_second);
            self.burst = self.burst.min(allowance.limit());
        }
    }

    pub(super) fn burst(&self) -> f64 {
        self.burst
    }

    /// How many may go at once.
    pub(super) fn usable_burst(&self) -> f64 {
        (self.burst * SHARE).max(1.0)
    }

    /// How many may go at once after so long a rest.
    pub(super) fn credit(&self, rested: Duration) -> f64 {
        let (Rate::Guess(rate) | Rate::Bound(rate) | Rate::Measured(rate)) = self.rate;
        self.usable_burst().min(rate.max(SLOWEST) * rested.as_secs_f64())
    }

    /// How many a second may go; `None` where that is a mere guess.
    pub(super) fn rate(&self) -> Option<f64> {
        match self.rate {
            Rate::Guess(_) => None,
            Rate::Bound(rate) => Some(rate.max(SLOWEST)),
            Rate::Measured(rate) => Some((rate * CAUTION).max(SLOWEST)),
        }
    }

    /// How much faster each one that is served lets the others go.
    pub(super) fn growth(&self) -> f64 {
        match self.rate {
            Rate::Guess(_) | Rate::Bound(_) => 1.0,
            Rate::Measured(_) => 0.02,
        }
    }
}

impl Default for Learned {
    fn default() -> Self {
        Self { burst: 1.0, rate: Rate::Guess(0.0) }
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// What leaves within this time leaves at once.
const BURST_TIME: f64 = 0.1;
/// How much of a burst is used the next time: others may have taken from it.
const SHARE: f64 = 0.8;
/// How many of those that passed may have been counted wrong.
const MARGIN: f64 = 1.5;
/// What is left of a rate that was refused.
const BACK: f64 = 0.85;
/// How much of a rate that was measured is used.
const CAUTION: f64 = 0.95;
/// A server that answers at all is asked once a second.
const SLOWEST: f64 = 1.0;
