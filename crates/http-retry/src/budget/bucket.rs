//! The bucket: its tokens and the time of its last refill, in one atomic word.

use std::time::Duration;

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

/// The rates at which a bucket is filled, and its size.
#[derive(Clone, Copy)]
pub(super) struct BudgetSettings {
    /// Thousandths of a token for each success.
    pub(super) reward: u32,
    /// Tokens for each second, which are thousandths for each millisecond.
    pub(super) min_per_second: u32,
    /// Tokens; `None` stands for the larger of 100 and ten seconds of `min_per_second`.
    pub(super) capacity: Option<u32>,
    /// Failures take tokens out and resends take none, as in gRPC A6.
    pub(super) throttles: bool,
}

/// A token bucket that any number of threads share.
///
/// Every change replaces the whole word with one compare-and-swap, so a thread sees tokens and refill time that belong
/// together. All accesses are relaxed, because the word guards no other memory.
pub(super) struct Bucket {
    settings: BudgetSettings,
    /// The most that the bucket holds, in thousandths of a token.
    capacity: u32,
    word: AtomicU64,
}

/// The content of a bucket.
#[derive(Clone, Copy)]
struct Level {
    /// Never more than the capacity.
    thousandths: u32,
    /// The time up to which `min_per_second` has accrued, in wrapping milliseconds.
    accrued_at: u32,
}

impl Bucket {
    pub(super) fn new(settings: BudgetSettings) -> Self {
        let tokens = settings.capacity.unwrap_or(settings.min_per_second.saturating_mul(10).max(100));
        let capacity = tokens.saturating_mul(1_000);
        let full = Level { thousandths: capacity, accrued_at: 0 };
        Self { settings, capacity, word: AtomicU64::new(full.to_word()) }
    }

    pub(super) fn settings(&self) -> BudgetSettings {
        self.settings
    }

    /// Returns whether the bucket can ever hold anything.
    pub(super) fn has_room(&self) -> bool {
        self.capacity > 0
    }

    /// Returns the tokens in the bucket, in thousandths.
    #[inline]
    pub(super) fn thousandths(&self) -> u32 {
        Level::from_word(self.word.load(Ordering::Relaxed)).thousandths
    }

    /// Takes `cost` out of the bucket, or nothing if it holds less. Returns whether it took the cost.
    pub(super) fn withdraw(&self, cost: u32, now: Duration) -> bool {
        if self.settings.throttles {
            return self.thousandths() > self.capacity / 2;
        }
        let now = wrapping_millis(now);
        let after = |level| {
            let accrued = self.accrue(level, now);
            let taken = accrued.thousandths.checked_sub(cost);
            (Level { thousandths: taken.unwrap_or(accrued.thousandths), ..accrued }, taken.is_some())
        };
        after(self.update(|level| after(level).0)).1
    }

    /// Returns whether the bucket is full and no failure takes anything out.
    #[inline]
    pub(super) fn is_sated(&self) -> bool {
        !self.settings.throttles && self.thousandths() >= self.capacity
    }

    /// Pays in the reward of one success.
    pub(super) fn deposit(&self) {
        self.pay(self.settings.reward);
    }

    /// Pays a withdrawal back.
    pub(super) fn refund(&self, thousandths: u32) {
        if !self.settings.throttles {
            self.pay(thousandths);
        }
    }

    /// Takes out the cost of a failure, or everything if there is less.
    pub(super) fn fail(&self) {
        if self.settings.throttles {
            self.update(|level| Level { thousandths: level.thousandths.saturating_sub(1_000), ..level });
        }
    }

    /// Pays in. Tokens for which the bucket has no room are lost.
    fn pay(&self, thousandths: u32) {
        self.update(|level| self.add(level, thousandths));
    }

    fn add(&self, level: Level, thousandths: u32) -> Level {
        Level { thousandths: level.thousandths.saturating_add(thousandths).min(self.capacity), ..level }
    }

    /// Adds what `min_per_second` has accrued up to `now`.
    fn accrue(&self, level: Level, now: u32) -> Level {
        let elapsed = now.wrapping_sub(level.accrued_at);
        // Another thread may have read its clock later than this one, and have come first.
        let is_late = elapsed > u32::MAX - LATE_READING;
        if self.settings.min_per_second == 0 || is_late {
            return level;
        }
        let earned = elapsed.saturating_mul(self.settings.min_per_second);
        Level { accrued_at: now, ..self.add(level, earned) }
    }

    /// Replaces the level, and returns the one before. A level that stays as it is is not written, so that threads
    /// that only read do not wait for each other.
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

/// Converts a time to milliseconds that wrap every 49.7 days. A bucket without a withdrawal for longer accrues less than
/// it could.
fn wrapping_millis(now: Duration) -> u32 {
    now.as_millis() as u32
}

/// The milliseconds by which a reading may be older than the newest one without being taken for a wrap.
const LATE_READING: u32 = 60_000;
