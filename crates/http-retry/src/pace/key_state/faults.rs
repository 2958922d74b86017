//! The requests that are refused for a reason of their own: one of them, or many.

use std::sync::atomic::Ordering::Relaxed;

use super::{Context, KeyState, Previous, SentCall};
use crate::pace::constants::{
    ENOUGH_FAULTS, FAULTY, LEAST_FAULTY, MAX_AT_FAULT, MOST_REFUSED, REFUSED_BY_LIMIT,
};
use crate::pace::rate_controller::Moment;

impl KeyState {
    /// Notes that a send was served, or has been silent for so long.
    pub(super) fn note_served(&mut self, ordinal: u64, is_resend: bool) {
        match self.traffic.present_mut().map(|traffic| &mut traffic.refused_again) {
            Some(refused_again) if is_resend => refused_again.served_again(),
            Some(refused_again) => refused_again.served_new(ordinal),
            None => {}
        }
    }

    /// Returns whether requests are plainly refused for themselves, so that a refusal says nothing of a limit. What held the
    /// others for such refusals ends.
    pub(super) fn is_for_itself(&mut self, call: &SentCall, moment: &Moment) -> bool {
        let was_plain = self.traffic.refused_again.is_plain();
        let previous = call.previous.map(Previous::ordinal);
        self.traffic.refused_again.refused(call.ordinal, previous, call.others);
        // A limit of all was met by more calls than those of this member.
        let is_plain = self.traffic.refused_again.is_plain() && !self.is_limit_of_all();
        if is_plain && !was_plain {
            self.at_a_time.forget();
            self.control.refused_for_themselves(moment);
        }
        is_plain
    }

    /// Returns whether the refusal is the request's own fault: it was refused before, others were served since, and few are
    /// refused. From then on each refusal of it is, because requests at fault may be the only ones that are left.
    pub(super) fn is_at_fault(&mut self, call: &SentCall, context: Context<'_>) -> bool {
        let is_trial = call.probe.is_some() || self.control.is_window_trial(call.ordinal);
        let Some(previous) = call.previous.filter(|_| !is_trial) else {
            return false;
        };
        let refused = u64::from(context.entry.refused.load(Relaxed).saturating_sub(previous.refused));
        let calls = call.ordinal.saturating_sub(previous.ordinal());
        // A limit that has served requests which it refused refuses some of them again.
        let is_met = self.control.limit().is_some_and(|limit| limit.has_acquitted());
        let is_often = call.attempts >= if is_met { REFUSED_BY_LIMIT } else { 1 };
        let is_beside_served = is_often
            && calls >= refused + 2
            && refused * 4 <= calls
            && self.control.short_share() < MOST_REFUSED;
        if self.traffic.at_fault.contains(&call.first) {
            return true;
        }
        if is_beside_served {
            if self.traffic.at_fault.len() == MAX_AT_FAULT {
                self.traffic.at_fault.pop_front();
            }
            self.traffic.at_fault.push_back(call.first);
            self.found_fault(call.attempts, context);
        }
        is_beside_served
    }

    /// Notes whom the limit refused. The claim of one is dropped if it refuses requests again while others are served, and has
    /// served none that it refused.
    pub(super) fn suspect(&mut self, call: &SentCall, context: Context<'_>) {
        let suspects = &mut self.traffic.suspects;
        suspects.refused(call.first, call.ordinal, context.entry.refused.load(Relaxed));
        let (once, again) = (suspects.once(), suspects.again());
        let is_in_doubt = self.control.limit().is_some_and(|limit| !limit.has_acquitted());
        if !is_in_doubt || again < u32::from(ENOUGH_FAULTS) || (again as usize) < once {
            return;
        }
        // A limit refuses a request again as often as it refuses any, so what all members obey is not dropped where that is often.
        let weight = f64::from(again) * self.control.short_share().clamp(LEAST_FAULTY, 1.0).recip().ln();
        if !self.is_limit_of_all() || weight > FAULTY {
            self.control.drop_faulty(&self.moment(context));
            self.traffic.suspects.clear();
        }
    }

    /// Takes back what the refusals of a request at fault had meant for the others.
    fn found_fault(&mut self, refusals: u32, context: Context<'_>) {
        let moment = self.moment(context);
        self.control.found_fault(refusals, &moment);
        if self.at_a_time.found_fault() {
            self.control.dropped(self.control.long_share(), &moment);
        }
    }
}
