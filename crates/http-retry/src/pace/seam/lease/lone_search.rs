//! The search for an unknown rate that one member makes after a quiet, while the others wait for it.

use std::time::Duration;

use super::{LeaseState, Moment};

/// A search of this member that the others wait for.
#[derive(Clone, Copy, Debug)]
pub(in crate::pace) struct LoneSearch {
    began: Duration,
    /// The sends of this member that were served until then.
    served_before: u64,
    /// The time at which the others heard last that the search goes on.
    told_at: Duration,
}

impl LoneSearch {
    pub(super) fn new(moment: &Moment) -> Self {
        Self { began: moment.now, served_before: moment.served, told_at: moment.now }
    }

    /// Returns the rate at which the limit has served the member, unless too few were served to tell. Requests waited until now,
    /// so it was not the requests that were few.
    pub(in crate::pace) fn served_rate(&self, moment: &Moment) -> Option<f64> {
        let served = moment.served.saturating_sub(self.served_before) as f64;
        let time = moment.now.saturating_sub(self.began).as_secs_f64();
        (served >= ENOUGH_SERVED).then_some(served / time)
    }
}

impl LeaseState {
    /// Returns whether the others wait for this member to find the rate, so that all that is served is its own.
    pub(in crate::pace) fn searches_alone(&self, moment: &Moment) -> bool {
        let is_heard = |search: LoneSearch| moment.now < search.told_at.saturating_add(SEARCH);
        self.gap == 0 && self.is_joined() && moment.members > 1 && self.lone_search.is_some_and(is_heard)
    }

    /// Returns when the others have to hear that the search goes on. They do not wait for a limit that may be none, for requests
    /// that are gone, or for longer than a search takes.
    pub(super) fn lone_search_goes_on_at(&self, moment: &Moment) -> Option<Duration> {
        let search = self.lone_search.filter(|_| self.searches_alone(moment))?;
        let lasted = moment.now.saturating_sub(search.began);
        let goes_on = moment.is_plain && moment.waiting > 0 && lasted < LONGEST_SEARCH;
        goes_on.then_some(search.told_at.saturating_add(SEARCH / 2).max(moment.now))
    }

    /// Returns whether the others have to hear now that the search goes on, and takes it that they do.
    pub(super) fn goes_on_alone(&mut self, moment: &Moment) -> bool {
        let is_due = self.lone_search_goes_on_at(moment).is_some_and(|at| at <= moment.now);
        if let Some(search) = self.lone_search.as_mut().filter(|_| is_due) {
            search.told_at = moment.now;
        }
        is_due
    }

    /// Ends the search once this member has no more requests, or has searched for long. Returns the search if it has just ended.
    pub(in crate::pace) fn end_lone_search(&mut self, moment: &Moment) -> Option<LoneSearch> {
        let is_long = |search: &LoneSearch| moment.now >= search.began.saturating_add(LONGEST_SEARCH);
        self.lone_search.take_if(|search| moment.waiting == 0 || is_long(search))
    }

    /// Tells all a rate that was served without a refusal, so that the limit is hardly lower. No slot is free at once, because the
    /// search has used them up.
    pub(in crate::pace) fn tell_lower_bound(&mut self, rate: f64, burst: f64, now: Duration) {
        self.tell_limit(rate, burst, false, now);
        (self.announced, self.opened) = (None, Some(0.0));
    }
}

/// The time for which the others wait for a search that they have heard of.
pub(super) const SEARCH: Duration = Duration::from_millis(500);
/// The longest search that the others wait for. One finds a rate of 10 per second in it.
const LONGEST_SEARCH: Duration = Duration::from_secs(2);
/// The served sends from which on their rate says something.
const ENOUGH_SERVED: f64 = 8.0;
