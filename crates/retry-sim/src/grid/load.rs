//! The requests of a scenario, as they come.

use std::time::Duration;

use rand::RngExt;

use super::draws::{Draws, Purpose};
use super::{Arrivals, RequestOutcome, Scenario, TenantLoad};

/// One request.
#[derive(Clone, Copy, Debug)]
pub(super) struct ArrivingRequest {
    /// The identity for its random numbers, the same with each strategy.
    pub(super) identity: u64,
    /// The time at which it comes.
    pub(super) arrived: Duration,
    /// The index of its tenant.
    pub(super) tenant: usize,
    /// The index of its key.
    pub(super) key: usize,
    /// Its cost in units.
    pub(super) cost: u32,
    /// `true` if the server refuses it always.
    pub(super) is_poison: bool,
    /// `true` if its caller is never polled again once it waits for the pace.
    pub(super) is_unpolled: bool,
    /// The time at which its caller is dropped, if it is.
    pub(super) dropped_at: Option<Duration>,
}

/// The source of a scenario's requests.
#[derive(Clone, Debug)]
pub(super) struct RequestSource<'a> {
    scenario: &'a Scenario,
    draws: Draws,
    /// The number of requests of each tenant that have come.
    taken: Vec<u32>,
}

impl<'a> RequestSource<'a> {
    /// Creates the source of a run.
    pub(super) fn new(scenario: &'a Scenario, draws: Draws) -> Self {
        Self { scenario, draws, taken: vec![0; scenario.load.tenants.len()] }
    }

    /// Returns the requests that come whatever happens, in the order of time: all of the open loads, and the first ones
    /// of the workers of closed loops.
    pub(super) fn first(&mut self) -> Vec<ArrivingRequest> {
        let scenario = self.scenario;
        let mut requests = Vec::new();
        for (tenant, load) in scenario.load.tenants.iter().enumerate() {
            for at in first_arrivals(load, tenant, self.draws) {
                requests.push(self.take(tenant, at));
            }
        }
        // Tenants whose requests come at the same time alternate.
        requests.sort_by_key(|request| (request.arrived, request.identity as u32, request.tenant));
        requests
    }

    /// Returns the next request of a worker that is free from `at` on, if the load is a closed loop with requests left.
    pub(super) fn next(&mut self, tenant: usize, at: Duration) -> Option<ArrivingRequest> {
        match self.scenario.load.tenants[tenant].arrivals {
            Arrivals::Closed { requests, .. } if self.taken[tenant] < requests => Some(self.take(tenant, at)),
            _ => None,
        }
    }

    fn take(&mut self, tenant: usize, arrived: Duration) -> ArrivingRequest {
        let Scenario { server, callers, load, .. } = self.scenario;
        let number = self.taken[tenant];
        self.taken[tenant] += 1;
        let identity = ((tenant as u64) << 32) | u64::from(number);
        let unit = |purpose| self.draws.unit(purpose, identity, 0);
        let dropped_after = LONGEST_UNTIL_DROPPED.mul_f64(unit(Purpose::DroppedAfter));
        ArrivingRequest {
            identity,
            arrived,
            tenant,
            key: if load.key_per_tenant { tenant } else { 0 },
            cost: log_uniform(load.tenants[tenant].max_cost, unit(Purpose::Cost)),
            // The one in the middle for the first tenant, so that half of the others come before it. Tenants do not send theirs
            // at the same time.
            is_poison: server
                .poison_one_in
                .is_some_and(|one_in| (number + PHASE * tenant as u32) % one_in.max(1) == one_in / 2)
                || unit(Purpose::Poison) < server.poison_share,
            is_unpolled: unit(Purpose::Unpolled) < callers.unpolled,
            dropped_at: (unit(Purpose::Dropped) < callers.dropped).then(|| arrived + dropped_after),
        }
    }
}

impl Scenario {
    /// Returns the number of keys.
    pub(super) fn keys(&self) -> usize {
        if self.load.key_per_tenant { self.load.tenants.len() } else { 1 }
    }

    /// Returns the time after which no attempt at a request starts.
    pub(super) fn deadline(&self, request: &ArrivingRequest) -> Option<Duration> {
        self.max_elapsed.map(|max_elapsed| request.arrived.saturating_add(max_elapsed))
    }
}

impl From<&ArrivingRequest> for RequestOutcome {
    /// Creates the outcome of a request of which nothing was sent yet.
    fn from(request: &ArrivingRequest) -> Self {
        Self {
            tenant: request.tenant,
            is_poison: request.is_poison,
            is_faulty: false,
            arrived: request.arrived,
            finished: request.arrived,
            is_served: false,
            service: Duration::ZERO,
            calls: 0,
            refused: 0,
            is_rejected: false,
            overrun: Duration::ZERO,
        }
    }
}

/// Returns the times of the requests that come whatever happens.
fn first_arrivals(load: &TenantLoad, tenant: usize, draws: Draws) -> Vec<Duration> {
    match &load.arrivals {
        Arrivals::Burst { requests } => vec![Duration::ZERO; *requests as usize],
        Arrivals::Closed { requests, workers } => vec![Duration::ZERO; *workers.min(requests) as usize],
        Arrivals::Poisson { phases } => poisson(phases, tenant, draws),
    }
}

fn poisson(phases: &[(f64, Duration)], tenant: usize, draws: Draws) -> Vec<Duration> {
    let mut rng = draws.rng(Purpose::Arrivals, tenant as u64, 0);
    let (mut arrivals, mut start) = (Vec::new(), 0.0);
    for (rate, length) in phases {
        let end = start + length.as_secs_f64();
        let mut gap = || -(1.0 - rng.random::<f64>()).ln() / rate;
        let mut at = start + gap();
        // A rate of 0 has infinite gaps.
        while at < end {
            arrivals.push(Duration::from_secs_f64(at));
            at += gap();
        }
        start = end;
    }
    arrivals
}

/// Returns a whole number from 1 to `largest`, whose logarithm is uniform.
fn log_uniform(largest: u32, unit: f64) -> u32 {
    let largest = largest.max(1);
    ((f64::from(largest) + 1.0).powf(unit) as u32).clamp(1, largest)
}

/// The requests by which the poisoned ones of a tenant come before those of the tenant before it.
const PHASE: u32 = 7;
/// The latest time after its arrival at which a caller is dropped.
const LONGEST_UNTIL_DROPPED: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
