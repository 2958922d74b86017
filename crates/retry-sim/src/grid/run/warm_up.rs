//! The load by which a pace gets to know a limit before a scenario begins.

use std::time::Duration;

use super::engine::{Engine, StopRule};
use crate::grid::driver::Driver;
use crate::grid::{Arrivals, CallerFaults, Limit, Load, Quota, Scenario, ServerSpec, TenantLoad};

/// Lets callers meet the limit, and returns the pace after a minute of rest. By then the limit is as it was at first.
pub(super) fn warm_up(scenario: &Scenario, driver: Driver, seed: u64) -> Driver {
    let warm_up = warm_up_scenario(scenario);
    let keys = u32::try_from(warm_up.keys()).unwrap_or(u32::MAX);
    let rule = StopRule { served_after_refusal: SERVED.saturating_mul(keys), no_later_than: LONGEST };
    let (outcome, driver) = Engine::new(&warm_up, Some(driver), !seed).stopping(rule).play();
    let end = outcome.requests.iter().map(|request| request.finished).max().unwrap_or_default();
    driver
        .map(|mut driver| {
            driver.begin(end + REST);
            driver
        })
        .unwrap_or_else(|| Driver::new(scenario, false))
}

/// Returns the same server without its changes and faults, under a closed loop for each key of twice as many workers as the
/// limit serves at once, or in the time of a call. So the limit is met, also where it refills while the calls are on their way.
fn warm_up_scenario(scenario: &Scenario) -> Scenario {
    let limit = scenario.server.limits.first().map_or(Limit::None, |(_, limit)| limit.clone());
    let serves = limit.serves_in(scenario.round_trip + scenario.server.service);
    let workers = serves.saturating_mul(2).clamp(MIN_WORKERS, MAX_WORKERS);
    let server = ServerSpec {
        limits: vec![(Duration::ZERO, limit)],
        poison_one_in: None,
        poison_share: 0.0,
        refused_first: 0,
        outage: None,
        ..scenario.server.clone()
    };
    let arrivals = Arrivals::Closed { requests: workers.saturating_mul(REQUESTS_PER_WORKER), workers };
    let tenants = scenario.load.tenants.iter().take(scenario.keys());
    let tenants = tenants.map(|tenant| TenantLoad { arrivals: arrivals.clone(), ..*tenant }).collect();
    Scenario {
        server,
        load: Load { tenants, ..scenario.load },
        callers: CallerFaults::default(),
        warm: false,
        ..scenario.clone()
    }
}

impl Limit {
    /// Returns the number of calls that it serves at once, or in this time if that is more.
    fn serves_in(&self, time: Duration) -> u32 {
        let size = |quota: &Option<Quota>| quota.map_or(u32::MAX, |quota| quota.limit);
        match self {
            Self::None => 0,
            // A conversion from a float saturates.
            Self::Bucket { per_second, burst } | Self::Gcra { per_second, burst } => {
                (per_second * time.as_secs_f64()).max(*burst) as u32
            }
            Self::Sliding { count, .. } | Self::Fixed { count, .. } => *count,
            Self::Concurrent { limit } => *limit,
            Self::Quotas { requests, units } => size(requests).min(size(units)),
        }
    }
}

/// The number of calls for each key that are served after the first refusal.
const SERVED: u32 = 20;
/// The longest time until then.
const LONGEST: Duration = Duration::from_secs(30);
/// The time between the warm-up and the scenario.
const REST: Duration = Duration::from_secs(60);
/// The number of workers for each key, where the limit serves few at once.
const MIN_WORKERS: u32 = 8;
/// The number of workers for each key, where the limit serves many at once.
const MAX_WORKERS: u32 = 4_000;
/// The number of requests of each worker. It bounds the warm-up where requests end without a call.
const REQUESTS_PER_WORKER: u32 = 100;
