//! Refusals that have nothing to do with load.

use std::time::Duration;

use super::super::must::{Check, Runs};
use super::super::parameters::Draw;
use super::super::{HintSpec, Limit, Load, Noise, ServerSpec};
use super::common::{self, Key};
use super::{Case, Family};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "noise-2",
        about: "0.01 to 2 % of calls are refused at random.",
        draw: |draw| draw_noise(draw, 0.0001, 0.02),
        judge: |runs| {
            let alone = runs.alone.figures.p50;
            let mut checks = judge_noise(runs, 1.05, 1.0, 0.05, alone + 0.001);
            let untouched = runs.pace.waits(|request| request.refused == 0);
            let p99 = super::super::figures::quantile(&untouched, 0.99);
            checks.push(Check::seconds("p99 W of those never refused", p99, 0.3));
            checks
        },
    },
    Family {
        name: "noise-5",
        about: "2 to 5 % of calls are refused at random.",
        draw: |draw| draw_noise(draw, 0.02, 0.05),
        judge: |runs| judge_noise(runs, 1.05, 1.0, 0.5, 0.02),
    },
    Family {
        name: "noise-10",
        about: "5 to 10 % of calls are refused at random.",
        draw: |draw| draw_noise(draw, 0.05, 0.1),
        judge: |runs| judge_noise(runs, 1.15, 2.0, 1.0, 0.05),
    },
    Family {
        name: "noise-on-bucket",
        about: "A bucket at 100 to 150 % refuses 0.01 to 10 % at random besides.",
        draw: draw_on_bucket,
        judge: judge_on_bucket,
    },
    Family {
        name: "refused-each",
        about: "Each request is refused one to three times, whatever the load.",
        draw: draw_each,
        judge: judge_each,
    },
    Family {
        name: "poison",
        about: "One request in 20 to 500 is always refused.",
        draw: draw_poison,
        judge: judge_poison,
    },
    Family {
        name: "poison-many",
        about: "5 to 80 % of all requests are always refused.",
        draw: draw_poison_many,
        judge: judge_poison_many,
    },
];

fn draw_poison_many(draw: &mut Draw) -> Case {
    let share = draw.number("share", 0.05, 0.8);
    let rate = draw.number("rate", 1.0, 100.0);
    let (server, h) = poison_server(draw);
    let server = ServerSpec { poison_share: share, ..server };
    // Workers of a closed loop would be busy with requests at fault for most of the time.
    let time = common::span(draw, 20.0, 60.0, rate);
    let load = common::poisson(draw, &[(rate, time)]);
    common::case(draw, server, load, Key::Either, h)
}

fn judge_poison_many(runs: &Runs) -> Vec<Check> {
    let (pace, alone, h) = (&runs.pace.figures, &runs.alone.figures, runs.case.hint);
    vec![
        Check::seconds("p50 W of the others", pace.p50, 5.0).aim(0.02),
        Check::seconds("p99 W of the others", pace.p99, 20.0).aim(10.0),
        Check::seconds("T", pace.time, 1.2 * alone.time + h + 10.0).aim(alone.time + h),
    ]
}

fn noise(draw: &mut Draw, least: f64, most: f64) -> Noise {
    let share = draw.number("share", least, most);
    let status = match draw.word("status", &["429", "503", "529"]) {
        "503" => 503,
        "529" => 529,
        _ => 429,
    };
    Noise { share, status, hint: common::hint_or_none(draw) }
}

/// A load of `rate` requests a second: Poisson, or by workers who have about this rate.
fn load(draw: &mut Draw, rate: f64, service: Duration) -> Load {
    let time = common::span(draw, 10.0, 60.0, rate);
    match draw.word("load", &["closed", "poisson"]) {
        "closed" => {
            let workers = (rate * (service.as_secs_f64() + 0.05)).ceil().clamp(1.0, 1_000.0) as u32;
            let requests = (rate * time.as_secs_f64()).ceil() as u32;
            common::closed(draw, requests.max(workers), workers)
        }
        _ => common::poisson(draw, &[(rate, time)]),
    }
}

fn draw_noise(draw: &mut Draw, least: f64, most: f64) -> Case {
    let rate = draw.number("rate", 10.0, 1e3);
    let service = common::service(draw);
    let noise = noise(draw, least, most);
    let load = load(draw, rate, service);
    let server = common::server(Limit::None, service, HintSpec::None);
    let server = ServerSpec { noise: Some(noise), ..server };
    common::case(draw, server, load, Key::Either, seconds(noise))
}

fn seconds(noise: Noise) -> f64 {
    noise.hint.map_or(0.0, |hint| hint as f64)
}

fn judge_noise(runs: &Runs, factor: f64, more: f64, p50: f64, aim: f64) -> Vec<Check> {
    let (pace, alone) = (&runs.pace.figures, runs.alone_time());
    vec![
        Check::seconds("T", pace.time, factor * alone + more),
        Check::seconds("p50 W", pace.p50, p50).aim(aim),
    ]
}

fn draw_on_bucket(draw: &mut Draw) -> Case {
    let rate = draw.number("rate", 10.0, 1e3);
    let burst = draw.number("burst_seconds", 1.0, 2.0) * rate;
    let service = common::service(draw);
    let noise = noise(draw, 0.0001, 0.1);
    let (hint, at_least) = common::hint(draw);
    let limit = common::bucket(draw, rate, burst);
    let share = draw.share("over", 1.0, 1.5);
    let load = load(draw, rate * share, service);
    let server = ServerSpec { noise: Some(noise), ..common::server(limit, service, hint) };
    let case = common::case(draw, server, load, Key::Either, at_least.max(seconds(noise)));
    Case { rate, ..case }
}

fn judge_on_bucket(runs: &Runs) -> Vec<Check> {
    let (pace, floor, h) = (&runs.pace.figures, runs.floor.figures.time, runs.case.hint);
    let calls = pace.calls as f64;
    let noise = calls * runs.case.scenario.server.noise.map_or(0.0, |noise| noise.share);
    // Chance does not refuse exactly its share, and 2 % of a short load are less than what it takes to know a limit.
    let refused = noise + 3.0 * noise.sqrt() + (0.02 * calls).max(10.0);
    vec![
        Check::seconds("T", pace.time, 1.06 * floor + h + 1.0).aim(1.03 * floor + h + 1.0),
        Check::count("refused", pace.refused, refused),
    ]
}

fn draw_each(draw: &mut Draw) -> Case {
    let times = draw.count("refused_first", 1, 3);
    let seconds = draw.count("hint", 1, 3);
    let workers = draw.count("workers", 4, 60);
    let requests = draw.count("requests", 2 * workers, 600);
    let service = common::service(draw);
    let server = common::server(Limit::None, service, HintSpec::Fixed { seconds: seconds.into() });
    let server = ServerSpec { refused_first: times, ..server };
    let load = common::closed(draw, requests, workers);
    let mut case = common::case(draw, server, load, Key::Either, f64::from(seconds));
    // There are attempts to spare.
    case.scenario.max_attempts = case.scenario.max_attempts.max(times + 2);
    case
}

fn judge_each(runs: &Runs) -> Vec<Check> {
    let (pace, floor, h) = (&runs.pace.figures, &runs.floor.figures, runs.case.hint);
    let times = f64::from(runs.case.scenario.server.refused_first);
    vec![
        Check::seconds("T", pace.time, 3.0 * floor.time + 2.0 * times * h).aim(2.0 * floor.time),
        Check::count("calls", pace.calls, floor.calls as f64),
    ]
}

fn draw_poison(draw: &mut Draw) -> Case {
    let one_in = draw.count("one_in", 20, 500);
    let rate = draw.number("rate", 10.0, 300.0);
    let (server, h) = poison_server(draw);
    let server = ServerSpec { poison_one_in: Some(one_in), ..server };
    let load = load(draw, rate, server.service);
    common::case(draw, server, load, Key::Either, h)
}

/// Draws a server without a limit, and the hint in seconds of the requests that it always refuses, which are none yet.
fn poison_server(draw: &mut Draw) -> (ServerSpec, f64) {
    let service = common::service(draw);
    let hint = common::hint_or_none(draw);
    let server = common::server(Limit::None, service, HintSpec::None);
    let poison_hint = hint.map(Duration::from_secs);
    (ServerSpec { poison_hint, ..server }, hint.map_or(0.0, |hint| hint as f64))
}

fn judge_poison(runs: &Runs) -> Vec<Check> {
    let (pace, alone, h) = (&runs.pace.figures, &runs.alone.figures, runs.case.hint);
    vec![
        Check::seconds("p99 W of the others", pace.p99, alone.p99 + 0.5).aim(alone.p99 + 0.02),
        Check::seconds("T", pace.time, 1.2 * alone.time + h).aim(alone.time + h),
    ]
}
