//! Sliding and fixed windows, and hints that are too short or too long.

use std::time::Duration;

use super::super::must::{Check, Runs};
use super::super::parameters::Draw;
use super::super::{HintSpec, Limit, Load, Scenario};
use super::common::{self, Key};
use super::{Case, Family};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "sliding",
        about: "A sliding window of 1 to 60 s serves 10 to 1,000 each.",
        draw: |draw| draw_window(draw, Kind::Sliding),
        judge: |runs| judge_window(runs, 0.0),
    },
    Family {
        name: "fixed",
        about: "A fixed window of 1 to 60 s serves 10 to 1,000 each.",
        draw: |draw| draw_window(draw, Kind::Fixed),
        judge: |runs| judge_window(runs, runs.case.hint),
    },
    Family {
        name: "sliding-counts-refused",
        about: "A sliding window is filled by refused calls as well.",
        draw: |draw| draw_window(draw, Kind::CountsRefused),
        judge: judge_counts_refused,
    },
    Family {
        name: "hint-short",
        about: "A window's refusals hint at a time 2 to 20 times too short.",
        draw: draw_short,
        judge: judge_short,
    },
    Family {
        name: "hint-long",
        about: "Refusals hint at a time 2 to 10 times too long.",
        draw: draw_long,
        judge: judge_long,
    },
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sliding,
    Fixed,
    CountsRefused,
}

fn draw_window(draw: &mut Draw, kind: Kind) -> Case {
    let count = draw.count("count", 10, 1_000);
    let window = draw.time("window", 1.0, 60.0);
    let service = common::service(draw);
    let limit = match kind {
        Kind::Sliding => Limit::Sliding { count, window, counts_refused: false },
        Kind::Fixed => Limit::Fixed { count, window },
        Kind::CountsRefused => Limit::Sliding { count, window, counts_refused: true },
    };
    let requests = window_requests(draw, count);
    let load = load(draw, requests, count);
    let server = common::server(limit, service, HintSpec::Seconds { at_least: 1 });
    let case = common::case(draw, server, load, Key::Either, window.as_secs_f64().ceil());
    Case { rate: f64::from(count) / window.as_secs_f64(), to: window, ..case }
}

/// Two to five windows' worth.
fn window_requests(draw: &mut Draw, count: u32) -> u32 {
    (f64::from(count) * draw.number("windows", 2.0, 5.0)).ceil() as u32
}

/// All at once, or by more workers than the window serves in a moment.
fn load(draw: &mut Draw, requests: u32, count: u32) -> Load {
    match draw.word("load", &["burst", "closed"]) {
        "closed" => {
            let workers = draw.count("workers", 10, count);
            common::closed(draw, requests, workers)
        }
        _ => common::burst(draw, requests),
    }
}

fn judge_window(runs: &Runs, missed: f64) -> Vec<Check> {
    let (pace, floor) = (&runs.pace.figures, runs.floor.figures.time);
    let n = runs.requests();
    let first = runs.pace.refused(|call| call.reached_at < runs.case.to) as f64;
    vec![
        Check::seconds("T", pace.time, 1.15 * floor + 1.0 + missed).aim(1.08 * floor + 1.0 + missed),
        Check::count("calls", pace.calls, n + first + 0.15 * n).aim(n + first + 0.08 * n),
    ]
}

fn judge_counts_refused(runs: &Runs) -> Vec<Check> {
    let (pace, floor, n) = (&runs.pace.figures, runs.floor.figures.time, runs.requests());
    let mut checks = vec![Check::seconds("T", pace.time, 1.5 * floor).aim(1.15 * floor)];
    if !runs.case.scenario.warm {
        let calls = runs.slow.figures.calls;
        checks.push(Check::count("slow start: calls", calls, 1.15 * n).aim(1.05 * n));
    }
    checks
}

fn draw_short(draw: &mut Draw) -> Case {
    let count = draw.count("count", 10, 500);
    let window = draw.time("window", 2.0, 60.0);
    let factor = draw.number("too_short_by", 2.0, 20.0);
    let seconds = (window.as_secs_f64() / factor).round().max(1.0) as u64;
    let service = common::service(draw);
    let workers = draw.count("workers", 10, 1_000);
    let requests = window_requests(draw, count).max(workers);
    let load = common::closed(draw, requests.min(5 * count), workers.min(5 * count));
    let server = common::server(Limit::Fixed { count, window }, service, HintSpec::Fixed { seconds });
    let case = common::case(draw, server, load, Key::Either, seconds as f64);
    let scenario = Scenario { max_attempts: 3, ..case.scenario };
    Case { scenario, to: window, ..case }
}

/// Each window that is used up is an outage until its end.
fn judge_short(runs: &Runs) -> Vec<Check> {
    let (pace, floor, h) = (&runs.pace.figures, runs.floor.figures.time, runs.case.hint);
    let window = runs.case.to.as_secs_f64();
    let late = h.max(window / 8.0);
    let tries = 4.0 + window / h;
    // No more requests wait than there are callers.
    let n = workers(&runs.case.scenario.load);
    vec![
        Check::seconds("T", pace.time, 1.15 * floor + late).aim(1.1 * floor + late),
        Check::count("calls in an outage", most_in_an_outage(runs), tries * n.sqrt()).aim(tries),
    ]
}

fn workers(load: &Load) -> f64 {
    let workers = load.tenants.iter().map(|tenant| match tenant.arrivals {
        super::super::Arrivals::Closed { workers, .. } => workers,
        _ => 0,
    });
    f64::from(workers.sum::<u32>())
}

/// The most refused calls of one window, beyond those that were sent before its first refusal was known.
fn most_in_an_outage(runs: &Runs) -> usize {
    let window = runs.case.to;
    let last = runs.pace.outcome.calls.iter().map(|call| call.reached_at).max().unwrap_or_default();
    let windows = (last.as_secs_f64() / window.as_secs_f64()) as u32;
    let in_window = |index: u32| {
        let (from, to) = (window * index, window * (index + 1));
        let refusals = runs.pace.outcome.calls.iter().filter(move |call| !call.is_served);
        let refusals = refusals.filter(move |call| (from..to).contains(&call.reached_at));
        let known = refusals.clone().map(|call| call.reached_at).min().unwrap_or(Duration::MAX);
        let known = known.saturating_add(runs.case.scenario.round_trip);
        refusals.filter(|call| call.sent_at > known).count()
    };
    (0..=windows).map(in_window).max().unwrap_or_default()
}

fn draw_long(draw: &mut Draw) -> Case {
    let factor = draw.number("too_long_by", 2.0, 10.0);
    let requests = draw.count("requests", 20, 1_000);
    let service = common::service(draw);
    let (limit, hint) = match draw.word("server", &["bucket", "fixed", "sliding"]) {
        "bucket" => {
            let per_second = draw.number("rate", 5.0, 1e3);
            let burst = f64::from(draw.count("burst", 4, requests / 2));
            (common::bucket(draw, per_second, burst), (factor / per_second).ceil())
        }
        kind => {
            // The longest hint stays below the time after which a hint goes to the caller.
            let window = draw.time("window", 1.0, 10.0);
            let count = draw.count("count", 10, (requests / 2).max(10));
            let limit = match kind {
                "fixed" => Limit::Fixed { count, window },
                _ => Limit::Sliding { count, window, counts_refused: false },
            };
            (limit, (factor * window.as_secs_f64()).ceil())
        }
    };
    let load = load(draw, requests, requests);
    let server = common::server(limit, service, HintSpec::Scaled { factor });
    common::case(draw, server, load, Key::Either, hint)
}

fn judge_long(runs: &Runs) -> Vec<Check> {
    // The tolerance is that of the comparison which all families have.
    vec![Check::seconds("T", runs.pace.figures.time, 1.02 * runs.alone_time() + 0.05)]
}
