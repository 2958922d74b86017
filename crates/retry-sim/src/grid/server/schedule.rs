//! The limits of one key over time.

use std::time::Duration;

use super::limit::{Announced, LimitState, state_of};
use crate::grid::Limit;

/// The limit that is in force, and those that follow it.
#[derive(Debug)]
pub(super) struct Schedule<'a> {
    state: Box<dyn LimitState>,
    /// The limits that are not yet in force, in the order of time.
    next: &'a [(Duration, Limit)],
}

impl<'a> Schedule<'a> {
    /// Creates the schedule of a key. The first limit is in force at once.
    pub(super) fn new(limits: &'a [(Duration, Limit)]) -> Self {
        match limits.split_first() {
            Some(((since, limit), next)) => Self { state: state_of(limit, *since, None), next },
            None => Self { state: state_of(&Limit::None, Duration::ZERO, None), next: limits },
        }
    }

    /// Serves a call, or returns the time at which the present limit would serve it.
    pub(super) fn arrive(&mut self, now: Duration, cost: u32, ends_at: Duration) -> Result<(), Duration> {
        self.advance(now);
        let free_at = self.state.free_at(now, cost);
        if free_at <= now {
            self.state.serve(now, cost, ends_at);
            return Ok(());
        }
        self.state.refuse(now);
        Err(free_at)
    }

    /// Returns the first moment from `now` on at which a call is served if no other call comes before.
    pub(super) fn first_served(&self, now: Duration, cost: u32) -> Duration {
        let mut free_at = self.state.free_at(now, cost);
        let mut changed: Option<Box<dyn LimitState>> = None;
        for (since, limit) in self.next {
            if free_at < *since {
                break;
            }
            // Only the tokens outlast a change, so a preview needs no more of the state.
            let tokens = changed.as_ref().unwrap_or(&self.state).tokens(*since);
            let state = state_of(limit, *since, tokens);
            free_at = state.free_at((*since).max(now), cost);
            changed = Some(state);
        }
        free_at
    }

    /// Returns the quotas that an answer announces.
    pub(super) fn announced(&mut self, now: Duration) -> Announced {
        self.advance(now);
        self.state.announced(now)
    }

    /// Puts the limit of this moment into force.
    fn advance(&mut self, now: Duration) {
        while let Some(((since, limit), next)) =
            self.next.split_first().filter(|((since, _), _)| *since <= now)
        {
            self.state = state_of(limit, *since, self.state.tokens(*since));
            self.next = next;
        }
    }
}
