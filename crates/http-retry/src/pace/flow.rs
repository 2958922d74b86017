//! How fast the requests for one key go out, and what is learned from what comes back.

mod learned;

use std::collections::BTreeMap;
use std::time::Duration;

use self::learned::{Closure, Learned, Opening};
use super::allowance::{Allowance, Said};
use super::news::{Asks, News};
use super::{Key, Permit, Terms};

/// The flow of requests for one key.
#[derive(Debug)]
pub(super) struct Flow {
    speed: Speed,
    shut: Closure,
    /// What was sent since the gate opened last.
    opening: Opening,
    learned: Learned,
    allowance: Option<Allowance>,
    /// Openings in a row in which nobody was served.
    refusals: u32,
    /// The sends that have not been heard of, and when they left.
    flying: BTreeMap<u64, Duration>,
    /// The number of the next send.
    next: u64,
    /// When the last of them left.
    left: Duration,
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
    /// One, and then its answer. `first` is that which opened the gate, `last` that which is waited for.
    Probe { first: Option<u64>, last: Option<u64> },
    /// As many as went through the last time, then more and more at a time.
    Ramp { burst: f64, window: f64, first: u64 },
    /// So many a second.
    Rate { per_second: f64, credit: f64, at: Duration, first: u64 },
}

impl Flow {
    pub(super) fn new(terms: &Terms, now: Duration) -> Self {
        Self {
            speed: if terms.slow_start { Speed::Start { window: START_WINDOW } } else { Speed::Free },
            shut: Closure::default(),
            opening: Opening::new(0, now, Duration::ZERO),
            learned: Learned::default(),
            allowance: None,
            refusals: 0,
            flying: BTreeMap::new(),
            next: 0,
            left: now,
            touched: now,
        }
    }

    /// Whether nothing is lost if this is forgotten: nothing is under way or asked for.
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        let is_quiet = self.flying.last_key_value().is_none_or(|(_, left)| is_old(*left, now));
        is_quiet && self.shut.until <= now
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
        if self.shut.until > now {
            return self.shut.until;
        }
        self.lose_old(now);
        let after = |gap: Duration| self.left.saturating_add(gap);
        let flying = self.flying.len() as f64;
        let burst_gap = SHORTEST_GAP.min(BURST_TIME.div_f64(self.learned.burst()));
        let by_speed = match &self.speed {
            Speed::Free | Speed::Probe { last: None, .. } => now,
            Speed::Start { window } if flying < *window => now,
            Speed::Ramp { burst, .. } if *burst >= 1.0 => after(burst_gap),
            Speed::Ramp { window, .. } if flying < *window => after(FIRST_GAP.div_f64(*window)),
            Speed::Rate { per_second, credit, at, .. } => {
                let earned = Duration::from_secs_f64((1.0 - credit).max(0.0) / per_second);
                at.saturating_add(earned)
                    .max(after(burst_gap.min(Duration::from_secs(1).div_f64(*per_second))))
            }
            // For news, but not for long: whom a server does not want it refuses at once.
            Speed::Start { .. } | Speed::Probe { .. } | Speed::Ramp { .. } => after(LONGEST_GAP),
        };
        let by_allowance = self.allowance.as_ref().map_or(now, |allowance| allowance.opens_at(now));
        by_speed.max(by_allowance)
    }

    /// Sends one. `is_pressed` says whether others wait.
    pub(super) fn depart(&mut self, key: Key, now: Duration, is_pressed: bool) -> Permit {
        let number = self.next;
        self.next += 1;
        self.left = now;
        self.touched = now;
        self.flying.insert(number, now);
        if let Some(allowance) = &mut self.allowance {
            allowance.take(now);
        }
        match &mut self.speed {
            Speed::Free | Speed::Start { .. } => self.opening.roll(number, now),
            Speed::Probe { first: None, .. } => self.reopen(number, now),
            Speed::Probe { last, .. } => *last = Some(number),
            Speed::Ramp { burst, .. } => *burst -= 1.0,
            Speed::Rate { per_second, credit, at, .. } => {
                let earned = now.saturating_sub(*at).as_secs_f64() * *per_second;
                *credit = (*credit + earned).min(self.learned.usable_burst()) - 1.0;
                *at = now;
            }
        }
        Permit { key, number, sent_at: now, is_pressed }
    }

    /// Nothing is known of what became of this one. If it was the probe, the next is.
    pub(super) fn lose(&mut self, number: u64) {
        self.flying.remove(&number);
        match &mut self.speed {
            Speed::Probe { last, .. } if *last == Some(number) => *last = None,
            _ => {}
        }
    }

    /// A response came to this one.
    pub(super) fn hear(&mut self, pass: &Permit, news: &News, terms: &Terms, now: Duration) {
        self.touched = now;
        self.flying.remove(&pass.number);
        if let Some(refill) = &news.refill {
            let said = Said::new(refill, self.flying.len(), terms.longest);
            match &mut self.allowance {
                Some(allowance) => allowance.hear(said, pass.number, self.next, now),
                none => *none = Some(Allowance::new(said, self.next, now)),
            }
        }
        match news.asks {
            Asks::Nothing => self.passed(pass, now),
            Asks::Rest(delay) => {
                self.passed(pass, now);
                self.close(delay.min(terms.longest), now);
            }
            Asks::Quiet(hint) => {
                let delay = self.quiet(hint, pass, now);
                self.refused(pass);
                self.close(delay.min(terms.longest), now);
            }
        }
    }

    /// How long the server wants quiet. One that names no time is asked less and less often, and so is one that
    /// names a time and does not keep it. All the refusals of one opening are one.
    fn quiet(&mut self, hint: Option<Duration>, pass: &Permit, now: Duration) -> Duration {
        if self.shut.until <= now && pass.number >= self.opening.first {
            self.refusals = self.refusals.saturating_add(1);
        }
        let back_off = |times: u32| BACK_OFF.saturating_mul(1 << times.min(16));
        match (hint, self.refusals.checked_sub(BROKEN_PROMISES)) {
            (None, _) => back_off(self.refusals.saturating_sub(1)),
            (Some(hint), None) => hint,
            (Some(hint), Some(times)) => hint.max(back_off(times)),
        }
    }

    fn passed(&mut self, pass: &Permit, now: Duration) {
        if pass.number < self.opening.first {
            return;
        }
        self.opening.passed += 1.0;
        self.refusals = 0;
        match &mut self.speed {
            Speed::Free | Speed::Probe { first: None, .. } => {}
            Speed::Start { window } if *window < RAMP_END => *window += 1.0,
            Speed::Start { .. } if !pass.is_pressed => self.speed = Speed::Free,
            Speed::Probe { .. } => self.speed = self.first_speed(now),
            Speed::Ramp { window, first, .. } if pass.number >= *first && *window < RAMP_END => {
                *window += 1.0
            }
            // It was a blip, and nobody waits who would all go at once.
            Speed::Ramp { window, .. } if *window >= RAMP_END && !pass.is_pressed => self.speed = Speed::Free,
            Speed::Start { .. } | Speed::Ramp { .. } => {}
            Speed::Rate { per_second, first, .. } if pass.is_pressed && pass.number >= *first => {
                *per_second += self.learned.growth();
            }
            Speed::Rate { .. } => {}
        }
    }

    fn refused(&mut self, pass: &Permit) {
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
        self.speed = Speed::Probe { first: None, last: None };
    }

    /// The gate opens with this send.
    fn reopen(&mut self, number: u64, now: Duration) {
        let closed_for = now.saturating_sub(self.shut.since);
        self.learned.learn(&self.opening, closed_for);
        if let Some(allowance) = self.allowance.take() {
            self.learned.hear(&allowance);
        }
        self.opening = Opening::new(number, now, closed_for);
        self.speed = Speed::Probe { first: Some(number), last: Some(number) };
    }

    /// After the probe.
    fn first_speed(&self, now: Duration) -> Speed {
        let burst = (self.learned.credit(self.opening.closed_for) - 1.0).max(0.0);
        // What comes after the burst tells whether there is room for more.
        let first = self.next + burst as u64;
        match self.learned.rate() {
            Some(per_second) => Speed::Rate { per_second, credit: burst, at: now, first },
            None => Speed::Ramp { burst, window: 1.0, first },
        }
    }

    /// These have long been counted by the server, or lost.
    fn lose_old(&mut self, now: Duration) {
        let oldest = |flying: &BTreeMap<u64, Duration>| {
            let (number, left) = flying.first_key_value()?;
            is_old(*left, now).then_some(*number)
        };
        while let Some(number) = oldest(&self.flying) {
            self.lose(number);
        }
    }
}

fn is_old(left: Duration, now: Duration) -> bool {
    now.saturating_sub(left) >= PATIENCE
}

/// How many go out at a time to a key that nobody has heard from.
const START_WINDOW: f64 = 4.0;
/// How long a send that nobody has heard of counts as one that the server has not counted.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two sends while the gate is open: one a second is no burden for a server that answers at all.
const LONGEST_GAP: Duration = Duration::from_secs(1);
/// So many openings in a row in which nobody is served, and a server does not keep the times that it names.
const BROKEN_PROMISES: u32 = 3;
/// The first wait where a server names no time.
const BACK_OFF: Duration = Duration::from_millis(500);
/// Between those of a burst.
const SHORTEST_GAP: Duration = Duration::from_millis(1);
/// What a burst of any size takes at most.
const BURST_TIME: Duration = Duration::from_millis(100);
/// Between the first two of a ramp.
const FIRST_GAP: Duration = Duration::from_millis(16);
/// So many at a time are as good as all.
const RAMP_END: f64 = 256.0;
