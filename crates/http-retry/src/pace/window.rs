//! Tells whether a limit is a window: so many calls pass, then none until a time, and then as many again.

mod call_log;
mod claim;

use std::time::Duration;

use self::call_log::CallLog;
pub(super) use self::claim::{Claim, Passed};
use super::constants::{CALM, FEWEST_OF_WINDOW, LEAST_QUEUE, LONG_AGAINST_HINT, SAME_COUNT, UNSURE};
use super::nanos::Nanos;
use super::rate_controller::Moment;

/// The calls between two moments at which a limit was used up, and the claim that it is a window.
///
/// A bucket serves calls all the time. A window that is used up serves none until it ends, and a call that leaves meanwhile tells
/// the two apart. Calls take the places of those that left one length of the window before, so that few are refused, and never
/// before their own hint.
#[derive(Debug)]
pub(super) struct Window {
    log: CallLog,
    /// The time at which the first call left that passed after the limit was used up.
    opened_at: Option<Nanos>,
    /// The time at which the limit was used up last, unless it rested since.
    closed_at: Option<Nanos>,
    /// The calls that passed in the last window.
    passed: f64,
    /// `true` if a probe at the end of a hint was refused.
    has_short_hints: bool,
    claim: Option<Claim>,
}

impl Window {
    /// Begins with the moment at which a limit was used up that had served so many calls at once, or after a rest.
    pub(super) fn new(passed: f64, closed_at: Option<Duration>) -> Self {
        let (log, closed_at) = (CallLog::default(), closed_at.map(Nanos::from));
        Self { log, opened_at: None, closed_at, passed, has_short_hints: false, claim: None }
    }

    pub(super) fn claim(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    /// Returns whether a call was sent to learn when the window ends.
    pub(super) fn is_trial(&self, ordinal: u64) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.is_trial(ordinal))
    }

    /// Returns whether it is not known when the next window begins.
    pub(super) fn is_endless(&self) -> bool {
        self.claim.as_ref().is_some_and(Claim::is_endless)
    }

    /// Notes that a call passed which left at this time, after the limit was used up.
    pub(super) fn opened(&mut self, at: Duration) {
        self.opened_at = Some(at.into());
    }

    /// Notes that the limit refuses longer than its hints say.
    pub(super) fn hints_are_short(&mut self) {
        self.has_short_hints = true;
    }

    /// Records a send.
    pub(super) fn sent(&mut self, ordinal: u64, margin: Duration, now: Duration) {
        if self.log.newest().saturating_add(CALM) < now {
            (self.opened_at, self.closed_at) = (Some(now.into()), None);
        }
        let (mut grain, mut longest) = (GRAIN, LONGEST);
        if let Some(claim) = &mut self.claim {
            if let Some(left) = self.log.before(claim.calls()) {
                claim.sent(ordinal, left, margin, now);
            }
            (grain, longest) = ((claim.most() / GRAINS).min(GRAIN), claim.most().saturating_mul(2));
        }
        self.log.sent(grain, longest, now);
    }

    /// Returns when the next call may go.
    pub(super) fn next(&self, moment: &Moment, margin: Duration) -> Duration {
        let now = moment.now;
        let claim = self.claim.as_ref().filter(|claim| !claim.is_endless());
        let Some((claim, left)) = claim.and_then(|claim| Some((claim, self.log.before(claim.calls())?)))
        else {
            return now;
        };
        let may_try = moment.waiting as f64 >= LEAST_QUEUE && moment.unknown == 0;
        claim.next(left, may_try, margin, moment.patience, now)
    }

    /// Records that a call passed. The claim ends if that disproves it.
    pub(super) fn passed(&mut self, ordinal: u64) -> Passed {
        self.claim.as_mut().map_or(Passed::Plainly, |claim| claim.passed(ordinal))
    }

    /// Records that a call was refused. Returns whether the claim of a window explains it.
    pub(super) fn refused(
        &mut self,
        ordinal: u64,
        sent_at: Duration,
        margin: Duration,
        now: Duration,
    ) -> bool {
        self.log.refused(sent_at);
        let log = &self.log;
        self.claim.as_mut().is_some_and(|claim| {
            let inside = log.since(sent_at.saturating_sub(claim.most()));
            claim.refused(ordinal, sent_at, inside, margin, now)
        })
    }

    /// Frees the memory of calls that do not count any more, after the key was not used for a while.
    pub(super) fn release_rested(&mut self) {
        self.log = CallLog::default();
    }

    /// Takes a refused call out of the log, of whatever reason the refusal was.
    pub(super) fn forget(&mut self, sent_at: Duration) {
        self.log.refused(sent_at);
    }

    /// Records that the limit is used up: refused calls left from `first` to `newest`, and the last one had this hint. Returns
    /// whether the limit is a window, because as many calls passed as in the window before.
    pub(super) fn closed(&mut self, first: Duration, newest: Duration, hint: Duration) -> bool {
        let Some(opened) = self.opened_at.take() else {
            return false;
        };
        let count = self.log.since(opened.get());
        let passed = f64::from(count);
        let is_bounded = self.closed_at.is_some() || !self.has_short_hints;
        let is_same = (passed - self.passed).abs() <= (SAME_COUNT * self.passed).max(UNSURE);
        let is_claim = is_bounded && passed >= FEWEST_OF_WINDOW && is_same;
        if is_claim {
            let hinted = first.saturating_add(hint).saturating_sub(opened.get());
            let most = match self.closed_at.map(|closed| first.saturating_sub(closed.get())) {
                // The hint may be the time of one slot, or too short.
                Some(between) if self.has_short_hints || hinted < between / LONG_AGAINST_HINT => between,
                between => between.unwrap_or(Duration::MAX).min(hinted),
            };
            let least = newest.saturating_sub(first).min(most);
            self.claim = Some(Claim::new(count, least, most, newest));
        }
        (self.passed, self.closed_at) = (passed, Some(first.into()));
        is_claim
    }
}

/// Calls that left within this time are one entry of the log, or within this part of the window.
const GRAIN: Duration = Duration::from_millis(20);
const GRAINS: u32 = 64;
/// The time for which the log reaches back before the length of a window is known.
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
