//! How fast the requests for one key go out, and what is learned from what comes back.

mod learned;

use std::collections::BTreeMap;
use std::time::Duration;

use self::learned::{Closure, Learned, Opening};
use super::allowance::Allowance;
use super::news::{Asks, News};
use super::{Key, Pass, Terms};

/// The flow of requests for one key.
#[derive(Debug)]
pub(super) struct Flow {
    speed: Speed,
    shut: Closure,
    /// What was sent since the gate opened last.
    opening: Opening,
    learned: Learned,
    allowance: Option<Allowance>,
    /// Refusals in a row that named no time.
    unhinted: u32,
    /// The sends that have not been heard of, and when they left.
    flying: BTreeMap<u64, Duration>,
    /// The number of the next send.
    next: u64,
    /// When something was last sent or heard.
    touched: Duration,
}

/// What lets requests go while the gate is open.
#[derive(Debug)]
enum Speed {
    /// Nothing: all go.
    Free,
    /// So many at a time, of a key that has not refused anybody yet.
    Start { window: f64 },
    /// One, and then its answer.
    Probe { number: Option<u64> },
    /// As many as went through the last time, then more and more at a time.
    Ramp { burst: f64, window: f64, first: u64, last: Duration },
    /// So many a second.
    Rate { per_second: f64, credit: f64, at: Duration },
}

impl Flow {
    pub(super) fn new(terms: &Terms, now: Duration) -> Self {
        Self {
            speed: if terms.slow_start { Speed::Start { window: START_WINDOW } } else { Speed::Free },
            shut: Closure::default(),
            opening: Opening::new(0, now, Duration::ZERO),
            learned: Learned::default(),
            allowance: None,
            unhinted: 0,
            flying: BTreeMap::new(),
            next: 0,
            touched: now,
        }
    }

    /// Whether nothing is lost if this is forgotten: nothing is under way or asked for.
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        self.flying.is_empty() && self.shut.until <= now
    }

    pub(super) fn touched(&self) -> Duration {
        self.touched
    }

    /// Until when the server wants quiet.
    pub(super) fn shut_until(&self) -> Duration {
        self.shut.until
    }

    /// When the next may go, if nothing is heard before. Not later than now: it may.
    pub(super) fn opens_at(&mut self, now: Duration) -> Duration {
        self.lose_old(now);
        if self.shut.until > now {
            return self.shut.until;
        }
        let news = || self.flying.first_key_value().map_or(now, |(_, left)| *left + PATIENCE);
        let by_speed = match &self.speed {
            Speed::Free => now,
            Speed::Start { window } if (self.flying.len() as f64) < *window => now,
            Speed::Start { .. } => news(),
            Speed::Probe { number: Some(_) } => news(),
            Speed::Probe { number: None } => now,
            Speed::Ramp { burst, last, .. } if *burst >= 1.0 => *last + (SHORTEST_GAP).min(BURST_TIME.div_f64(self.learned.burst())),
            Speed::Ramp { window, last, .. } if (self.flying.len() as f64) < *window => {
                *last + FIRST_GAP.div_f64(*window)
            }
            Speed::Ramp { .. } => news(),
            Speed::Rate { per_second, credit, at } => {
                let missing = (1.0 - credit).max(0.0);
                *at + Duration::from_secs_f64(missing / per_second)
            }
        };
        let by_allowance = self.allowance.as_ref().map_or(now, |allowance| allowance.opens_at(now));
        by_speed.max(by_allowance)
    }

    /// Sends one. `is_pressed` says whether others wait.
    pub(super) fn depart(&mut self, key: Key, now: Duration, is_pressed: bool) -> Pass {
        let number = self.next;
        self.next += 1;
        self.touched = now;
        self.flying.insert(number, now);
        if let Some(allowance) = &mut self.allowance {
            allowance.take(now);
        }
        match &mut self.speed {
            Speed::Free | Speed::Start { .. } => self.opening.roll(number, now),
            Speed::Probe { .. } => self.reopen(number, now),
            Speed::Ramp { burst, last, .. } => {
                *burst -= 1.0;
                *last = now;
            }
            Speed::Rate { per_second, credit, at } => {
                let earned = now.saturating_sub(*at).as_secs_f64() * *per_second;
                *credit = (*credit + earned).min(self.learned.usable_burst()) - 1.0;
                *at = now;
            }
        }
        Pass { key, number, sent_at: now, is_pressed }
    }

    /// Nothing is known of what became of this one.
    pub(super) fn lose(&mut self, number: u64) {
        self.flying.remove(&number);
        if let Speed::Probe { number: probe } = &mut self.speed {
            if *probe == Some(number) {
                *probe = None;
            }
        }
    }

    /// A response came to this one.
    pub(super) fn hear(&mut self, pass: &Pass, news: &News, terms: &Terms, now: Duration) {
        self.touched = now;
        self.flying.remove(&pass.number);
        if let Some(refill) = &news.refill {
            let (number, flying) = (pass.number, self.flying.len());
            match &mut self.allowance {
                Some(allowance) => allowance.hear(refill, number, flying, now, terms.longest),
                none => *none = Some(Allowance::new(refill, number, flying, now, terms.longest)),
            }
        }
        match news.asks {
            Asks::Nothing => self.passed(pass, now),
            Asks::Rest(delay) => {
                self.passed(pass, now);
                self.close(delay.min(terms.longest), now);
            }
            Asks::Quiet(hint) => {
                let delay = hint.unwrap_or_else(|| self.back_off(now));
                self.refused(pass);
                self.close(delay.min(terms.longest), now);
            }
        }
    }

    /// A server that names no time is asked less and less often. All the refusals of one opening are one.
    fn back_off(&mut self, now: Duration) -> Duration {
        if self.shut.until <= now {
            self.unhinted += 1;
        }
        BACK_OFF.saturating_mul(1 << (self.unhinted.max(1) - 1).min(16))
    }

    fn passed(&mut self, pass: &Pass, now: Duration) {
        if pass.number < self.opening.first {
            return;
        }
        self.opening.passed += 1.0;
        self.unhinted = 0;
        match &mut self.speed {
            Speed::Free => {}
            Speed::Start { window } => *window += 1.0,
            Speed::Probe { number } if *number == Some(pass.number) => self.speed = self.first_speed(now),
            Speed::Probe { .. } => {}
            Speed::Ramp { window, first, .. } if pass.number >= *first && *window < RAMP_END => *window += 1.0,
            // It was a blip.
            Speed::Ramp { window, .. } if *window >= RAMP_END => self.speed = Speed::Free,
            Speed::Ramp { .. } => {}
            Speed::Rate { per_second, .. } if pass.is_pressed => *per_second += self.learned.growth(),
            Speed::Rate { .. } => {}
        }
    }

    fn refused(&mut self, pass: &Pass) {
        if pass.number >= self.opening.first {
            let per_second = match self.speed {
                Speed::Rate { per_second, .. } => Some(per_second),
                _ => None,
            };
            self.opening.refuse(pass.sent_at, per_second);
        }
    }

    fn close(&mut self, delay: Duration, now: Duration) {
        if self.shut.until <= now {
            self.shut.since = now;
        }
        self.shut.until = self.shut.until.max(now.saturating_add(delay));
        self.speed = Speed::Probe { number: None };
    }

    /// The gate opens with this send.
    fn reopen(&mut self, number: u64, now: Duration) {
        let closed_for = now.saturating_sub(self.shut.since);
        self.learned.learn(&self.opening, closed_for);
        if let Some(allowance) = self.allowance.take() {
            self.learned.hear(&allowance);
        }
        self.opening = Opening::new(number, now, closed_for);
        self.speed = Speed::Probe { number: Some(number) };
    }

    /// After the probe.
    fn first_speed(&self, now: Duration) -> Speed {
        let credit = self.learned.credit(self.opening.closed_for) - 1.0;
        match self.learned.rate() {
            Some(per_second) => Speed::Rate { per_second, credit: credit.max(0.0), at: now },
            None => {
                let first = self.next + credit.max(0.0) as u64;
                Speed::Ramp { burst: credit, window: 1.0, first, last: now }
            }
        }
    }

    /// Nothing was heard of these for so long that nobody waits for it any more.
    fn lose_old(&mut self, now: Duration) {
        while let Some((&number, _)) = self.flying.first_key_value().filter(|(_, left)| **left + PATIENCE <= now)
        {
            self.lose(number);
        }
    }
}

/// How many go out at a time to a key that nobody has heard from.
const START_WINDOW: f64 = 4.0;
/// How long the others wait for the answer to one.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first wait where a server names no time.
const BACK_OFF: Duration = Duration::from_millis(500);
/// Between those of a burst at most.
const SHORTEST_GAP: Duration = Duration::from_millis(1);
/// What a burst of any size takes at most.
const BURST_TIME: Duration = Duration::from_millis(100);
/// Between the first two of a ramp.
const FIRST_GAP: Duration = Duration::from_millis(16);
/// So many at a time are as good as all.
const RAMP_END: f64 = 256.0;
