//! The token bucket, which holds its tokens and the time of its last refill in one atomic word.

use std::time::Duration;

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

/// The rates at which a bucket is filled, and its size.
#[derive(Clone, Copy)]
pub(super) struct BudgetSettings {
    /// The thousandths of a token that each success earns.
    pub(super) reward: u32,
    /// The tokens that accrue each second, or the thousandths each millisecond.
    pub(super) min_per_second: u32,
    /// The size in tokens. `None` means ten seconds of `min_per_second`, but at least 100.
    pub(super) capacity: Option<u32>,
    /// `true` if failures take tokens out and resends take none, as in gRPC A6.
    pub(super) throttles: bool,
}

/// A token bucket that any number of threads share.
///
/// Every change replaces the whole word with one compare-and-swap, so a thread sees tokens and refill time that belong
/// together. All accesses are relaxed, because the word guards no other memory.
pub(super) struct Bucket {
    settings: BudgetSettings,
    /// The size of the bucket, in thousandths of a token.
    capacity: u32,
    word: AtomicU64,
    /// Takes the place of the word if a fleet shares the budget.
    #[cfg(feature = "fleet")]
    purse: Option<Box<super::purse::Purse>>,
}

/// The content of a bucket.
#[derive(Clone, Copy)]
struct Level {
    /// The tokens in thousandths, at most the capacity.
    thousandths: u32,
    /// The time up to which `min_per_second` has accrued, in wrapping milliseconds.
    accrued_at: u32,
}

impl Bucket {
    pub(super) fn new(settings: BudgetSettings) -> Self {
        let tokens = settings.capacity.unwrap_or(settings.min_per_second.saturating_mul(10).max(100));
        let capacity = tokens.saturating_mul(1_000);
        let full = Level { thousandths: capacity, accrued_at: 0 };
        Self {
            settings,
            capacity,
            word: AtomicU64::new(full.to_word()),
            #[cfg(feature = "fleet")]
            purse: None,
        }
    }

    /// Creates a bucket that a fleet shares.
    #[cfg(feature = "fleet")]
    pub(super) fn of_fleet(settings: BudgetSettings, id: crate::fleet::Id) -> Self {
        let bucket = Self::new(settings);
        let purse = super::purse::Purse::new(id, settings, bucket.capacity);
        Self { purse: Some(Box::new(purse)), ..bucket }
    }

    /// Sets the thousandths of a token that are left in a new bucket.
    #[cfg(feature = "fleet")]
    pub(super) fn begin_at(self, left: i64, now: Duration) -> Self {
        if let Some(purse) = &self.purse {
            purse.begin_at(left);
        }
        let thousandths = u32::try_from(left.max(0)).unwrap_or(u32::MAX).min(self.capacity);
        let level = Level { thousandths, accrued_at: wrapping_millis(now) };
        Self { word: AtomicU64::new(level.to_word()), ..self }
    }

    /// Returns the thousandths of a token that are left, or that the fleet has left as far as this member knows.
    #[cfg(feature = "fleet")]
    pub(super) fn left(&self, now: Duration) -> i64 {
        let level = Level::from_word(self.word.load(Ordering::Relaxed));
        let accrued = self.accrue(level, wrapping_millis(now)).thousandths.into();
        self.purse.as_ref().map_or(accrued, |purse| purse.left())
    }

    #[cfg(feature = "fleet")]
    pub(super) fn purse(&self) -> Option<&super::purse::Purse> {
        self.purse.as_deref()
    }

    pub(super) fn settings(&self) -> BudgetSettings {
        self.settings
    }

    /// Returns whether the bucket never holds a token.
    pub(super) fn is_zero(&self) -> bool {
        self.capacity == 0
    }

    /// Returns the tokens in the bucket, in thousandths.
    #[inline]
    pub(super) fn thousandths(&self) -> u32 {
        #[cfg(feature = "fleet")]
        if let Some(purse) = &self.purse {
            return purse.tokens();
        }
        Level::from_word(self.word.load(Ordering::Relaxed)).thousandths
    }

    /// Takes `cost` out of the bucket, and nothing if the bucket holds less. Returns whether it took the cost.
    pub(super) fn withdraw(&self, cost: u32, now: Duration) -> bool {
        if self.settings.throttles {
            return self.thousandths() > self.capacity / 2;
        }
        #[cfg(feature = "fleet")]
        if let Some(purse) = &self.purse {
            return purse.withdraw(cost.into(), now);
        }
        let now = wrapping_millis(now);
        let after = |level| {
            let accrued = self.accrue(level, now);
            let taken = accrued.thousandths.checked_sub(cost);
            (Level { thousandths: taken.unwrap_or(accrued.thousandths), ..accrued }, taken.is_some())
        };
        after(self.update(|level| after(level).0)).1
    }

    /// Returns whether the bucket is full and failures take nothing out, so that an accepted outcome changes nothing.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        #[cfg(feature = "fleet")]
        if let Some(purse) = &self.purse {
            return purse.is_full();
        }
        !self.settings.throttles && self.thousandths() >= self.capacity
    }

    /// Adds the reward of one success.
    pub(super) fn deposit(&self) {
        #[cfg(feature = "fleet")]
        if let Some(purse) = &self.purse {
            return purse.deposit();
        }
        self.add(self.settings.reward);
    }

    /// Adds the tokens of a withdrawal that was not committed.
    pub(super) fn refund(&self, thousandths: u32) {
        #[cfg(feature = "fleet")]
        if let Some(purse) = &self.purse {
            return purse.refund(thousandths.into());
        }
        if !self.settings.throttles {
            self.add(thousandths);
        }
    }

    /// Takes out one token for a failure, or the rest if there is less.
    pub(super) fn fail(&self) {
        if self.settings.throttles {
            self.update(|level| Level { thousandths: level.thousandths.saturating_sub(1_000), ..level });
        }
    }

    /// Adds tokens up to the capacity. The rest is lost.
    fn add(&self, thousandths: u32) {
        self.update(|level| self.raise(level, thousandths));
    }

    fn raise(&self, level: Level, thousandths: u32) -> Level {
        Level { thousandths: level.thousandths.saturating_add(thousandths).min(self.capacity), ..level }
    }

    /// Adds the tokens that `min_per_second` has accrued up to `now`.
    fn accrue(&self, level: Level, now: u32) -> Level {
        let elapsed = now.wrapping_sub(level.accrued_at);
        // Another thread may have read its clock later than this one, but have updated the bucket earlier.
        let is_late = elapsed > u32::MAX - MAX_LATENESS_MS;
        if self.settings.min_per_second == 0 || is_late {
            return level;
        }
        let earned = elapsed.saturating_mul(self.settings.min_per_second);
        Level { accrued_at: now, ..self.raise(level, earned) }
    }

    /// Replaces the level and returns the previous one. An unchanged level is not written, so that threads that only read do
    /// not contend for the word.
    fn update(&self, next: impl Fn(Level) -> Level) -> Level {
        let next_word = |word| Some(next(Level::from_word(word)).to_word()).filter(|&next| next != word);
        let (Ok(before) | Err(before)) =
            self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next_word);
        Level::from_word(before)
    }
}

impl Level {
    fn from_word(word: u64) -> Self {
        Self { thousandths: word as u32, accrued_at: (word >> 32) as u32 }
    }

    fn to_word(self) -> u64 {
        u64::from(self.accrued_at) << 32 | u64::from(self.thousandths)
    }
}

/// Converts a time to milliseconds that wrap every 49.7 days. A bucket that had no withdrawal for longer accrues too few
/// tokens, and never too many.
fn wrapping_millis(now: Duration) -> u32 {
    now.as_millis() as u32
}

/// The largest age of a reading, compared with the newest one, that does not count as a wrap of the milliseconds.
const MAX_LATENESS_MS: u32 = 60_000;
