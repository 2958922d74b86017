//! A limit that is a window: when that is claimed, what calls tell of it, and when the claim ends.

use std::time::Duration;

use super::{Moment, RateController, Refused, spread};
use crate::pace::constants::{CALM, FIRST_OPENING, TRIED};
use crate::pace::learned_limit::LearnedLimit;
use crate::pace::opening::Opening;
use crate::pace::row::Row;
use crate::pace::stop::Stop;
use crate::pace::window::{Claim, Passed, Window};

impl RateController {
    /// Returns the claim that the limit is a window, if it is one.
    pub(in crate::pace) fn window_claim(&self) -> Option<&Claim> {
        self.window.as_ref().and_then(|window| window.claim())
    }

    /// Returns whether a call was sent to learn when the window ends, so that a refusal is not its own fault.
    pub(in crate::pace) fn is_window_trial(&self, ordinal: u64) -> bool {
        self.window.as_ref().is_some_and(|window| window.is_trial(ordinal))
    }

    /// Records that the limit is used up. Returns whether it is a window from now on.
    pub(super) fn close_window(&mut self, moment: &Moment) -> bool {
        let hint = self.hint.get();
        // Where other processes send too, the calls of this one tell nothing of the window.
        if self.window_claim().is_some() || hint.is_zero() || moment.part != 1.0 {
            return false;
        }
        let Some((first, newest)) = self.recent.estimate.last_times() else {
            return false;
        };
        let Some(window) = &mut self.window else {
            self.window = Some(Window::new(f64::from(self.burst), Some(first)).into());
            return false;
        };
        let is_claim = window.closed(first, newest, hint);
        if is_claim {
            (self.opening, self.settling) = (None, None);
            self.paced_at = self.paced_at.min(moment.now.into());
            self.recent.row = Row::default();
            self.recent.late_before = moment.now.into();
            self.share.begin();
        }
        is_claim
    }

    /// Records a send.
    pub(super) fn sent_in_window(&mut self, ordinal: u64, moment: &Moment) {
        let has_rested = moment.now > self.sent_at.get().saturating_add(CALM);
        if has_rested && self.window.is_none() && self.limit.is_some() && !self.hint.get().is_zero() {
            self.window = Some(Window::new(f64::from(self.burst), None).into());
        }
        if let Some(window) = &mut self.window {
            window.sent(ordinal, margin(moment), moment.now);
        }
    }

    /// Frees the memory that is not needed while the key rests. What a window is known by makes up for the limit of a rate.
    pub(super) fn release_window(&mut self) {
        self.window.take_if(|window| window.claim().is_none());
        if let Some(window) = &mut self.window {
            window.release_rested();
            self.limit = None;
        }
    }

    /// Notes that a call passed which left at this time, after the limit was used up.
    pub(super) fn open_window(&mut self, at: Duration) {
        if let Some(window) = &mut self.window {
            window.opened(at);
        }
    }

    /// Records what a call that passed tells of the window.
    pub(super) fn passed_in_window(&mut self, ordinal: u64, moment: &Moment) {
        let Some(window) = &mut self.window else {
            return;
        };
        match window.passed(ordinal) {
            Passed::Plainly => {}
            Passed::Opened => {
                let count = window.claim().map_or(0.0, Claim::count);
                let first = (count * FIRST_OPENING).max(TRIED);
                self.opening = Some(Opening::new(first, Some(moment.now), moment.now).into());
            }
            Passed::Disproved => self.drop_window(moment),
            Passed::Gone => self.forget_limit(),
        }
    }

    /// Records what a refusal tells of the window. Returns whether the claim explains it.
    pub(super) fn refused_in_window(&mut self, refused: &Refused, moment: &Moment) -> bool {
        let Some(window) = &mut self.window else {
            return false;
        };
        if window.claim().is_none() || refused.is_server {
            window.forget(refused.sent_at);
            return false;
        }
        if !window.refused(refused.ordinal, refused.sent_at, margin(moment), moment.now) {
            self.drop_window(moment);
            return false;
        }
        if self.stop.is_none() && window.is_endless() {
            let recent = &mut *self.recent;
            let until = Stop::end(refused.hint, moment.longest, moment.now);
            recent.hinted_until = recent.hinted_until.max(until.into());
            self.stop_since(refused.sent_at, moment);
        }
        true
    }

    /// Counts a refusal that the claim of a window explains.
    pub(super) fn explained_by_window(&mut self, refused: &Refused, moment: &Moment) {
        self.hint = refused.hint.unwrap_or_default().into();
        self.share.refused();
        let Refused { ordinal, sent_at, others, .. } = *refused;
        self.recent.estimate.refused(ordinal, sent_at, spread(moment), others);
    }

    /// Drops the claim of a window. The limit of a rate holds that was known before it, or a search begins.
    pub(super) fn drop_window(&mut self, moment: &Moment) {
        if let Some(claim) = self.window.take().as_ref().and_then(|window| window.claim()) {
            let search = || LearnedLimit::search(claim.rate(), claim.count(), moment.now).careful();
            let limit = self.limit.get_or_insert_with(|| search().into());
            limit.exhausted(moment.now, 0.0, moment.now);
        }
    }
}

/// Calls that leave at once reach the server within this time of each other.
pub(super) fn margin(moment: &Moment) -> Duration {
    moment.refusal_time / 2
}
