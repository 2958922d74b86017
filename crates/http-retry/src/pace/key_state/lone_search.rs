//! A search for a rate that the other members of a fleet wait for comes to its end.

use super::{Context, KeyState};
use crate::pace::constants::{TICK, UNKNOWN_BURST};
use crate::pace::seam::{Moment, Scale};

impl KeyState {
    /// Tells the others the rate of all that this member has found alone. A member that has no more requests tells what it was
    /// served at, so that the others go on from there. If that is too little, another member goes on alone.
    pub(super) fn end_lone_search(&mut self, moment: &Moment, context: Context<'_>) {
        let is_plain = moment.is_plain && self.control.stop_ref().is_none();
        let lease = self.lease.as_mut().filter(|lease| is_plain && lease.searches_alone(moment));
        let (Some(limit), Some(lease)) = (self.control.limit(), lease) else {
            return;
        };
        let (is_lower_bound, part) = (limit.is_search(), lease.part());
        if !is_lower_bound {
            let (rate, burst) = (limit.rate() * part, limit.burst());
            lease.tell_limit(rate, burst, true, context.now);
            self.control.scale_limit(&Scale { factor: part, rate, burst });
        } else if let Some(search) = lease.end_lone_search(moment) {
            let Some(rate) = search.served_rate(moment) else {
                // The member that gets the right to the next probe searches.
                let until = context.now + TICK;
                lease.tell_quiet(until);
                return self.control.hear_stop(until, &self.moment(context));
            };
            let rate = rate * part;
            // The burst may be what passed in the seconds before the limit was met.
            let burst = limit.burst().min(rate * UNKNOWN_BURST).max(1.0);
            lease.tell_lower_bound(rate, burst, context.now);
            self.control.hear_limit(rate, burst, true, &self.moment(context));
        } else {
            return;
        }
        let others = self.others_until(context.now);
        self.control.begin_found(is_lower_bound, others, &self.moment(context));
    }
}
