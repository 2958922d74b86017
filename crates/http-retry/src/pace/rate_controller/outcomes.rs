//! The outcome of a call changes the rule of its key.

use std::num::NonZeroU32;

use super::{Moment, RateController, Refused, Settling, spread};
use crate::pace::constants::{LONGEST_SLOT, NOTHING_PASSED, REFUSED_BEFORE, TRIED};
use crate::pace::opening::Opening;
use crate::pace::row::Row;
use crate::pace::stop::Stop;

impl RateController {
    /// Records that a send was not refused: it was served, or has been silent for long enough.
    pub(in crate::pace) fn passed(&mut self, ordinal: u64, moment: &Moment) {
        self.share.served(1);
        self.passed_in_window(ordinal, moment);
        let recent = &mut *self.recent;
        let was_refused = recent.row.count() >= REFUSED_BEFORE;
        if recent.row.count() > 0 {
            recent.row.served(ordinal);
        }
        let is_new_window = was_refused
            && recent.row.count() == 0
            && moment.now > recent.passed_at.get().saturating_add(NOTHING_PASSED);
        recent.passed_at = recent.passed_at.max(moment.now.into());
        if let Some(opening) = &mut self.opening {
            opening.passed(moment.now);
        }
        if let Some(test) = self.limit.as_mut().and_then(|limit| limit.test.as_mut()) {
            test.answers = test.answers.saturating_add(1);
        }
        if self.stop.as_ref().is_some_and(|stop| stop.is_probe(ordinal)) {
            self.open(moment);
        } else if is_new_window
            && self.settling.is_none()
            && let Some(limit) = self.limit.as_mut().filter(|limit| limit.is_search())
        {
            // A window has begun: nothing was served for longer than a limit of a rate needs for one call.
            limit.open(limit.burst(), moment.now);
            self.opening = Some(Opening::new(TRIED, Some(moment.now), moment.now).into());
            self.open_window(moment.now.saturating_sub(moment.refusal_time * 2));
        }
    }

    /// Records that a send has been silent for so long that it counts as served.
    pub(in crate::pace) fn was_silent(&mut self, ordinal: u64, moment: &Moment) {
        self.passed(ordinal, moment);
        if let Some(opening) = &mut self.opening {
            opening.was_silent();
        }
    }

    /// Forgets the limit of a rate: another rule explains the refusals.
    pub(in crate::pace) fn forget_limit(&mut self) {
        (self.limit, self.opening, self.stop, self.settling) = (None, None, None, None);
        self.window = None;
    }

    /// Another rule explains the refusals.
    pub(in crate::pace) fn explained(&mut self) {
        self.share.begin();
        if let Some(recent) = self.recent.present_mut() {
            recent.row = Row::default();
        }
    }

    /// Ends what holds all requests, because many are refused for themselves.
    pub(in crate::pace) fn refused_for_themselves(&mut self, moment: &Moment) {
        #[cfg(feature = "fleet")]
        {
            self.has_dropped |= self.limit.is_some();
        }
        self.forget_limit();
        self.explained();
        self.open_tolerantly(moment);
    }

    /// Counts the calls that passed while the key was free, before a refused one.
    pub(in crate::pace) fn passed_while_free(&mut self, ordinal: u64, free_since: u64) {
        self.share.served(ordinal.saturating_sub(free_since));
    }

    /// Records a probe that will have no answer.
    pub(in crate::pace) fn probe_lost(&mut self) {
        if let Some(stop) = &mut self.stop {
            stop.probe_lost();
        }
    }

    /// Gives back what a send took that never left.
    pub(in crate::pace) fn given_back(&mut self) {
        if let Some(limit) = &mut self.limit {
            limit.given_back();
        }
    }

    /// Records that a request was served that had been refused.
    pub(in crate::pace) fn acquitted(&mut self) {
        if let Some(limit) = &mut self.limit {
            limit.acquitted();
        }
    }

    /// Records a refusal that concerns its own request only.
    pub(in crate::pace) fn refused_for_itself(&mut self) {
        if let Some(recent) = self.recent.present_mut() {
            recent.refused_for_itself();
        }
    }

    /// Records a refused probe. Returns whether the stop goes on, so that the probe was sent for all.
    pub(in crate::pace) fn probe_refused(&mut self, refused: &Refused, moment: &Moment) -> bool {
        if !refused.is_server {
            self.recent.estimate.refused(refused.ordinal, refused.sent_at, spread(moment), refused.others);
        }
        self.refused_in_window(refused, moment);
        let Some(stop) = &mut self.stop else {
            return false;
        };
        if stop.probe_refused(refused.hint, refused.is_server, moment.longest, moment.now) {
            self.early.refused(stop.number());
        } else if !refused.is_server
            && let Some(window) = &mut self.window
        {
            window.hints_are_short();
        }
        true
    }

    /// Records a refusal.
    pub(in crate::pace) fn refused(&mut self, refused: &Refused, moment: &Moment) {
        let now = moment.now;
        if self.refused_in_window(refused, moment) {
            return self.explained_by_window(refused, moment);
        }
        let until = Stop::end(refused.hint, moment.longest, now);
        let recent = &mut *self.recent;
        if recent.row.has(refused.previous) {
            recent.row.refused_again(refused.ordinal, refused.sent_at);
            recent.row.note_scope(refused.is_server);
            recent.refused_for_itself();
            let (base, time) = (self.share.base(), moment.refusal_time);
            // A limit that has served nobody whom it refused may be none, and those requests be at fault.
            let is_met = self.limit.as_ref().is_some_and(|limit| limit.has_acquitted());
            if let Some(stop) = &mut self.stop {
                stop.prolong(until);
            } else if recent.row.is_standstill(base, time) || is_met && recent.row.is_repeated(base, time) {
                recent.hinted_until = recent.hinted_until.max(until.into());
                self.stop(moment);
            }
            return;
        }
        if let Some(opening) = &mut self.opening {
            opening.refused();
        }
        recent.row.refused(refused.ordinal, refused.sent_at, spread(moment));
        recent.row.note_scope(refused.is_server);
        recent.hinted_until = recent.hinted_until.max(until.into());
        if let Some(hint) = refused.hint.filter(|hint| refused.is_precise && *hint < LONGEST_SLOT) {
            self.slot_hint = self.slot_hint.max(NonZeroU32::new(hint.subsec_nanos()));
            self.slot_hints = self.slot_hints.saturating_add(1);
        }
        if refused.is_server {
            recent.refused_for_itself();
        } else {
            self.hint = refused.hint.unwrap_or_default().into();
            self.share.refused();
            recent.estimate.refused(refused.ordinal, refused.sent_at, spread(moment), refused.others);
        }
        if let Some(stop) = &mut self.stop {
            stop.prolong(until);
            return;
        }
        let is_late = refused.sent_at < recent.late_before.get();
        if !is_late && recent.row.is_standstill(self.share.base(), moment.refusal_time) {
            return self.stop(moment);
        }
        let test = self.limit.as_mut().and_then(|limit| limit.test.as_mut());
        if let Some(test) = test.filter(|_| !refused.is_server && !is_late) {
            test.answers = test.answers.saturating_add(1);
            test.refused = test.refused.saturating_add(1);
            test.count_refused(refused.previous);
        }
        if let Some(Settling { from, at, .. }) = self.settling.as_deref_mut() {
            // More of the crowd may come.
            let latest = from.get().saturating_add(moment.refusal_time * 4);
            *at = (*at).max(now.saturating_add(moment.refusal_time / 2).min(latest).into());
            return;
        }
        if is_late {
            return;
        }
        let is_opened = self.opening.as_ref().is_some_and(|opening| !opening.is_tolerant());
        let is_found = is_opened || self.limit.as_ref().is_some_and(|limit| limit.is_search());
        let is_claim = self.limit.is_none() && self.share.means_limit(0.0, now);
        if recent.row.is_crowd() || !refused.is_server && (is_found || is_claim) {
            let (at, burst_from) = ((now + moment.refusal_time).into(), moment.burst_from);
            self.settling = Some(Box::new(Settling { from: now.into(), at, burst_from }));
        } else if !refused.is_server && self.limit.is_some() {
            self.cut(refused, moment);
        }
    }
}
