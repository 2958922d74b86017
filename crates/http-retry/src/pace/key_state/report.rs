//! The state of a key for people.

use std::time::Duration;

use super::KeyState;
use crate::pace::key_entry::KeyEntry;
use crate::pace::learned_limit::LearnedLimit;
use crate::pace::window::Claim;
use crate::pace::{PaceReport, Why};

impl KeyState {
    /// Describes the key.
    pub(in crate::pace) fn report(&self, entry: &KeyEntry, now: Duration) -> PaceReport {
        let (claim, limit) = (self.control.window_claim(), self.control.limit());
        let slot_why = match (self.control.stop_ref(), &self.control.opening(), limit) {
            (Some(stop), _, _) if stop.until() > now => Some(Why::Stopped),
            (Some(_), _, _) => Some(Why::Probe),
            (None, Some(opening), _) if opening.stopped_since().is_none() => Some(Why::SlowStart),
            (None, Some(_), _) | (None, None, Some(_)) => Some(Why::Rate),
            (None, None, None) if claim.is_some() => Some(Why::Rate),
            (None, None, None) if self.at_a_time.is_known() => Some(Why::AtATime),
            (None, None, None) if self.traffic.quotas.is_known(now) => Some(Why::Quota),
            (None, None, None) => None,
        };
        PaceReport {
            key: entry.key,
            why: slot_why,
            rate: claim.map(Claim::rate).or(limit.map(LearnedLimit::rate)),
            burst: claim.map(Claim::count).or(limit.map(LearnedLimit::burst)),
            at_a_time: self.at_a_time.most(),
            stopped_for: self
                .control
                .stop_ref()
                .map(|stop| stop.until().saturating_sub(now))
                .filter(|time| !time.is_zero()),
            refused_share: self.control.long_share(),
            base_share: self.control.base(),
            waiting: self.traffic.queue.len(),
            in_flight: self.in_flight(entry),
        }
    }
}
