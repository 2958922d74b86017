//! Tenants who share a key, and keys that share nothing.

use std::time::Duration;

use super::super::figures::Run;
use super::super::must::{Check, Runs};
use super::super::parameters::Draw;
use super::super::{Arrivals, Load};
use super::common::{self, Key};
use super::{Case, Family};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "tenants",
        about: "One tenant sends 40 at a time, the others ask for half their share.",
        draw: draw_tenants,
        judge: judge_tenants,
    },
    Family {
        name: "keys",
        about: "Each tenant has a key of its own, and one of them overruns its limit.",
        draw: draw_keys,
        judge: judge_keys,
    },
];

/// The requests that the greedy tenant has at a time.
const GREEDY: u32 = 40;

fn draw_tenants(draw: &mut Draw) -> Case {
    let tenants = draw.count("tenants", 2, 50);
    // At higher rates 40 at a time are not greedy.
    let rate = draw.number("rate", 5.0, 100.0);
    let burst = draw.number("burst_seconds", 1.0, 2.0) * rate;
    let (hint, seconds) = common::hint(draw);
    let service = draw.time("service", 0.005, 0.05);
    let time = common::span(draw, 10.0, 60.0, rate);
    let modest = rate / (2.0 * f64::from(tenants));
    let others = tenants - 1;
    let left = rate - modest * f64::from(others);
    // The greedy tenant has enough for the whole time.
    let requests = (1.2 * left * time.as_secs_f64() + burst).ceil() as u32 + GREEDY;
    let greedy = Arrivals::Closed { requests, workers: GREEDY };
    let modest = (0..others).map(|_| Arrivals::Poisson { phases: vec![(modest, time)] });
    let load = common::shared(std::iter::once(greedy).chain(modest));
    let limit = common::bucket(draw, rate, burst);
    let case = common::case(draw, common::server(limit, service, hint), load, Key::Either, seconds);
    Case { rate, to: time, ..case }
}

fn judge_tenants(runs: &Runs) -> Vec<Check> {
    let (rate, h) = (runs.case.rate, runs.case.hint);
    let modest = runs.pace.waits(|request| request.tenant != 0);
    let quantile = |share| super::super::figures::quantile(&modest, share);
    vec![
        Check::seconds("p50 W of the modest", quantile(0.5), (3.0 / rate).max(0.1)),
        Check::seconds("p99 W of the modest", quantile(0.99), h + 0.5),
        Check::ratio("1 - Jain", 1.0 - jain(runs), 0.05).aim(0.01),
    ]
}

/// Jain's index over what each tenant got, as a share of what it can have. Requests that come so late that they may
/// still wait for their hint at the end do not count.
fn jain(runs: &Runs) -> f64 {
    let end = runs.case.to;
    let last = end.saturating_sub(Duration::from_secs_f64(runs.case.hint + 1.0));
    let tenants = runs.case.scenario.load.tenants.len();
    let mut came = vec![0.0; tenants];
    let mut served = vec![0.0; tenants];
    for request in &runs.pace.outcome.requests {
        let is_counted = request.arrived < if request.tenant == 0 { end } else { last };
        if is_counted {
            came[request.tenant] += 1.0;
            served[request.tenant] += f64::from(u8::from(request.is_served && request.finished <= end));
        }
    }
    let others: f64 = came.iter().skip(1).sum();
    came[0] = (runs.case.rate * end.as_secs_f64() - others).max(1.0);
    let shares = came.iter().zip(&served).filter(|(came, _)| **came > 0.0);
    let shares: Vec<f64> = shares.map(|(came, served)| (served / came).min(1.0)).collect();
    let (sum, squares) = shares.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
    if squares > 0.0 { sum * sum / (shares.len() as f64 * squares) } else { 0.0 }
}

fn draw_keys(draw: &mut Draw) -> Case {
    let keys = draw.count("keys", 2, 20);
    let demand = 2.0 + 0.5 * f64::from(keys);
    let rate = draw.number("rate", 5.0, (common::MAX_REQUESTS / 10.0 / demand).min(1e3));
    let burst = draw.number("burst_seconds", 1.0, 2.0) * rate;
    let share = draw.share("load", 0.25, 0.5);
    let (hint, seconds) = common::hint(draw);
    let service = common::service(draw);
    let time = common::span(draw, 10.0, 60.0, rate * demand);
    let load = |index| if index == 0 { 2.0 * rate } else { share * rate };
    let load = common::shared((0..keys).map(|index| Arrivals::Poisson { phases: vec![(load(index), time)] }));
    let limit = common::bucket(draw, rate, burst);
    let load = Load { key_per_tenant: true, ..load };
    let case = common::case(draw, common::server(limit, service, hint), load, Key::Either, seconds);
    Case { rate, ..case }
}

/// The tenant that overruns its limit costs the others no wait. Each may wait for a limit that its own key has met.
fn judge_keys(runs: &Runs) -> Vec<Check> {
    let longest = |run: &Run| {
        let others = run.waits(|request| request.tenant != 0 && request.refused == 0);
        others.last().copied().unwrap_or_default()
    };
    let alone = runs.without_faults.as_ref().map_or(0.0, longest);
    vec![Check::seconds("W of the others", longest(&runs.pace), alone + 0.001)]
}
