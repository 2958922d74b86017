//! A limit of how many calls may be in flight at a time.

mod evidence;

use std::time::Duration;

use self::evidence::InFlightEvidence;
use super::constants::{DISPROVED, ENOUGH_FAULTS, MOST_BY_CHANCE};
use super::lazy_box::LazyBox;

/// The limit of how many at a time, if the key has one.
#[derive(Debug, Default)]
pub(super) struct AtATime {
    limit: Option<Box<InFlightLimit>>,
    evidence: LazyBox<InFlightEvidence>,
    /// The weight of the evidence against such a limit: claims were dropped, because calls beside few others were refused all the same.
    dropped: u8,
}

/// The cause of refused calls that is not a limit of how many at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Disproof {
    /// Chance refuses this share of them.
    Chance(f64),
    /// A limit of another kind, because the share is too large for chance.
    AnotherLimit,
}

#[derive(Debug)]
struct InFlightLimit {
    most: f64,
    claimed_at: Duration,
    /// `true` once a call has passed since the claim.
    has_passed: bool,
    /// The time until which refusals of the crowd that met the limit arrive.
    learns_until: Duration,
    cut_at: Duration,
    /// The calls that passed since the last change.
    passed: f64,
    /// `true` until the first refusal after the claim: the first measure is too low, because answers came meanwhile.
    is_first: bool,
    /// The most that were in flight, and the refused and all answers of calls that left beside clearly fewer.
    claimed: f64,
    refused: f64,
    answers: f64,
    /// The calls that were refused after the crowd that met the limit, the last of them, and how many left next to the one before.
    later: u32,
    last: u64,
    adjacent: u32,
    /// The refusals in a row of calls that each left beside fewer others than the one before, the first of those calls, and
    /// the fewest others.
    row: u32,
    row_from: u64,
    row_least: u32,
    /// All refusals since the claim, and the requests that were found to be at fault since.
    all_refused: u32,
    faults: u32,
}

impl AtATime {
    /// Returns the limit.
    pub(super) fn most(&self) -> Option<f64> {
        self.limit.as_ref().map(|limit| limit.most)
    }

    pub(super) fn is_known(&self) -> bool {
        self.limit.is_some()
    }

    /// Returns whether refusals without a hint mean no such limit, because claims of one were dropped.
    pub(super) fn is_disproved(&self) -> bool {
        self.dropped >= DISPROVED
    }

    /// Frees the evidence for a limit, after the key was not used for a while.
    pub(super) fn release_rested(&mut self) {
        self.evidence.reset();
        self.dropped = 0;
    }

    /// Forgets the limit and the evidence for one: another rule explains the refusals.
    pub(super) fn forget(&mut self) {
        self.limit = None;
        self.evidence.reset();
    }

    /// Returns whether one more call may go beside so many in flight.
    pub(super) fn has_room(&self, in_flight: u64) -> bool {
        self.limit.as_ref().is_none_or(|limit| (in_flight as f64) < limit.most.floor().max(1.0))
    }

    /// Forgets a claim that nothing supports: no call is in flight any more, and none has passed since.
    /// Returns when the claim was made.
    pub(super) fn forget_if_closed(&mut self, in_flight: u64) -> Option<Duration> {
        let is_closed = |limit: &mut Box<InFlightLimit>| in_flight == 0 && !limit.has_passed;
        self.limit.take_if(is_closed).map(|limit| limit.claimed_at)
    }

    /// Claims a limit of as many as are in flight when the crowd that met it is known.
    pub(super) fn claim(&mut self, in_flight: u64, learns_until: Duration, claimed_at: Duration) {
        let most = (in_flight as f64).max(1.0);
        let (cut_at, is_first, passed) = (learns_until, true, 0.0);
        let (claimed, refused, answers) = (most, 0.0, 0.0);
        let (later, last, adjacent) = (0, 0, 0);
        let (has_passed, row, row_from, row_least, all_refused, faults) = (false, 0, 0, 0, 0, 0);
        self.limit = Some(Box::new(InFlightLimit {
            most,
            claimed_at,
            has_passed,
            learns_until,
            cut_at,
            passed,
            is_first,
            claimed,
            refused,
            answers,
            later,
            last,
            adjacent,
            row,
            row_from,
            row_least,
            all_refused,
            faults,
        }));
    }

    /// Notes the refusal of a call that left beside so many others, while no limit is known.
    /// Refusals of one crowd are one case.
    pub(super) fn note_refused(&mut self, others: u32, refusal_time: Duration, now: Duration) {
        self.evidence.refused(others, refusal_time, now);
    }

    /// Notes the refusal of a call that left beside so many others, while the server was known to have taken all of them.
    pub(super) fn refused_beside(&mut self, others: Option<u32>) {
        if let Some(others) = others.filter(|_| self.limit.is_none()) {
            self.evidence.beside.refused(others);
        }
    }

    /// Notes that a call passed, and beside how many others, if the server was known to have taken all of them.
    pub(super) fn passed_beside(&mut self, ordinal: u64, others: Option<u32>) {
        if let Some(limit) = self.limit.as_mut().filter(|limit| ordinal >= limit.row_from) {
            limit.row = 0;
        }
        if let Some(others) = others.filter(|_| self.limit.is_none())
            && let Some(evidence) = self.evidence.present_mut()
        {
            evidence.beside.passed(others);
        }
    }

    /// Returns whether calls were refused beside so many others, and served beside fewer, in so many cases that nothing
    /// else explains it.
    pub(super) fn is_plain(&self) -> bool {
        self.evidence.is_plain()
    }

    /// Counts a request that was found to be at fault. Returns whether the claim is dropped, because it came of such refusals.
    pub(super) fn found_fault(&mut self) -> bool {
        let Some(limit) = &mut self.limit else {
            return false;
        };
        limit.faults += 1;
        let is_dropped = limit.faults >= u32::from(ENOUGH_FAULTS) && 2 * limit.faults >= limit.all_refused;
        if is_dropped {
            self.limit = None;
            self.evidence.reset();
        }
        is_dropped
    }

    /// Counts a call that passed beside so many others, and lets the limit grow by an eighth after some rounds.
    pub(super) fn passed(&mut self, others: u32, sent_at: Duration, is_pressed: bool) {
        if let Some(evidence) = self.evidence.present_mut() {
            evidence.passed(others, sent_at);
        }
        let Some(limit) = &mut self.limit else {
            return;
        };
        limit.has_passed = true;
        if sent_at < limit.learns_until {
            return;
        }
        limit.claimed = limit.claimed.max(f64::from(others) + 1.0);
        limit.answers += limit.low(others);
        limit.passed += f64::from(u8::from(is_pressed));
        let rounds = if limit.is_first { FIRST_ROUNDS } else { ROUNDS };
        if limit.passed >= rounds * limit.most {
            limit.most += (limit.most / 8.0).max(0.5);
            limit.passed = 0.0;
        }
    }

    /// Lowers the limit after the refusal of a call that left beside so many others, when so many are in flight. It is dropped
    /// if fewer are in flight, and calls are refused all the same. Then this returns what refuses them.
    pub(super) fn refused(
        &mut self,
        ordinal: u64,
        others: u32,
        in_flight: u64,
        sent_at: Duration,
        now: Duration,
    ) -> Option<Disproof> {
        let limit = self.limit.as_mut()?;
        limit.all_refused += 1;
        if now <= limit.learns_until {
            limit.most = limit.most.min((in_flight as f64).max(1.0));
            limit.claimed = limit.most;
            return None;
        }
        limit.count_adjacent(ordinal);
        if sent_at < limit.cut_at {
            return None;
        }
        limit.answers += limit.low(others);
        limit.refused += limit.low(others);
        let share = limit.refused / limit.answers.max(1.0);
        limit.lengthen_row(ordinal, others);
        let is_tested = limit.refused >= TESTED && share > NONE_REFUSED;
        let is_clustered = f64::from(limit.adjacent) >= CLUSTERED * f64::from(limit.later);
        if is_tested || limit.row >= REFUSED_BESIDE_FEWER {
            self.limit = None;
            self.evidence.reset();
            let is_chance = is_tested && share <= MOST_BY_CHANCE && !is_clustered;
            self.dropped = self.dropped.saturating_add(if is_chance { 1 } else { DISPROVED });
            return Some(if is_chance { Disproof::Chance(share) } else { Disproof::AnotherLimit });
        }
        let most = f64::from(others).min(limit.most);
        limit.most = most.max(0.9 * limit.most).max(1.0);
        limit.cut_at = now;
        limit.passed = 0.0;
        limit.is_first = false;
        None
    }
}

impl InFlightLimit {
    /// Counts the refusal of a call that left beside fewer others than those of the row.
    fn lengthen_row(&mut self, ordinal: u64, others: u32) {
        if self.row == 0 {
            (self.row, self.row_from, self.row_least) = (1, ordinal, others);
        } else if others < self.row_least {
            (self.row, self.row_least) = (self.row + 1, others);
        }
    }

    /// Counts a refused call, and whether it left next to the last one.
    fn count_adjacent(&mut self, ordinal: u64) {
        self.adjacent += u32::from(self.later > 0 && ordinal.abs_diff(self.last) <= NEXT);
        (self.later, self.last) = (self.later + 1, ordinal);
    }

    /// Returns 1 for a call that left beside so few others that no such limit would refuse it: beside none, or beside
    /// clearly fewer than were served at a time.
    fn low(&self, others: u32) -> f64 {
        f64::from(u8::from(others == 0 || f64::from(others) + 1.0 < LOW * self.claimed))
    }
}

/// Calls beside this part of what was served before are not refused by a limit of how many at a time.
const LOW: f64 = 0.8;
/// The refusals of such calls after which the claim is dropped, if they are more than this share.
const TESTED: f64 = 4.0;
const NONE_REFUSED: f64 = 0.01;
/// The part of all refused calls that leave next to each other at a limit of another kind. Chance refuses each call as often,
/// whether or not the one before was refused.
const CLUSTERED: f64 = 0.6;
/// Calls that leave next to each other may be this far apart, because others that were served reached the server between them.
const NEXT: u64 = 2;
/// The refusals in a row of calls that each left beside fewer others than the one before, after which the claim is dropped.
/// Such a limit serves the first of them.
const REFUSED_BESIDE_FEWER: u32 = 4;
/// The rounds without a refusal after which the limit grows.
const ROUNDS: f64 = 8.0;
/// The rounds after which it grows before its first refusal.
const FIRST_ROUNDS: f64 = 1.0;

#[cfg(test)]
mod tests;
