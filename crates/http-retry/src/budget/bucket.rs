//! The bucket: thousandths of a token and wrapping milliseconds, packed into one atomic.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How a bucket is filled, and how much it holds.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// Thousandths of a token per success.
    pub(super) reward: u32,
    /// Tokens per second, which is thousandths per millisecond.
    pub(super) floor: u32,
    /// Tokens; `None` stands for the larger of ten seconds of the floor and 100.
    pub(super) capacity: Option<u32>,
    /// Whether failures take tokens out, and resends none.
    pub(super) throttles: bool,
}

pub(super) struct Bucket {
    terms: Terms,
    capacity: u32,
    state: AtomicU64,
}

/// What the atomic holds.
#[derive(Clone, Copy)]
struct State {
    /// Thousandths of a token, in the upper half.
    thousandths: u32,
    /// The time up to which the floor has accrued: wrapping milliseconds, in the lower half.
    accrued_at: u32,
}

impl Bucket {
    pub(super) fn new(terms: Terms) -> Self {
        let tokens = terms.capacity.unwrap_or(terms.floor.saturating_mul(10).max(100));
        let capacity = tokens.saturating_mul(1_000);
        let full = State { thousandths: capacity, accrued_at: 0 };
        Self { terms, capacity, state: AtomicU64::new(full.pack()) }
    }

    pub(super) fn terms(&self) -> Terms {
        self.terms
    }

    pub(super) fn thousandths(&self) -> u32 {
        State::unpack(self.state.load(Ordering::Relaxed)).thousandths
    }

    /// Whether `cost` could be taken out.
    pub(super) fn withdraw(&self, cost: u32, now: Duration) -> bool {
        if self.terms.throttles {
            return self.thousandths() > self.capacity / 2;
        }
        let now = wrapping_millis(now);
        self.update(|state| {
            let state = self.accrue(state, now);
            let thousandths = state.thousandths.checked_sub(cost)?;
            Some(State { thousandths, ..state })
        })
    }

    /// Whether it is full, and no failure takes anything out.
    pub(super) fn is_sated(&self) -> bool {
        !self.terms.throttles && self.thousandths() >= self.capacity
    }

    pub(super) fn deposit(&self) {
        self.pay(self.terms.reward);
    }

    /// Pays back what was withdrawn.
    pub(super) fn refund(&self, thousandths: u32) {
        if !self.terms.throttles {
            self.pay(thousandths);
        }
    }

    /// Takes out what a failure costs, or all that is left.
    pub(super) fn fail(&self) {
        if self.terms.throttles {
            self.update(|state| {
                let thousandths = state.thousandths.saturating_sub(1_000);
                (state.thousandths > 0).then_some(State { thousandths, ..state })
            });
        }
    }

    fn pay(&self, thousandths: u32) {
        self.update(|state| {
            // A full bucket is one load, and nothing is written.
            (state.thousandths < self.capacity).then(|| self.pay_in(state, u64::from(thousandths)))
        });
    }

    fn accrue(&self, state: State, now: u32) -> State {
        let elapsed = now.wrapping_sub(state.accrued_at);
        // Another thread may have read the clock after us and got here first.
        if elapsed > u32::MAX - LATE_READING {
            return state;
        }
        let accrued = u64::from(elapsed) * u64::from(self.terms.floor);
        State { accrued_at: now, ..self.pay_in(state, accrued) }
    }

    fn pay_in(&self, state: State, thousandths: u64) -> State {
        let sum = u64::from(state.thousandths).saturating_add(thousandths);
        State { thousandths: u32::try_from(sum).unwrap_or(u32::MAX).min(self.capacity), ..state }
    }

    /// Replaces the state unless `next` declines; whether it did. Relaxed, since the bucket guards no other
    /// memory.
    fn update(&self, next: impl Fn(State) -> Option<State>) -> bool {
        let next = |bits| next(State::unpack(bits)).map(State::pack);
        self.state.try_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

impl State {
    fn pack(self) -> u64 {
        u64::from(self.thousandths) << 32 | u64::from(self.accrued_at)
    }

    fn unpack(bits: u64) -> Self {
        Self { thousandths: (bits >> 32) as u32, accrued_at: bits as u32 }
    }
}

/// Wraps every 49.7 days; a bucket that nobody touched for longer accrues less than it could.
fn wrapping_millis(now: Duration) -> u32 {
    now.as_millis() as u32
}

/// How much older than the newest reading another may be, in milliseconds, and not count as a wrap.
const LATE_READING: u32 = 60_000;
