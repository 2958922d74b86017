//! A member of a fleet tells the others what its rule has learned of the limit.

use super::KeyState;
use crate::pace::seam::Moment;

impl KeyState {
    /// Tells the others a rate and a burst of this member, if they are news.
    pub(super) fn tell_limit(&mut self, limit: Option<(f64, f64)>, moment: &Moment) {
        let lease = self.lease.as_mut().filter(|lease| lease.is_joined() || lease.own_rate == 0.0);
        let (Some(lease), Some((rate, burst))) = (lease, limit) else {
            return;
        };
        let is_cut = rate < CUT * lease.own_rate;
        let is_burst_cut = burst < SMALLER * lease.own_burst;
        if is_cut || is_burst_cut || lease.own_rate == 0.0 {
            return lease.tell_limit(rate, burst, is_cut || lease.own_rate == 0.0, moment.now);
        }
        let most = lease.most_grown(moment);
        let grown = rate.min(most);
        if grown > GROWN * lease.own_rate {
            lease.tell_limit(grown, burst, false, moment.now);
        }
        // Slots decide, so this rate could grow without end and without a refusal.
        self.control.limit_growth(AHEAD * most);
    }
}

/// A rate below this part of the known one was cut.
const CUT: f64 = 0.995;
/// A burst below this part of the known one was cut.
const SMALLER: f64 = 0.9;
/// A rate above this part of the known one is worth a message to all.
const GROWN: f64 = 1.1;
/// The rate of a member is at most so many times the one that all may have. With less, a limit that was learned too low grows later.
const AHEAD: f64 = 2.0;
