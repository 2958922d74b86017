//! Bursts on a bucket, buckets of almost no burst, and limits of how many at a time.

use std::time::Duration;

use super::super::must::{Check, Runs};
use super::super::parameters::Draw;
use super::super::{HintSpec, Limit, ServerSpec};
use super::common::{self, Key};
use super::{Case, Family};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "burst-cold",
        about: "20 to 1,000 requests come at once, and nothing is known of the limit.",
        draw: |draw| draw_burst(draw, Key::Cold),
        judge: judge_cold,
    },
    Family {
        name: "burst-known",
        about: "20 to 1,000 requests come at once, a minute after the limit was met.",
        draw: |draw| draw_burst(draw, Key::Warm),
        judge: judge_known,
    },
    Family {
        name: "bucket-precise",
        about: "20 to 1,000 requests come at once to a bucket whose hints are exact.",
        draw: draw_precise,
        judge: judge_precise,
    },
    Family {
        name: "tiny-burst",
        about: "A bucket of one to three tokens hints at whole seconds.",
        draw: draw_tiny,
        judge: judge_tiny,
    },
    Family {
        name: "bucket-silent",
        about: "A bucket refuses without a hint, and some workers share it.",
        draw: draw_silent,
        judge: judge_silent,
    },
    Family {
        name: "concurrency",
        about: "A limit of how many at a time refuses without a hint.",
        draw: |draw| draw_concurrency(draw, false),
        judge: judge_concurrency,
    },
    Family {
        name: "concurrency-hint",
        about: "A limit of how many at a time refuses with a hint.",
        draw: |draw| draw_concurrency(draw, true),
        judge: judge_concurrency_hint,
    },
    Family {
        name: "long",
        about: "A limit of starts a second meets answers that take 2 to 60 s.",
        draw: draw_long,
        judge: judge_long,
    },
];

fn draw_burst(draw: &mut Draw, key: Key) -> Case {
    let (hint, seconds) = common::hint(draw);
    draw_burst_with(draw, key, hint, seconds)
}

fn draw_precise(draw: &mut Draw) -> Case {
    draw_burst_with(draw, Key::Either, HintSpec::Milliseconds, 0.0)
}

fn draw_burst_with(draw: &mut Draw, key: Key, hint: HintSpec, seconds: f64) -> Case {
    let requests = draw.count("requests", 20, 1_000);
    let rate = draw.number("rate", 5.0, 1e3);
    // At least half of the burst comes to an empty bucket.
    let burst = draw.count("burst", 4, requests / 2);
    let service = common::service(draw);
    let limit = common::bucket(draw, rate, f64::from(burst));
    let load = common::burst(draw, requests);
    let case = common::case(draw, common::server(limit, service, hint), load, key, seconds);
    Case { rate, ..case }
}

fn judge_cold(runs: &Runs) -> Vec<Check> {
    let (pace, floor, h) = (&runs.pace.figures, runs.floor.figures.time, runs.case.hint);
    vec![
        Check::seconds("T", pace.time, floor + h + (0.5 * floor).max(1.0)).aim(floor + h + 0.3),
        Check::count("calls", pace.calls, cold_calls(runs)),
    ]
}

/// Each request once, those that are refused before the limit can be known once more, and a tenth.
fn cold_calls(runs: &Runs) -> f64 {
    1.1 * runs.requests() + runs.pace.first_round(Duration::ZERO) as f64
}

fn judge_known(runs: &Runs) -> Vec<Check> {
    let (pace, floor, h) = (&runs.pace.figures, runs.floor.figures.time, runs.case.hint);
    let n = runs.requests();
    vec![
        Check::seconds("T", pace.time, 1.15 * floor + h).aim(1.05 * floor + h),
        Check::count("calls", pace.calls, 1.05 * n).aim(1.02 * n),
    ]
}

fn judge_precise(runs: &Runs) -> Vec<Check> {
    let (pace, floor) = (&runs.pace.figures, runs.floor.figures.time);
    let calls = if runs.case.scenario.warm { 1.05 * runs.requests() } else { cold_calls(runs) };
    vec![
        Check::seconds("T", pace.time, 1.35 * floor + 0.5).aim(1.1 * floor + 0.5),
        Check::count("calls", pace.calls, calls),
    ]
}

fn draw_tiny(draw: &mut Draw) -> Case {
    let rate = draw.number("rate", 5.0, 150.0);
    let burst = draw.count("burst", 1, 3);
    let limit = common::bucket(draw, rate, f64::from(burst));
    let hint = draw.count("hint", 1, 2);
    let service = common::service(draw);
    let workers = draw.count("workers", 4, 100);
    let requests = draw.count("requests", (2 * workers).max(20), 1_000);
    let load = common::closed(draw, requests, workers);
    let server = common::server(limit, service, HintSpec::Seconds { at_least: hint.into() });
    // Calls that the network spreads over more slots than the bucket has tokens meet it as if they came at random,
    // and then no sender holds this family's promises.
    let spread = f64::from(burst) / rate;
    let case = common::case_with_spread(draw, server, load, Key::Either, f64::from(hint), spread);
    Case { rate, ..case }
}

fn judge_tiny(runs: &Runs) -> Vec<Check> {
    let (pace, floor, h) = (&runs.pace.figures, runs.floor.figures.time, runs.case.hint);
    let n = runs.requests();
    vec![
        Check::seconds("T", pace.time, 2.0 * floor + 2.0 * h).aim(1.3 * floor + h),
        Check::count("refused", pace.refused, 0.25 * n).aim(0.1 * n),
    ]
}

fn draw_silent(draw: &mut Draw) -> Case {
    let rate = draw.number("rate", 5.0, 1e3);
    let burst = draw.number("burst_seconds", 0.2, 2.0) * rate;
    let limit = common::bucket(draw, rate, burst.max(1.0));
    let service = common::service(draw);
    let workers = draw.count("workers", 4, 100);
    let time = common::span(draw, 10.0, 60.0, rate);
    let load = common::closed(draw, (rate * time.as_secs_f64() + burst).ceil() as u32, workers);
    let case = common::case(draw, common::server(limit, service, HintSpec::None), load, Key::Either, 0.0);
    Case { rate, ..case }
}

fn judge_silent(runs: &Runs) -> Vec<Check> {
    let (pace, alone, floor) = (&runs.pace.figures, &runs.alone.figures, &runs.floor.figures);
    let n = runs.requests();
    vec![
        Check::seconds("T", pace.time, 1.2 * floor.time + 2.0).aim(1.1 * floor.time + 1.0),
        Check::count("refused", pace.refused, 0.1 * n + 2.0 * runs.pace.first_round(Duration::ZERO) as f64),
        Check::count("refused beside alone", pace.refused, alone.refused as f64 + 3.0),
    ]
}

fn draw_concurrency(draw: &mut Draw, has_hint: bool) -> Case {
    let limit = draw.count("limit", 2, 100);
    let service = draw.time("service", 0.02, 30.0);
    let times = draw.number("callers_per_place", 2.0, 10.0);
    let workers = (f64::from(limit) * times).ceil() as u32;
    let rounds = draw.number("requests_per_caller", 1.0, 5.0);
    let (hint, seconds) = if has_hint {
        let seconds = draw.count("hint", 1, 3);
        (HintSpec::Fixed { seconds: seconds.into() }, f64::from(seconds))
    } else {
        (HintSpec::None, 0.0)
    };
    let requests = (f64::from(workers) * rounds).ceil() as u32;
    let load = common::closed(draw, requests, workers);
    let server = common::server(Limit::Concurrent { limit }, service, hint);
    common::case(draw, ServerSpec { service_sigma: 0.6, ..server }, load, Key::Either, seconds)
}

fn judge_concurrency(runs: &Runs) -> Vec<Check> {
    let (pace, floor) = (&runs.pace.figures, runs.floor.figures.time);
    let first = runs.pace.first_round(Duration::ZERO) as f64;
    let n = runs.requests();
    vec![
        Check::seconds("T", pace.time, 1.3 * floor + 3.0).aim(1.1 * floor + 0.5),
        Check::count("refused", pace.refused, first + 0.2 * n).aim(first + 0.08 * n),
    ]
}

fn judge_concurrency_hint(runs: &Runs) -> Vec<Check> {
    let (pace, floor, h) = (&runs.pace.figures, runs.floor.figures.time, runs.case.hint);
    vec![Check::seconds("T", pace.time, 1.35 * floor + 2.0 * h).aim(1.15 * floor + 2.0 * h)]
}

fn draw_long(draw: &mut Draw) -> Case {
    let rate = draw.number("rate", 1.0, 20.0);
    let burst = draw.number("burst", 2.0, 20.0);
    let limit = common::bucket(draw, rate, burst);
    let service = draw.time("service", 2.0, 60.0);
    let (hint, seconds) = common::hint(draw);
    let requests = draw.count("requests", 20, 400);
    let load = match draw.word("load", &["burst", "closed"]) {
        "closed" => {
            let workers = draw.count("workers", 10, 200);
            common::closed(draw, requests.max(workers), workers)
        }
        _ => common::burst(draw, requests),
    };
    let case = common::case(draw, common::server(limit, service, hint), load, Key::Either, seconds);
    Case { rate, ..case }
}

fn judge_long(runs: &Runs) -> Vec<Check> {
    let (pace, floor, h) = (&runs.pace.figures, runs.floor.figures.time, runs.case.hint);
    let fewer = runs.alone.figures.served.saturating_sub(pace.served);
    vec![
        Check::seconds("T", pace.time, 1.15 * floor + 2.0 * h).aim(1.05 * floor + 2.0 * h),
        Check::count("fewer served than alone", fewer, 0.0),
    ]
}
