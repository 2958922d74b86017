//! The claim that a limit is a window: so many calls in each span of a length that is learned.

use std::time::Duration;

use crate::pace::constants::{
    CLAIMED_AGAIN, DISPROVED_BEFORE, FEWER, MISSES, OPENED_TWICE, PASSED_AGAIN, PROVING_PART, WINDOW_GONE,
    WINDOW_UNSURE, WINDOW_WIDER,
};
use crate::pace::nanos::Nanos;

/// The claim that the limit serves so many calls in each span of its length.
#[derive(Clone, Debug)]
pub(in crate::pace) struct Claim {
    count: u32,
    /// A call still counts after this time.
    least: Duration,
    /// A call does not count any more after this time.
    most: Duration,
    trial: Option<Trial>,
    /// The time at which the last trial left.
    tried_at: Nanos,
    /// The time before which no other trial goes.
    trial_from: Nanos,
    /// The time at which the window was used up when the claim was made.
    closed_at: Nanos,
    /// The times in a row that a call passed after `most`, and when the last of these calls left.
    openings: u8,
    opened_at: Nanos,
    /// The refusals that the claim did not foresee, since a trial was served.
    misses: u8,
    /// Refusals of calls that left before this time belong to the last such refusal.
    missed_at: Nanos,
    /// `true` if that refusal showed that the window has fewer calls.
    has_fewer: bool,
    /// The number of calls and the length with which the claim began.
    first: (u32, Duration),
    /// `true` once a call was refused that a limit of the same rate would have served.
    is_proven: bool,
    /// `true` once as many passed as in the windows before.
    has_passed: bool,
}

/// A call that leaves while the window is taken to be used up.
#[derive(Clone, Copy, Debug)]
struct Trial {
    ordinal: u64,
    /// The time since the call left whose place it takes.
    age: Duration,
}

/// The meaning of a call that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pace) enum Passed {
    /// The call tells nothing of the window.
    Plainly,
    /// The window has begun, and it is not known yet whether all of its calls pass.
    Opened,
    /// The limit is no window.
    Disproved,
    /// The limit is no more.
    Gone,
}

impl Claim {
    /// Claims that `count` calls pass in each span of a length between `least` and `most`.
    pub(super) fn new(count: u32, least: Duration, most: Duration, closed_at: Duration) -> Self {
        Self {
            count,
            least,
            most,
            trial: None,
            tried_at: Nanos::ZERO,
            trial_from: Nanos::ZERO,
            closed_at: closed_at.into(),
            openings: 0,
            opened_at: Nanos::ZERO,
            misses: 0,
            missed_at: closed_at.into(),
            has_fewer: true,
            first: (count, most),
            is_proven: false,
            has_passed: false,
        }
    }

    pub(in crate::pace) fn count(&self) -> f64 {
        f64::from(self.count)
    }

    pub(in crate::pace) fn rate(&self) -> f64 {
        self.count() / self.most.max(Duration::from_millis(1)).as_secs_f64()
    }

    pub(super) fn calls(&self) -> u32 {
        self.count
    }

    pub(super) fn most(&self) -> Duration {
        self.most
    }

    /// Returns whether it is not known when the next window begins. Then a stop finds out.
    pub(super) fn is_endless(&self) -> bool {
        self.most == ENDLESS
    }

    pub(super) fn is_trial(&self, ordinal: u64) -> bool {
        self.trial.is_some_and(|trial| trial.ordinal == ordinal)
    }

    /// Records a send that takes the place of a call that left at this time.
    pub(super) fn sent(&mut self, ordinal: u64, left: Duration, margin: Duration, now: Duration) {
        let age = now.saturating_sub(left);
        let until = self.most.saturating_add(margin);
        if now > self.tried_at.get().saturating_add(self.most.saturating_mul(CLAIMED_AGAIN)) {
            // The limit may have been lifted since.
            self.least = Duration::ZERO;
        }
        let is_next = left >= self.opened_at.get();
        self.has_passed |= self.openings > 0 && is_next;
        if age < until || self.openings < OPENED_TWICE && is_next && age < self.most.saturating_mul(2) {
            self.trial = Some(Trial { ordinal, age });
            self.tried_at = now.into();
            self.trial_from = now.saturating_add(until.saturating_sub(age)).into();
        }
    }

    /// Returns when the next call may go, which takes the place of a call that left at this time. `may_try` says whether a call
    /// may be spent to learn when the window ends.
    pub(super) fn next(
        &self,
        left: Duration,
        may_try: bool,
        margin: Duration,
        patience: Duration,
        now: Duration,
    ) -> Duration {
        let at = left.saturating_add(self.most).saturating_add(margin).max(now);
        let is_tried = self.trial.is_some() && now < self.tried_at.get().saturating_add(patience * 2);
        if is_tried {
            // The others wait for its answer where it is not sure that the window has begun.
            return if self.openings < OPENED_TWICE { at.max(now.saturating_add(patience)) } else { at };
        }
        if !self.is_proven {
            let proves = self.closed_at.get().saturating_add(self.most.mul_f64(PROVING_PART));
            return proves.clamp(now, at);
        }
        let is_unsure =
            self.most.saturating_sub(self.least) > self.most.mul_f64(WINDOW_UNSURE).max(margin * 2);
        if is_unsure && may_try && now >= self.trial_from.get() {
            return left.saturating_add((self.least + self.most) / 2).clamp(now, at);
        }
        at
    }

    /// Records that a call passed.
    pub(super) fn passed(&mut self, ordinal: u64) -> Passed {
        let Some(Trial { age, .. }) = self.trial.take_if(|trial| trial.ordinal == ordinal) else {
            return Passed::Plainly;
        };
        if !self.is_proven && age < self.most.mul_f64(DISPROVED_BEFORE) {
            return Passed::Disproved;
        }
        self.is_proven = true;
        self.most = self.most.min(age);
        self.least = self.least.min(age);
        self.openings = self.openings.saturating_add(1);
        self.opened_at = self.tried_at;
        self.misses = 0;
        match () {
            () if self.most < self.first.1 / WINDOW_GONE => Passed::Gone,
            () if self.has_passed => Passed::Plainly,
            () => Passed::Opened,
        }
    }

    /// Records that a call was refused. `inside` is the number of calls in the span before it. Returns whether the claim holds.
    pub(super) fn refused(
        &mut self,
        ordinal: u64,
        sent_at: Duration,
        inside: u32,
        margin: Duration,
        now: Duration,
    ) -> bool {
        if let Some(Trial { age, .. }) = self.trial.take_if(|trial| trial.ordinal == ordinal) {
            self.least = self.least.max(age);
            if !std::mem::replace(&mut self.is_proven, true) {
                self.trial_from = now.into();
            }
            if self.least >= self.most {
                (self.most, self.openings) = (ENDLESS, 0);
            }
            return true;
        }
        if !self.has_passed && f64::from(inside) < PASSED_AGAIN * self.count() {
            return false;
        }
        if sent_at < self.missed_at.get() {
            if self.has_fewer {
                self.count = self.count.min(inside).max(1);
            }
        } else {
            self.misses += 1;
            self.missed_at = now.into();
            // A call that is refused when the window has hardly begun came before its begin.
            self.has_fewer = f64::from(inside) >= FEWER * self.count();
            if self.has_fewer {
                self.count = inside.max(1);
            } else {
                self.least = self.most;
                self.most = self.most.mul_f64(WINDOW_WIDER).saturating_add(margin);
                self.openings = 0;
            }
        }
        self.misses <= MISSES && self.count() >= FEWER * f64::from(self.first.0)
    }
}

/// The length of a window of which it is not known when it ends.
const ENDLESS: Duration = Duration::from_secs(1_000_000);
