//! The test of a claim of a limit.

use crate::pace::constants::ENOUGH_FAULTS;

/// The test of a claim: do refusals get rarer where the rate gets lower?
#[derive(Clone, Copy, Debug)]
pub(in crate::pace) struct ClaimTest {
    /// The highest rate since the test began.
    pub(in crate::pace) rate: f64,
    /// The share of refusals when the rate had fallen, and the answers and refusals since.
    pub(in crate::pace) share: f64,
    pub(in crate::pace) answers: u32,
    pub(in crate::pace) refused: u32,
    /// `true` once the rate has fallen.
    pub(in crate::pace) has_fallen: bool,
    /// The number of times in a row that the rate has fallen and the refusals did not get rarer.
    pub(in crate::pace) falls: u8,
    /// The sum of log likelihood ratios of how soon a cut follows the one before.
    pub(in crate::pace) soon: f64,
    /// The sends until the claim.
    sends: u64,
    /// The requests that were refused since the claim, and those that were found to be at fault since. Both are halved now and
    /// then.
    all_refused: u8,
    faults: u8,
}

impl ClaimTest {
    /// Creates the test of a claim that was made after so many sends.
    pub(in crate::pace) fn new(rate: f64, sends: u64) -> Self {
        Self {
            rate,
            share: 0.0,
            answers: 0,
            refused: 0,
            has_fallen: false,
            falls: 0,
            soon: 0.0,
            sends,
            all_refused: 0,
            faults: 0,
        }
    }

    /// Begins to count anew from a rate.
    pub(in crate::pace) fn begin(&mut self, rate: f64) {
        let Self { falls, soon, sends, all_refused, faults, .. } = *self;
        *self = Self { falls, soon, all_refused, faults, ..Self::new(rate, sends) };
    }

    /// Counts a refusal. `previous` is the attempt of the same request before: a request counts once, however often it is
    /// refused, because it is at fault once.
    pub(in crate::pace) fn count_refused(&mut self, previous: Option<u64>) {
        if previous.is_some_and(|previous| previous >= self.sends) {
            return;
        }
        if self.all_refused == u8::MAX {
            (self.all_refused, self.faults) = (self.all_refused / 2, self.faults / 2);
        }
        self.all_refused += 1;
    }

    /// Counts a request that was found to be at fault. Returns whether the claim came of such requests.
    pub(in crate::pace) fn found_fault(&mut self) -> bool {
        self.faults = self.faults.saturating_add(1);
        self.faults >= ENOUGH_FAULTS && self.faults >= self.all_refused / 2
    }
}
