//! The bucket: a few cups of tokens, of which each thread has one that it asks first.
//!
//! Threads that write to one word wait for it: two that withdrew and paid in took up to ten times as
//! long as one.

mod cup;

use std::time::Duration;

use self::cup::Cup;
#[cfg(loom)]
use loom::sync::{
    Mutex,
    atomic::{AtomicU32, Ordering},
};
#[cfg(not(loom))]
use std::sync::{
    Mutex,
    atomic::{AtomicU32, Ordering},
};

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
    cups: [Cup; cup::COUNT],
    /// The time up to which the floor has accrued: wrapping milliseconds.
    accrued_at: AtomicU32,
    /// Held by whoever takes from more than one cup. Two who did so at once could each hold half of what one needs, and
    /// both go without.
    gathers: Mutex<()>,
}

impl Bucket {
    pub(super) fn new(terms: Terms) -> Self {
        let tokens = terms.capacity.unwrap_or(terms.floor.saturating_mul(10).max(100));
        let capacity = tokens.saturating_mul(1_000);
        let cups = Cup::share(capacity);
        Self { terms, capacity, cups, accrued_at: AtomicU32::new(0), gathers: Mutex::new(()) }
    }

    pub(super) fn terms(&self) -> Terms {
        self.terms
    }

    /// Whether it ever holds anything.
    pub(super) fn has_room(&self) -> bool {
        self.capacity > 0
    }

    /// All that is in it. While others take out and pay in, it is what they could have left.
    pub(super) fn thousandths(&self) -> u32 {
        let sum = self.cups.iter().map(Cup::thousandths).fold(0, u32::saturating_add);
        // What one took out of a cup may have been counted, and what another pays into the next one too.
        sum.min(self.capacity)
    }

    /// Takes `cost` out, if there is as much.
    pub(super) fn withdraw(&self, cost: u32, now: Duration) -> bool {
        if self.terms.throttles {
            return self.thousandths() > self.capacity / 2;
        }
        self.accrue(wrapping_millis(now));
        self.cups[cup::own()].take(cost) || self.gather(cost)
    }

    /// Whether it is full, and no failure takes anything out.
    #[inline]
    pub(super) fn is_sated(&self) -> bool {
        !self.terms.throttles && self.is_full()
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
            self.take_up_to(1_000);
        }
    }

    /// Takes `cost` out of all cups together, if there is as much. Most of those who ask in vain only look.
    #[cold]
    fn gather(&self, cost: u32) -> bool {
        if self.thousandths() < cost {
            return false;
        }
        let _gathers = self.gathers.lock();
        let taken = self.take_up_to(cost);
        if taken < cost {
            self.pay(taken);
        }
        taken == cost
    }

    /// Takes what is there, `thousandths` at most; how much that was.
    fn take_up_to(&self, thousandths: u32) -> u32 {
        thousandths - self.for_each_cup(thousandths, Cup::take_up_to)
    }

    /// Pays in. What there is no room for is lost, and where there is none, nothing is written.
    fn pay(&self, thousandths: u32) {
        // Not even a look at the others, where that will do: it would wait for those who write there.
        let rest = thousandths - self.cups[cup::own()].put_up_to(thousandths);
        if rest > 0 && !self.is_full() {
            self.for_each_cup(rest, Cup::put_up_to);
        }
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.cups.iter().all(Cup::is_full)
    }

    /// Has one cup after the other do what it can of what is left; what is left in the end.
    fn for_each_cup(&self, thousandths: u32, part: impl Fn(&Cup, u32) -> u32) -> u32 {
        let mut rest = thousandths;
        let own = cup::own();
        for place in own..own + cup::COUNT {
            rest -= part(&self.cups[place % cup::COUNT], rest);
            if rest == 0 {
                break;
            }
        }
        rest
    }

    fn accrue(&self, now: u32) {
        if self.terms.floor == 0 {
            return;
        }
        let elapsed = |accrued_at| now.wrapping_sub(accrued_at);
        // Another thread may have read the clock after us and got here first.
        let next = |at| (1..=u32::MAX - LATE_READING).contains(&elapsed(at)).then_some(now);
        if let Ok(accrued_at) = self.accrued_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            self.pay(elapsed(accrued_at).saturating_mul(self.terms.floor));
        }
    }
}

/// Wraps every 49.7 days; a bucket that nobody touched for longer accrues less than it could.
fn wrapping_millis(now: Duration) -> u32 {
    now.as_millis() as u32
}

/// How much older than the newest reading another may be, in milliseconds, and not count as a wrap.
const LATE_READING: u32 = 60_000;
