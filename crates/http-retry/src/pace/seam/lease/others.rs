//! The sends of the other members that were served, as the store tells them.

use std::time::Duration;

use crate::fleet::entry::LeaseAnswer;

/// The number of sends of the other members that were served, since this one heard of them first.
///
/// The store has what each member told with its last question, so the number is late by about a lease. Differences of it are
/// right all the same while the members go on alike.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// The sum of the last answer, and the time at which its entry was made.
    sum: i64,
    born: i64,
    /// What this member told with its open question.
    told: i64,
    /// The sends of all members since the rate changed.
    since_rate: i64,
    last: Mark,
    /// Earlier numbers, from which the rate follows.
    marks: [Mark; 2],
}

/// A number and the time of the answer that told it.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    at: Duration,
    count: f64,
    /// The sends of all members until then, this one's too.
    of_all: f64,
}

impl Others {
    /// Notes what this member tells with a question.
    pub(super) fn asked(&mut self, told: i64) {
        self.told = told;
    }

    /// Takes in the sum of an answer.
    pub(super) fn answered(&mut self, answer: &LeaseAnswer, lease: Duration, now: Duration) {
        let is_same = self.born == answer.born && answer.sum >= self.sum && self.sum > 0;
        let more = if is_same { (answer.sum - self.sum - self.told).max(0) } else { 0 };
        let all = if is_same { answer.sum - self.sum } else { 0 };
        let (count, of_all) = (self.last.count + more as f64, self.last.of_all + all as f64);
        self.since_rate += all;
        (self.sum, self.born) = (answer.sum, answer.born);
        self.last = Mark { at: now, count, of_all };
        if !is_same {
            self.marks = [self.last; 2];
        } else if now >= self.marks[1].at.saturating_add(lease * 2) {
            self.marks = [self.marks[1], self.last];
        }
    }

    /// Returns whether the store tells the sum. The scripts of an earlier release do not.
    pub(super) fn are_known(&self) -> bool {
        self.sum > 0
    }

    /// Notes that the rate of all is another one.
    pub(super) fn begin_rate(&mut self) {
        self.since_rate = 0;
    }

    /// Returns how many sends of all members were served at the rate that holds.
    pub(super) fn since_rate(&self) -> i64 {
        self.since_rate
    }

    /// Returns the rate at which all members were served in the last leases, in sends per second.
    pub(super) fn rate_of_all(&self) -> f64 {
        let span = self.last.at.saturating_sub(self.marks[0].at).as_secs_f64();
        if span > 0.0 { (self.last.of_all - self.marks[0].of_all) / span } else { 0.0 }
    }

    /// Returns the number at a time near the last answer.
    pub(super) fn until(&self, at: Duration) -> u64 {
        let span = self.last.at.saturating_sub(self.marks[0].at).as_secs_f64();
        let rate = if span > 0.0 { (self.last.count - self.marks[0].count) / span } else { 0.0 };
        let since = at.as_secs_f64() - self.last.at.as_secs_f64();
        (self.last.count + rate * since.min(LONGEST)).max(0.0) as u64
    }
}

/// The time, in seconds, for which the others are taken to go on at their rate.
const LONGEST: f64 = 0.5;
