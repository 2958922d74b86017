//! The evidence for a limit of how many at a time, while none is known.

use std::time::Duration;

use crate::pace::constants::PLAIN_BESIDE;
use crate::pace::lazy_box::AtRest;
use crate::pace::nanos::Nanos;

/// The numbers of other calls in flight when calls were served, and when calls were refused.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InFlightEvidence {
    most_passed: u32,
    passed: u32,
    least_refused: u32,
    refused: u32,
    /// The times of the first refusal and of the last case.
    since: Nanos,
    refused_at: Nanos,
    pub(super) beside: Beside,
}

/// The evidence of calls that left while the server was known to have taken all others in flight. So the number of others is
/// exact, also after a crowd whose calls were refused for the most part.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beside {
    /// The number of others beside which calls are refused.
    most: u32,
    refused: u32,
    passed: u32,
    /// The calls that were refused beside fewer, or passed beside as many. An answer that is under way makes some of them.
    against: u32,
    /// `true` from a refused call until one passes: the refusals in between are one case.
    is_refused: bool,
}

impl InFlightEvidence {
    /// Notes a refusal. Refusals of one crowd are one case.
    pub(super) fn refused(&mut self, others: u32, refusal_time: Duration, now: Duration) {
        self.least_refused = if self.refused == 0 { others } else { self.least_refused.min(others) };
        if self.refused == 0 {
            self.since = now.into();
        }
        if self.refused == 0 || now > self.refused_at.get().saturating_add(refusal_time * 4) {
            self.refused += 1;
            self.refused_at = now.into();
        }
        self.forget();
    }

    /// Notes a served call. Those that left before the first refusal may have passed because the limit was not used up yet.
    pub(super) fn passed(&mut self, others: u32, sent_at: Duration) {
        if self.refused > 0 && sent_at >= self.since.get() {
            self.most_passed = self.most_passed.max(others);
            self.passed += 1;
            self.forget();
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        let Self { most_passed, passed, least_refused, refused, .. } = *self;
        refused >= PLAIN && passed >= PLAIN && least_refused >= 1 && most_passed < least_refused
            || self.beside.is_plain()
    }

    /// Begins anew after a while, because a limit may change.
    fn forget(&mut self) {
        if self.refused + self.passed > FORGETS {
            *self = Self { beside: self.beside, ..Self::default() };
        }
    }
}

impl Beside {
    const NONE: Self = Self { most: 0, refused: 0, passed: 0, against: 0, is_refused: false };

    /// Notes a refusal beside so many others.
    pub(super) fn refused(&mut self, others: u32) {
        let is_case = u32::from(!std::mem::replace(&mut self.is_refused, true));
        if self.refused == 0 {
            *self = Self { most: others, refused: 1, is_refused: true, ..Self::NONE };
        } else if others < self.most {
            self.against += is_case;
        } else if others == self.most {
            self.refused += is_case;
        }
        self.forget();
    }

    /// Notes that a call passed beside so many others.
    pub(super) fn passed(&mut self, others: u32) {
        self.is_refused = false;
        if self.refused > 0 {
            let count = if others < self.most { &mut self.passed } else { &mut self.against };
            *count += 1;
            self.forget();
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        let (refused, passed) = (self.refused, self.passed);
        self.most >= 1 && refused.min(passed) >= PLAIN_BESIDE && 5 * self.against <= refused + passed
    }

    /// Begins anew if as much speaks against it, or after a while.
    fn forget(&mut self) {
        if self.against >= self.refused || self.refused + self.passed > FORGETS_BESIDE {
            *self = Self { is_refused: self.is_refused, ..Self::NONE };
        }
    }
}

impl AtRest for InFlightEvidence {
    const REST: &'static Self = &Self {
        most_passed: 0,
        passed: 0,
        least_refused: 0,
        refused: 0,
        since: Nanos::ZERO,
        refused_at: Nanos::ZERO,
        beside: Beside::NONE,
    };

    fn is_at_rest(&self) -> bool {
        self.passed == 0 && self.refused == 0 && self.beside.refused == 0
    }
}

/// The cases of refused and of served calls that make a limit of how many at a time plain, whatever their hints.
const PLAIN: u32 = 5;
/// The calls after which the evidence is collected anew.
const FORGETS: u32 = 200;
/// The cases after which that of calls beside known others is.
const FORGETS_BESIDE: u32 = 40;

#[cfg(test)]
mod tests;
