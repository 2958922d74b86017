//! One quota: a bucket that refills all the time, or a window.

use std::time::Duration;

use super::bucket::RefillingQuota;
use super::sends::{Heard, Open, Sends};
use super::window::WindowQuota;
use crate::pace::evidence::{Announced, Means, Unit};

/// One announced quota.
#[derive(Debug)]
pub(super) struct AnnouncedLimit {
    name: u64,
    alternatives: Option<u64>,
    unit: Unit,
    size: Option<u64>,
    state: State,
    /// The highest ordinal of the requests whose answers announced this quota.
    newest: u64,
    /// The latest reset that the server announced.
    resets_at: Duration,
    /// The number of answers that announced this quota.
    answers: u32,
}

#[derive(Debug)]
enum State {
    Bucket(RefillingQuota),
    Window(WindowQuota),
}

impl AnnouncedLimit {
    pub(super) fn new(announced: &Announced, heard: &Heard) -> Self {
        let state = match (announced.means, announced.limit) {
            (Means::FullAgain, Some(size)) => State::Bucket(RefillingQuota::new(announced, size, heard)),
            _ => State::Window(WindowQuota::new(announced, heard)),
        };
        Self {
            name: announced.name,
            alternatives: announced.alternatives,
            unit: announced.unit,
            size: announced.limit,
            state,
            newest: heard.order,
            resets_at: heard.now.saturating_add(announced.reset),
            answers: 1,
        }
    }

    pub(super) fn name(&self) -> u64 {
        self.name
    }

    /// Returns whether a request that this quota counts may be one that the other does not count, and the reverse.
    pub(super) fn is_alternative_to(&self, other: &Self) -> bool {
        self.alternatives.is_some() && self.alternatives == other.alternatives
    }

    /// Returns whether the quota does not count all requests, and has come with few answers. After more, it counts nearly
    /// all requests.
    pub(super) fn is_new_alternative(&self) -> bool {
        self.alternatives.is_some() && self.answers < ANSWERS
    }

    pub(super) fn hear(&mut self, announced: &Announced, heard: &Heard, sends: &Sends, open: &Open) {
        self.answers = self.answers.saturating_add(1);
        // An answer to an older request may tell of a time when there was more.
        let is_newest = heard.order > self.newest;
        let is_window = announced.limit.is_none() || announced.means == Means::WindowEnds;
        let is_same_kind = is_window == matches!(self.state, State::Window(_));
        if announced.limit != self.size || !is_same_kind {
            if is_newest {
                *self = Self { answers: self.answers, ..Self::new(announced, heard) };
            }
            return;
        }
        if is_newest {
            self.newest = heard.order;
            self.resets_at = heard.now.saturating_add(announced.reset);
        }
        match &mut self.state {
            State::Bucket(bucket) => bucket.hear(announced, heard, is_newest, sends, open),
            State::Window(window) => window.hear(announced, heard, is_newest, sends, open),
        }
    }

    /// Returns the amount that a request of this cost takes. One that costs more than the whole quota takes all of it.
    pub(super) fn share_of(&self, cost: u32) -> f64 {
        let amount = match self.unit {
            Unit::Requests => 1.0,
            Unit::Units => f64::from(cost),
        };
        self.size.map_or(amount, |size| amount.min(size as f64))
    }

    pub(super) fn admits_at(&self, cost: u32, sends: &Sends, now: Duration) -> Duration {
        let amount = self.share_of(cost);
        match &self.state {
            State::Bucket(bucket) => bucket.has_at(amount, now),
            State::Window(window) => window.has_at(amount, self.unit, sends, now),
        }
    }

    /// Returns how much there is beyond a tenth of the quota.
    pub(super) fn spare(&self, sends: &Sends, now: Duration) -> f64 {
        let level = match &self.state {
            State::Bucket(bucket) => bucket.level_at(now),
            State::Window(window) => window.level_at(self.unit, sends, now),
        };
        level - self.size.map_or(level, |size| size as f64) / 10.0
    }

    pub(super) fn take(&mut self, cost: u32, sends: &Sends, now: Duration) {
        self.add(-self.share_of(cost), sends, now);
    }

    pub(super) fn add(&mut self, amount: f64, sends: &Sends, now: Duration) {
        match &mut self.state {
            State::Bucket(bucket) => bucket.add(amount, now),
            State::Window(window) => window.add(amount, self.unit, sends, now),
        }
    }

    /// Takes what a bucket seemed to have when the server refused a request, unless the refusal itself announces that the
    /// bucket is full: then the request has met another limit. A window keeps its level: the refusal may have come at the
    /// very end of the last one, and what it announces is heard.
    pub(super) fn refused(&mut self, announced: &[Announced], now: Duration) {
        let is_full = |announced: &Announced| announced.limit.is_some_and(|size| announced.remaining >= size);
        let is_this = |announced: &&Announced| announced.name == self.name;
        if announced.iter().find(is_this).is_some_and(is_full) {
            return;
        }
        if let State::Bucket(bucket) = &mut self.state {
            bucket.empty(now);
        }
    }

    /// Returns whether the quota counts no more: its reset was a minute ago, or the key is not in use.
    pub(super) fn is_forgotten(&self, last_used: Duration, now: Duration) -> bool {
        now >= self.resets_at.saturating_add(AFTER_RESET) || now >= last_used.saturating_add(AFTER_USE)
    }
}

/// The answers after which a quota is taken for that of nearly all requests.
const ANSWERS: u32 = 3;
/// The time for which a quota is remembered after its reset. Other callers may have used it meanwhile.
const AFTER_RESET: Duration = Duration::from_secs(60);
/// The time for which a quota is remembered after the last use of its key.
const AFTER_USE: Duration = Duration::from_secs(600);
