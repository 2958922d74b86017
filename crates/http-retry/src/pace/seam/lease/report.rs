//! The state of a shared key for people.

use std::time::Duration;

use super::LeaseState;
use crate::fleet::SharedKeyReport;

impl LeaseState {
    /// Returns whether a probe of this member is in flight.
    pub(in crate::pace) fn is_probing(&self) -> bool {
        self.probing.is_some()
    }

    /// Describes the key, with the time at which it was last used. A key that has no name in the fleet yet is not described.
    pub(in crate::pace) fn report(&self, now: Duration) -> Option<(Duration, SharedKeyReport)> {
        let report = SharedKeyReport {
            id: self.id?,
            per_second: (self.gap > 0).then(|| 1e6 / self.gap as f64),
            burst: (self.burst > 0).then(|| self.burst as f64 / 1_000.0),
            quiet: self.quiet_until.map(|until| until.saturating_sub(now)).filter(|time| !time.is_zero()),
            share: self.part(),
            held: self.slots.len(),
            probe: self.is_probing() || self.probe_until.is_some_and(|until| now < until),
        };
        Some((self.rate_at, report))
    }
}
