//! Loads on a bucket, from far below its rate to far above it, and a server without a limit.

use std::time::Duration;

use super::super::must::{Check, Runs, patience};
use super::super::parameters::Draw;
use super::super::{HintSpec, Limit};
use super::common::{self, Key};
use super::{Case, Family};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "no-limit",
        about: "The server has no limit.",
        draw: draw_no_limit,
        judge: judge_no_limit,
    },
    Family {
        name: "bucket-low",
        about: "A load of 25 to 80 % meets a bucket of one to two seconds' worth.",
        draw: |draw| draw_bucket(draw, 0.25, 0.8),
        judge: judge_low,
    },
    Family {
        name: "bucket-near",
        about: "A load of 80 to 97 % meets a bucket, and then falls.",
        draw: |draw| draw_bucket(draw, 0.8, 0.97),
        judge: judge_near,
    },
    Family {
        name: "bucket-over",
        about: "A load of 100 to 250 % meets a bucket.",
        draw: draw_over,
        judge: judge_over,
    },
];

fn draw_no_limit(draw: &mut Draw) -> Case {
    let rate = draw.number("rate", 1.0, 1e3);
    let service = draw.time("service", 0.001, 60.0);
    let load = match draw.word("load", &["closed", "poisson"]) {
        "closed" => {
            let workers = draw.count("workers", 1, 1_000);
            let requests = draw.count("requests", workers.max(20), 6_000);
            // A load of an hour shows no more than one of some rounds.
            let rounds = (600.0 / service.as_secs_f64()).max(2.0) as u32;
            common::closed(draw, requests.min(workers.saturating_mul(rounds)), workers)
        }
        _ => {
            let time = common::span(draw, 10.0, 60.0, rate);
            common::poisson(draw, &[(rate, time)])
        }
    };
    common::case(draw, common::server(Limit::None, service, HintSpec::None), load, Key::Cold, 0.0)
}

fn judge_no_limit(runs: &Runs) -> Vec<Check> {
    let (pace, alone, slow) = (&runs.pace.figures, &runs.alone.figures, &runs.slow.figures);
    let patience = patience(&runs.case.scenario);
    vec![
        Check::count("calls", pace.calls, alone.calls as f64),
        Check::seconds("T", pace.time, alone.time + 0.001),
        Check::seconds("p99 W", pace.p99, alone.p99 + 0.001),
        Check::seconds("held", runs.pace.outcome.held.as_secs_f64(), 0.0),
        Check::seconds("slow start: p99 W", slow.p99, alone.p99 + 8.0 * patience)
            .aim(alone.p99 + 5.0 * patience),
    ]
}

/// The time of the lower load after the first, in `bucket-near`.
const AFTER: Duration = Duration::from_secs(15);

fn draw_bucket(draw: &mut Draw, least: f64, most: f64) -> Case {
    let rate = draw.number("rate", 5.0, 1e3);
    let burst = draw.number("burst_seconds", 1.0, 2.0) * rate;
    let load = draw.share("load", least, most);
    let (hint, seconds) = common::hint(draw);
    let service = common::service(draw);
    let time = common::span(draw, 10.0, 60.0, rate * load);
    let mut phases = vec![(rate * load, time)];
    if most > 0.8 {
        phases.push((rate * 0.25, AFTER));
    }
    let limit = common::bucket(draw, rate, burst);
    let load = common::poisson(draw, &phases);
    let case = common::case(draw, common::server(limit, service, hint), load, Key::Either, seconds);
    Case { rate, from: time, ..case }
}

fn judge_low(runs: &Runs) -> Vec<Check> {
    let (pace, alone) = (&runs.pace.figures, &runs.alone.figures);
    vec![
        Check::seconds("p50 W", pace.p50, 0.005),
        Check::seconds("p99 W", pace.p99, alone.p99 + 0.02).aim(alone.p99.max(0.05)),
        Check::count("refused", pace.refused, alone.refused as f64 + 3.0),
    ]
}

/// A load near the limit meets queues that even the clairvoyant has, so waiting is measured beyond its own.
fn judge_near(runs: &Runs) -> Vec<Check> {
    let (pace, alone, floor) = (&runs.pace.figures, &runs.alone.figures, &runs.floor.figures);
    let h = runs.case.hint;
    let fall = runs.case.from.as_secs_f64();
    let gone = |run: &super::Run| (run.queue_gone(h + 1.0) - fall).max(0.0);
    let refused = (0.75 * alone.refused as f64).max(10.0);
    vec![
        Check::seconds("p50 W", pace.p50, floor.p50 + 0.3).aim(floor.p50 + 0.05),
        Check::seconds("p99 W", pace.p99, floor.p99 + (h + 0.5).max(1.5)).aim(alone.p99),
        Check::count("refused", pace.refused, refused),
        Check::seconds("queue gone", gone(&runs.pace), gone(&runs.floor) + 3.0),
    ]
}

fn draw_over(draw: &mut Draw) -> Case {
    let rate = draw.number("rate", 5.0, 1e3);
    let burst = draw.number("burst_seconds", 1.0, 2.0) * rate;
    let (hint, seconds) = common::hint(draw);
    let service = common::service(draw);
    let limit = common::bucket(draw, rate, burst);
    let share = draw.share("load", 1.0, 2.5);
    let time = common::span(draw, 10.0, 300.0, rate * share);
    let load = match draw.word("arrivals", &["poisson", "closed"]) {
        "closed" => {
            // So many workers have this load where each request takes its service time, a round trip of 150 ms,
            // and no wait.
            let busy = (service.as_secs_f64() + 0.15) * rate * share;
            let workers = busy.ceil().clamp(1.0, 1_000.0) as u32;
            common::closed(draw, (rate * time.as_secs_f64() + burst).ceil() as u32, workers)
        }
        _ => common::poisson(draw, &[(rate * share, time)]),
    };
    let case = common::case(draw, common::server(limit, service, hint), load, Key::Either, seconds);
    Case { rate, ..case }
}

fn judge_over(runs: &Runs) -> Vec<Check> {
    let (pace, floor, h) = (&runs.pace.figures, &runs.floor.figures, runs.case.hint);
    let later = pace.refused - runs.pace.first_round(Duration::ZERO);
    let calls = pace.calls as f64;
    vec![
        Check::seconds("T", pace.time, 1.06 * floor.time + h + 1.0).aim(1.03 * floor.time + h + 1.0),
        // A share of a short load is less than what it takes to know a limit at all.
        Check::count("refused after the first round", later, (0.02 * calls).max(10.0))
            .aim((0.01 * calls).max(10.0)),
        Check::seconds("p50 W", pace.p50, 1.2 * floor.p50 + h),
    ]
}
