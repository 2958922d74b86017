//! Refusals in a row, with nothing served between them.

use std::time::Duration;

use super::constants::{CROWD, ENOUGH_REPEATED, FIRST_STOP, LONGEST_BACKOFF, STANDSTILL, STANDSTILL_SHARE};

/// The refusals since something was last served, in the order of the sends.
#[derive(Debug)]
pub(super) struct Row {
    count: u32,
    /// The refusals of requests that the row has already.
    repeated: u32,
    first: u64,
    first_at: Duration,
    newest: u64,
    newest_at: Duration,
    /// `true` if the newest refusal said that the server is unwell.
    is_server: bool,
}

impl Row {
    /// The row without a refusal.
    pub(super) const NONE: Self = Self {
        count: 0,
        repeated: 0,
        first: 0,
        first_at: Duration::ZERO,
        newest: 0,
        newest_at: Duration::ZERO,
        is_server: false,
    };

    /// Begins with the refusal of one send.
    fn of_one(ordinal: u64, sent_at: Duration) -> Self {
        let (first, first_at) = (ordinal, sent_at);
        Self { count: 1, first, first_at, newest: ordinal, newest_at: sent_at, ..Self::NONE }
    }

    /// Adds the refusal of a send. Calls sent within `spread` of each other may be heard in another order.
    pub(super) fn refused(&mut self, ordinal: u64, sent_at: Duration, spread: Duration) {
        if self.count == 0 {
            *self = Self::of_one(ordinal, sent_at);
            return;
        }
        self.count += 1;
        if ordinal < self.first {
            (self.first, self.first_at) = (ordinal, sent_at);
        }
        if ordinal > self.newest {
            (self.newest, self.newest_at) = (ordinal, sent_at);
        }
        if self.passed_between(spread) >= 1.0 {
            *self = Self::of_one(ordinal, sent_at);
        }
    }

    /// Counts the refusal of a request that the row has already: it says nothing new of the others.
    pub(super) fn refused_again(&mut self, ordinal: u64, sent_at: Duration) {
        self.repeated += 1;
        if ordinal > self.newest {
            (self.newest, self.newest_at) = (ordinal, sent_at);
        }
    }

    /// Ends the row if the send was served after it began.
    pub(super) fn served(&mut self, ordinal: u64) {
        if self.count > 0 && ordinal > self.first {
            self.count = 0;
        }
    }

    /// Records whether the newest refusal said that the server is unwell.
    pub(super) fn note_scope(&mut self, is_server: bool) {
        self.is_server = is_server;
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Returns whether the row means that nothing is served any more. A few refusals of one burst do not.
    pub(super) fn is_standstill(&self, base: f64, refusal_time: Duration) -> bool {
        is_unlikely(self.count, base) && self.is_spread(refusal_time)
    }

    /// Returns whether the calls of the row left over a longer time than those of one burst.
    fn is_spread(&self, refusal_time: Duration) -> bool {
        let span = self.newest_at.saturating_sub(self.first_at);
        span > (refusal_time * 2).max(Duration::from_millis(50))
    }

    /// Returns whether requests of the row were refused again and again, so that it means the same where few requests are left.
    pub(super) fn is_repeated(&self, base: f64, refusal_time: Duration) -> bool {
        let all = self.count + self.repeated;
        self.repeated >= ENOUGH_REPEATED && is_unlikely(all, base) && self.is_spread(refusal_time)
    }

    /// Returns whether so many were refused at once that it may be a standstill.
    pub(super) fn is_crowd(&self) -> bool {
        self.count >= CROWD
    }

    /// Returns whether a crowd is a standstill, once all that left with it are known: nearly none of them was served.
    pub(super) fn is_closed(&self, base: f64) -> bool {
        let others = (self.newest - self.first + 1).saturating_sub(u64::from(self.count + self.repeated));
        is_unlikely(self.count, base) && self.is_crowd() && others * 10 <= u64::from(self.count)
    }

    /// Returns when a request may go again that was sent so often and whose last refusal is in the row. If the server is unwell,
    /// the request waits for the longer the more often it was sent, so that it has attempts left when a few others have made a
    /// standstill plain.
    pub(super) fn backs_off_until(&self, previous: Option<u64>, attempts: u32) -> Duration {
        if !self.is_server || attempts < 2 || !self.has(previous) {
            return Duration::ZERO;
        }
        let backoff = FIRST_STOP.saturating_mul(1 << (attempts - 2).min(8));
        self.newest_at.saturating_add(backoff.min(LONGEST_BACKOFF))
    }

    /// Returns when the first call of the row left.
    pub(super) fn since(&self) -> Duration {
        self.first_at
    }

    /// Returns whether a call that was sent again had its refusal before in this row.
    pub(super) fn has(&self, previous: Option<u64>) -> bool {
        self.count > 0 && previous.is_some_and(|previous| previous >= self.first)
    }

    /// Estimates how many sends between the first and the newest refusal were not refused. Sends that left just before the
    /// newest may still be refused.
    fn passed_between(&self, spread: Duration) -> f64 {
        let others = (self.newest - self.first + 1).saturating_sub(u64::from(self.count + self.repeated));
        let span = self.newest_at.saturating_sub(self.first_at).as_secs_f64();
        if span <= spread.as_secs_f64() {
            return 0.0;
        }
        others as f64 * (1.0 - spread.as_secs_f64() / span)
    }
}

/// Returns whether chance hardly refuses so many calls in a row.
fn is_unlikely(count: u32, base: f64) -> bool {
    f64::from(count) * (STANDSTILL_SHARE / base).ln() > STANDSTILL
}

impl Default for Row {
    fn default() -> Self {
        Self::NONE
    }
}

#[cfg(test)]
mod tests;
