//! Quotas of requests and of tokens that each answer announces.

use std::time::Duration;

use super::super::must::{Check, Runs};
use super::super::parameters::Draw;
use super::super::{Announces, HintSpec, Limit, Load, Quota, ServerSpec, TenantLoad};
use super::common::{self, Key};
use super::{Case, Family};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "requests-announced",
        about: "Each answer announces the requests that are left.",
        draw: draw_requests,
        judge: judge_requests,
    },
    Family {
        name: "tokens-announced",
        about: "Each answer announces the tokens that are left; requests cost 1 to 20 units.",
        draw: draw_tokens,
        judge: judge_tokens,
    },
];

fn draw_requests(draw: &mut Draw) -> Case {
    let limit = draw.count("count", 10, 1_000);
    let window = draw.time("window", 1.0, 60.0);
    let service = common::service(draw);
    let quota = Quota { limit, window };
    let announced = match draw.word("announces", &["openai", "ietf"]) {
        "openai" => (Limit::Quotas { requests: Some(quota), units: None }, Announces::OpenAi),
        // Its reset is the end of a window.
        _ => (Limit::Fixed { count: limit, window }, Announces::Ietf),
    };
    let rate = f64::from(limit) / window.as_secs_f64();
    let load = draw_load(draw, limit, rate, 1.0);
    let case = announced_case(draw, announced, service, load, window);
    Case { rate, ..case }
}

fn draw_tokens(draw: &mut Draw) -> Case {
    let limit = draw.count("units", 400, 4_000);
    let window = draw.time("window", 5.0, 60.0);
    let service = common::service(draw);
    let announces = match draw.word("announces", &["openai", "anthropic"]) {
        "openai" => Announces::OpenAi,
        _ => Announces::Anthropic,
    };
    let limits = Limit::Quotas { requests: None, units: Some(Quota { limit, window }) };
    let rate = f64::from(limit) / window.as_secs_f64() / MEAN_COST;
    let load = draw_load(draw, limit, rate, MEAN_COST);
    let tenants = load.tenants.into_iter().map(|tenant| TenantLoad { max_cost: 20, ..tenant }).collect();
    let load = Load { tenants, ..load };
    let case = announced_case(draw, (limits, announces), service, load, window);
    Case { rate, ..case }
}

/// The mean of costs from 1 to 20 units, log-uniformly.
const MEAN_COST: f64 = 6.5;

/// A load beyond the quota. So few come at once that the first answer can announce the quota before it is spent.
fn draw_load(draw: &mut Draw, limit: u32, rate: f64, cost: f64) -> Load {
    match draw.word("load", &["closed", "poisson"]) {
        "closed" => {
            let workers = draw.count("workers", 2, 200).min((f64::from(limit) / cost / 4.0) as u32).max(1);
            let requests = (f64::from(limit) / cost * draw.number("windows", 1.5, 4.0)).ceil() as u32;
            common::closed(draw, requests, workers)
        }
        _ => {
            let share = draw.share("share", 0.8, 2.0);
            let time = common::span(draw, 10.0, 60.0, rate * share);
            common::poisson(draw, &[(rate * share, time)])
        }
    }
}

fn announced_case(
    draw: &mut Draw,
    (limit, announces): (Limit, Announces),
    service: Duration,
    load: Load,
    window: Duration,
) -> Case {
    let server = common::server(limit, service, HintSpec::Seconds { at_least: 1 });
    common::case(draw, ServerSpec { announces, ..server }, load, Key::Either, window.as_secs_f64().ceil())
}

fn judge_requests(runs: &Runs) -> Vec<Check> {
    let (pace, floor) = (&runs.pace.figures, runs.floor.figures.time);
    vec![
        Check::seconds("T", pace.time, 1.05 * floor + 0.2).aim(1.02 * floor + 0.2),
        Check::count("refused", pace.refused, 2.0).aim(0.0),
    ]
}

fn judge_tokens(runs: &Runs) -> Vec<Check> {
    let (pace, floor) = (&runs.pace.figures, runs.floor.figures.time);
    let calls = pace.calls as f64;
    vec![
        Check::seconds("T", pace.time, 1.1 * floor + 0.5).aim(1.05 * floor + 0.5),
        Check::count("refused", pace.refused, 0.06 * calls).aim(0.02 * calls),
    ]
}
