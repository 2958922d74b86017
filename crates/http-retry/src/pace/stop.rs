//! A standstill: all requests of a key are stopped, and probes find out when the server serves again.

use std::time::Duration;

use super::constants::{FIRST_STOP, LONGEST_STOP, PART_OF_OUTAGE, SEVERAL_PROBES};
use super::nanos::Nanos;

/// The stop of a key.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    /// The time at which the first call of the row of refusals left.
    since: Nanos,
    until: Nanos,
    /// The refused openings in a row.
    refused: u32,
    /// The refused openings in which the server did not say that it is unwell.
    refused_by_limit: u32,
    /// The probes in flight, and when the last of them left.
    probes: u32,
    probed_at: Nanos,
    /// The first probe. Nothing else is sent after it until the stop ends.
    first_probe: Option<u64>,
    /// Tells the probes of one stop from those of another.
    number: u32,
    /// The time at which a probe goes before the end, unless its refusal was heard.
    early_at: Option<Nanos>,
}

impl Stop {
    pub(super) fn new(number: u32, since: Duration, until: Duration) -> Self {
        let (since, until, probed_at) = (since.into(), until.into(), Nanos::ZERO);
        let (refused, refused_by_limit) = (0, 0);
        Self {
            since,
            until,
            refused,
            refused_by_limit,
            probes: 0,
            probed_at,
            first_probe: None,
            number,
            early_at: None,
        }
    }

    /// Returns the end of a stop from now on, by the hint of a refusal.
    pub(super) fn end(hint: Option<Duration>, longest: Duration, now: Duration) -> Duration {
        now.saturating_add(hint.unwrap_or(FIRST_STOP).min(longest))
    }

    /// Lets a probe go before the end.
    pub(super) fn with_early_probe(self, early_at: Option<Duration>) -> Self {
        Self { early_at: early_at.map(Nanos::from), ..self }
    }

    /// Returns when the next probe goes.
    pub(super) fn next_probe(&self) -> Duration {
        self.early_at.filter(|_| self.probes == 0).map_or(self.until, |early| early.min(self.until)).get()
    }

    pub(super) fn since(&self) -> Duration {
        self.since.get()
    }

    pub(super) fn until(&self) -> Duration {
        self.until.get()
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// The number of openings whose probe was refused.
    pub(super) fn refused(&self) -> u32 {
        self.refused
    }

    /// Prolongs the stop, because a refusal of the row names a later time.
    pub(super) fn prolong(&mut self, until: Duration) {
        if self.probes == 0 {
            self.until = self.until.max(until.into());
        }
    }

    /// Returns whether one more probe may go, of so many requests that wait. Several go where each request may be refused for a
    /// reason of its own. A server that is unwell refuses all of them.
    pub(super) fn wants_probe(&self, waiting: usize) -> bool {
        let several = self.refused_by_limit >= SEVERAL_PROBES;
        let most = if several { (waiting as f64).sqrt().floor().max(1.0) as u32 } else { 1 };
        self.probes < most
    }

    pub(super) fn probed(&mut self, ordinal: u64, now: Duration) {
        self.probes += 1;
        self.probed_at = now.into();
        self.first_probe.get_or_insert(ordinal);
    }

    /// Returns whether a send is a probe of this stop.
    pub(super) fn is_probe(&self, ordinal: u64) -> bool {
        self.first_probe.is_some_and(|first| ordinal >= first)
    }

    /// Returns when the last probe left, if one is in flight.
    pub(super) fn probed_at(&self) -> Option<Duration> {
        (self.probes > 0).then(|| self.probed_at.get())
    }

    /// Stops again after a refused probe. Returns whether the probe was an early one, after which the stop ends when it would
    /// have ended without it.
    pub(super) fn probe_refused(
        &mut self,
        hint: Option<Duration>,
        is_server: bool,
        longest: Duration,
        now: Duration,
    ) -> bool {
        self.probes = self.probes.saturating_sub(1);
        if self.early_at.take().is_some() && now < self.until() {
            return true;
        }
        let outage = now.saturating_sub(self.since());
        let wait = hint.unwrap_or(FIRST_STOP).max((outage / PART_OF_OUTAGE).min(LONGEST_STOP)).min(longest);
        let until = now.saturating_add(wait);
        // Several probes of one opening are one refusal.
        if until > self.until().saturating_add(wait / 2) {
            self.refused += 1;
            self.refused_by_limit += u32::from(!is_server);
        }
        self.until = self.until.max(until.into());
        false
    }

    /// Forgets a probe that will have no answer.
    pub(super) fn probe_lost(&mut self) {
        self.probes = self.probes.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_probes_go_after_some_refused_ones_unless_the_server_is_unwell() {
        for (is_server, most) in [(false, 10), (true, 1)] {
            let mut stop = Stop::new(1, Duration::ZERO, Duration::from_secs(1));
            for opening in 1..=u64::from(SEVERAL_PROBES) {
                stop.probed(opening, stop.until());
                stop.probe_refused(None, is_server, Duration::from_secs(60), stop.until());
            }
            let mut probes = 0;
            while stop.wants_probe(100) {
                stop.probed(10 + probes, stop.until());
                probes += 1;
            }
            assert_eq!(probes, most, "{is_server}");
        }
    }
}
