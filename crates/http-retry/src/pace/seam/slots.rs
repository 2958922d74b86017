//! The slots that a member has in hand for one key.

use std::collections::VecDeque;
use std::time::Duration;

use crate::fleet::entry::LeaseAnswer;

/// Slots in hand, and slots that go back to the store.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// The times of the slots, the earliest first.
    times: VecDeque<Duration>,
    back: u32,
    /// The latest time of a slot that goes back.
    back_at: Duration,
}

impl Slots {
    /// Adds the slots of an answer. The time of the first is in microseconds from `now`. Slots that no request waits for are
    /// used no sooner than one in each `spread`.
    pub(super) fn add(&mut self, answer: &LeaseAnswer, waiting: usize, spread: Duration, now: Duration) {
        let LeaseAnswer { count, first, gap, .. } = *answer;
        let in_hand = self.last().unwrap_or(now).max(now);
        for index in 0..count {
            // A slot of a full burst has been free for long, and its lease begins now.
            let at = shift(now, first.saturating_add(index.saturating_mul(gap))).max(now);
            let ahead = (index as u32).saturating_add(1).saturating_sub(waiting as u32);
            let at = if ahead > 0 && !spread.is_zero() { at.max(in_hand + spread * ahead) } else { at };
            let place = self.times.partition_point(|other| *other <= at);
            self.times.insert(place, at);
        }
    }

    /// Gives up slots that are too old, or that are due and more than `most`. Slots that were due two leases ago are void: the
    /// member was asleep.
    pub(super) fn tidy(&mut self, most: usize, lease: Duration, now: Duration) {
        while let Some(at) = self.times.front().copied() {
            let is_old = at.saturating_add(lease) < now;
            if !is_old && self.due(now) <= most {
                return;
            }
            self.times.pop_front();
            if at.saturating_add(lease * 2) >= now {
                self.back = self.back.saturating_add(1);
                self.back_at = self.back_at.max(at);
            }
        }
    }

    pub(super) fn first(&self) -> Option<Duration> {
        self.times.front().copied()
    }

    pub(super) fn last(&self) -> Option<Duration> {
        self.times.back().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// Returns how many slots are due.
    pub(super) fn due(&self, now: Duration) -> usize {
        self.times.partition_point(|at| *at <= now)
    }

    /// Takes a slot that is due.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        let is_due = self.first().is_some_and(|at| at <= now);
        if is_due {
            self.times.pop_front();
        }
        is_due
    }

    /// Puts a slot back that was taken and not used.
    pub(super) fn put_back(&mut self, now: Duration) {
        self.times.push_front(now.min(self.first().unwrap_or(now)));
    }

    /// Gives all slots back.
    pub(super) fn give_all_back(&mut self) {
        self.back = self.back.saturating_add(self.times.len() as u32);
        self.back_at = self.back_at.max(self.last().unwrap_or_default());
        self.times.clear();
    }

    /// Takes the number of slots that go back, and the time from `now` of the latest of them, in microseconds.
    pub(super) fn take_back(&mut self, now: Duration) -> (i64, i64) {
        let back_in = micros(std::mem::take(&mut self.back_at).saturating_sub(now));
        (std::mem::take(&mut self.back).into(), back_in)
    }

    /// Returns whether slots go back.
    pub(super) fn goes_back(&self) -> bool {
        self.back > 0
    }

    /// Forgets all slots, because they are void.
    pub(super) fn void(&mut self) {
        *self = Self::default();
    }
}

/// Returns a time that is some microseconds from `now`.
pub(super) fn shift(now: Duration, by: i64) -> Duration {
    let distance = Duration::from_micros(by.unsigned_abs());
    if by < 0 { now.saturating_sub(distance) } else { now.saturating_add(distance) }
}

pub(super) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}
