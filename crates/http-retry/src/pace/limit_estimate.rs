//! The rate of a limit, from what passed between two moments at which it refused.

use std::time::Duration;

use super::constants::UNSURE;
use super::lazy_box::AtRest;
use super::nanos::Nanos;

/// The moments at which the limit was used up, and what had passed until then.
///
/// A limit that refuses at two moments has served just what came free between them. So the rate is known to a few per cent
/// after some twenty calls, however the calls were spread.
#[derive(Debug, Default)]
pub(super) struct LimitEstimate {
    /// The moments that are over.
    before: Vec<PastExhaustion>,
    /// The last one, which may still go on.
    last: Option<Exhaustion>,
    /// The refused calls since the first moment.
    refused: u64,
}

/// A moment that is over.
#[derive(Clone, Copy, Debug)]
struct PastExhaustion {
    /// The time at which the newest refused call left, and the calls that had passed until it.
    newest_at: Nanos,
    passed: u64,
}

/// A moment at which calls were refused.
#[derive(Clone, Copy, Debug)]
struct Exhaustion {
    /// The first and the newest refused call, and when they left.
    first: u64,
    first_at: Duration,
    newest: u64,
    newest_at: Duration,
    /// The refused calls of this moment.
    refused: u64,
    /// The calls of other processes that had passed until the newest.
    others: u64,
    /// The calls that had passed until the newest.
    passed: u64,
}

impl LimitEstimate {
    /// Adds the refusal of a send. Refusals of calls that left within `spread` are one moment. `others` is the number of calls
    /// of other processes that the same limit had served until then.
    pub(super) fn refused(&mut self, ordinal: u64, sent_at: Duration, spread: Duration, others: u64) {
        self.refused += 1;
        let is_same = |last: &&mut Exhaustion| sent_at <= last.first_at.saturating_add(spread);
        if let Some(last) = self.last.as_mut().filter(is_same) {
            last.refused += 1;
            if ordinal > last.newest {
                (last.newest, last.newest_at) = (ordinal, last.newest_at.max(sent_at));
                last.others = others;
            }
            if ordinal < last.first {
                (last.first, last.first_at) = (ordinal, last.first_at.min(sent_at));
            }
            last.passed = (last.newest + 1).saturating_sub(self.refused) + last.others;
            return;
        }
        if self.before.len() + 1 == MOMENTS {
            // Every second one goes, so that they reach back for long enough.
            let mut index = 0;
            self.before.retain(|_| {
                index += 1;
                index % 2 == 0
            });
        }
        self.before.extend(self.last.map(PastExhaustion::from));
        let passed = (ordinal + 1).saturating_sub(self.refused) + others;
        self.last = Some(Exhaustion {
            first: ordinal,
            first_at: sent_at,
            newest: ordinal,
            newest_at: sent_at,
            refused: 1,
            others,
            passed,
        });
    }

    /// Begins anew with a moment at which the limit was used up by others. `sends` is the number of all sends until then.
    #[cfg(feature = "fleet")]
    pub(super) fn begin(&mut self, sends: u64, others: u64, now: Duration) {
        let passed = sends.saturating_sub(self.refused) + others;
        self.before.clear();
        let newest = sends.saturating_sub(1);
        let (first, first_at, newest_at, refused) = (newest, now, now, 0);
        self.last = Some(Exhaustion { first, first_at, newest, newest_at, refused, others, passed });
    }

    /// Counts a refusal that says nothing of the limit.
    pub(super) fn refused_for_itself(&mut self) {
        self.refused += 1;
    }

    /// Forgets all moments but the last.
    pub(super) fn keep_last(&mut self) {
        if !self.before.is_empty() {
            self.before.clear();
        }
    }

    /// Returns the rate and the number of calls that it is known by, from the shortest span until now in which enough
    /// passed, or else from the longest.
    pub(super) fn rate(&self, enough: f64) -> Option<(f64, f64)> {
        let newest = self.last.as_ref()?;
        let spans = self.before.iter().rev().map(|moment| {
            let time = newest.newest_at.saturating_sub(moment.newest_at.get()).as_secs_f64();
            let passed = newest.passed.saturating_sub(moment.passed) as f64;
            (passed, time)
        });
        let spans = spans.take_while(|(_, time)| *time <= LONGEST_SPAN);
        let mut longest = None;
        for (passed, time) in spans.filter(|(_, time)| *time > 0.0) {
            longest = Some((passed / time, passed));
            if passed >= enough {
                break;
            }
        }
        longest
    }

    /// Returns the most that the rate can be, by the spans in which fewer passed than it is known by.
    pub(super) fn most(&self, enough: f64) -> Option<f64> {
        let newest = self.last.as_ref()?;
        let spans = self.before.iter().rev().map(|moment| {
            let time = newest.newest_at.saturating_sub(moment.newest_at.get()).as_secs_f64();
            let passed = newest.passed.saturating_sub(moment.passed) as f64;
            (passed, time)
        });
        let spans = spans.take_while(|(passed, time)| *time <= LONGEST_SPAN && *passed < enough);
        spans
            .filter(|(_, time)| *time > 0.0)
            .map(|(passed, time)| (passed + UNSURE) / time)
            .min_by(f64::total_cmp)
    }

    /// Returns when the first and the newest refused call of the last moment left.
    pub(super) fn last_times(&self) -> Option<(Duration, Duration)> {
        self.last.as_ref().map(|moment| (moment.first_at, moment.newest_at))
    }

    /// Returns how many calls were refused at the last moment.
    pub(super) fn refused_lately(&self) -> f64 {
        self.last.as_ref().map_or(0.0, |moment| moment.refused as f64)
    }

    /// Returns how many calls passed since that send, until the last moment.
    pub(super) fn passed_since(&self, ordinal: u64) -> Option<u64> {
        let newest = self.last.as_ref()?;
        let calls = (newest.newest + 1).saturating_sub(ordinal);
        Some(calls.saturating_sub(newest.refused))
    }
}

impl From<Exhaustion> for PastExhaustion {
    fn from(moment: Exhaustion) -> Self {
        Self { newest_at: moment.newest_at.into(), passed: moment.passed }
    }
}

impl AtRest for LimitEstimate {
    const REST: &'static Self = &Self { before: Vec::new(), last: None, refused: 0 };

    fn is_at_rest(&self) -> bool {
        self.last.is_none()
    }
}

/// The longest time between two moments, in seconds. The limit may have had room in a longer one.
const LONGEST_SPAN: f64 = 30.0;
/// The number of moments that are kept.
const MOMENTS: usize = 16;

#[cfg(test)]
mod tests;
