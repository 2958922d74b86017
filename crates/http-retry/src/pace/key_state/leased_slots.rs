//! The slots that a member of a fleet leases ahead: what is sent in them, and what goes back.

use std::time::Duration;

use super::{Context, KeyState};
use crate::pace::Why;
use crate::pace::constants::LONGEST_WAIT;
use crate::pace::rate_controller::Slot;

impl KeyState {
    pub(super) fn sent_in_lease(&mut self, is_probe: bool, context: Context<'_>) {
        if let (Some(lease), Some(seam)) = (&mut self.lease, context.seam) {
            seam.counts.sent(lease.sent(is_probe, context.now));
        }
    }

    pub(super) fn give_back_to_lease(&mut self, sent_at: Duration, now: Duration) {
        if let Some(lease) = &mut self.lease {
            lease.given_back(sent_at, now);
        }
    }

    pub(super) fn tidy_lease(&mut self, context: Context<'_>) {
        let Some(moment) = self.lease.as_ref().and_then(|_| self.lease_moment(context)) else {
            return;
        };
        if let Some(lease) = &mut self.lease {
            let was_joined = lease.is_joined();
            lease.tidy(&moment);
            if was_joined && !lease.is_joined() {
                self.control.begin_alone(context.now);
            }
            if lease.is_short(context.now) {
                self.control.is_short_of_slots(context.now);
            }
        }
    }

    /// Returns when the next request may go, by the slots in hand and the right to probe.
    pub(super) fn leased_slot(&self, slot: Slot, now: Duration) -> Slot {
        let Some(lease) = &self.lease else {
            return slot;
        };
        if let Some(stop) = self.control.stop_ref() {
            let is_early = lease.is_joined() && stop.until() > now;
            return if is_early {
                Slot { at: stop.until(), why: Why::Stopped, probe: Some(stop.number()) }
            } else if slot.probe.is_some() && slot.why == Why::Probe && !lease.may_probe(now) {
                Slot { at: now + LONGEST_WAIT, why: Why::Probe, probe: None }
            } else {
                slot
            };
        }
        Slot { at: lease.slot_at(slot.at, LONGEST_WAIT, now), ..slot }
    }
}
