//! The parts that scenarios share, and the ranges that all families have in common.

use std::time::Duration;

use super::super::parameters::Draw;
use super::super::{
    Announces, Arrivals, CallerFaults, HintSpec, Limit, Load, Scenario, ServerSpec, TenantLoad,
};
use super::Case;

/// The largest number of requests of a draw, unless its shortest time has more.
pub(super) const MAX_REQUESTS: f64 = 6_000.0;
/// The shortest time of a Poisson load, in seconds.
const MIN_LOAD: f64 = 10.0;

/// The past of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Nothing is known.
    Cold,
    /// It met its limit a minute before.
    Warm,
    /// The draw decides.
    Either,
}

/// A server with one limit, whose refusals carry `Retry-After` in whole seconds.
pub(super) fn server(limit: Limit, service: Duration, hint: HintSpec) -> ServerSpec {
    ServerSpec {
        limits: vec![(Duration::ZERO, limit)],
        service,
        service_sigma: 0.0,
        hint,
        noise: None,
        poison_one_in: None,
        poison_share: 0.0,
        poison_hint: None,
        refused_first: 0,
        outage: None,
        announces: Announces::Nothing,
    }
}

/// The scenario of a server and its load, with the ranges that all families have in common.
pub(super) fn case(draw: &mut Draw, server: ServerSpec, load: Load, key: Key, hint: f64) -> Case {
    case_with_spread(draw, server, load, key, hint, f64::INFINITY)
}

/// The same, where calls that are sent at the same time reach the server within `spread` seconds of each other.
pub(super) fn case_with_spread(
    draw: &mut Draw,
    server: ServerSpec,
    load: Load,
    key: Key,
    hint: f64,
    spread: f64,
) -> Case {
    let warm = match key {
        Key::Cold => false,
        Key::Warm => true,
        Key::Either => draw.word("key", &["cold", "warm"]) == "warm",
    };
    let round_trip = draw.time("round_trip", 0.002, 0.15);
    let jitter = draw.share("jitter", 0.0, (spread / round_trip.as_secs_f64()).min(0.8));
    let scenario = Scenario {
        server,
        load,
        round_trip,
        jitter,
        max_attempts: draw.count("attempts", 4, 6),
        max_elapsed: None,
        warm,
        callers: CallerFaults::default(),
    };
    Case { scenario, hint, rate: 0.0, from: Duration::ZERO, to: Duration::ZERO }
}

/// The time of a served request, where the table does not give it.
pub(super) fn service(draw: &mut Draw) -> Duration {
    draw.time("service", 0.005, 0.5)
}

/// The hint of a refusal, where the table does not give it, in seconds.
pub(super) fn hint(draw: &mut Draw) -> (HintSpec, f64) {
    let at_least = draw.count("hint", 1, 3);
    (HintSpec::Seconds { at_least: at_least.into() }, f64::from(at_least))
}

/// A hint, or none.
pub(super) fn hint_or_none(draw: &mut Draw) -> Option<u64> {
    let has_hint = draw.word("with_hint", &["yes", "no"]) == "yes";
    let hint = draw.count("hint", 1, 3);
    has_hint.then_some(hint.into())
}

/// A token bucket or GCRA of a rate and a burst.
pub(super) fn bucket(draw: &mut Draw, per_second: f64, burst: f64) -> Limit {
    match draw.word("limit", &["bucket", "gcra"]) {
        "gcra" => Limit::Gcra { per_second, burst },
        _ => Limit::Bucket { per_second, burst },
    }
}

/// The time of a load of `rate` requests a second: as long as the draw says, but with no more than 6,000 requests
/// if it has at least 10 s.
pub(super) fn span(draw: &mut Draw, least: f64, most: f64, rate: f64) -> Duration {
    let most = most.min((MAX_REQUESTS / rate).max(MIN_LOAD));
    draw.time("time", least.min(most), most)
}

/// `requests` by `workers`, spread over some tenants.
pub(super) fn closed(draw: &mut Draw, requests: u32, workers: u32) -> Load {
    let tenants = tenants(draw, workers.min(requests));
    let loads = (0..tenants).map(|index| {
        let part = |whole: u32| whole / tenants + u32::from(index < whole % tenants);
        Arrivals::Closed { requests: part(requests), workers: part(workers).max(1) }
    });
    shared(loads)
}

/// `requests` at once, spread over some tenants.
pub(super) fn burst(draw: &mut Draw, requests: u32) -> Load {
    let tenants = tenants(draw, requests);
    let part = |index: u32| requests / tenants + u32::from(index < requests % tenants);
    shared((0..tenants).map(|index| Arrivals::Burst { requests: part(index) }))
}

/// Poisson arrivals in phases of a rate and a time, spread over some tenants.
pub(super) fn poisson(draw: &mut Draw, phases: &[(f64, Duration)]) -> Load {
    let tenants = tenants(draw, 50);
    let part: Vec<_> = phases.iter().map(|(rate, time)| (rate / f64::from(tenants), *time)).collect();
    shared((0..tenants).map(|_| Arrivals::Poisson { phases: part.clone() }))
}

fn tenants(draw: &mut Draw, most: u32) -> u32 {
    draw.count("tenants", 1, 50).min(most).max(1)
}

/// Tenants with one key, whose requests cost one unit each.
pub(super) fn shared(loads: impl Iterator<Item = Arrivals>) -> Load {
    let tenants = loads.map(|arrivals| TenantLoad { arrivals, max_cost: 1 }).collect();
    Load { tenants, key_per_tenant: false }
}
