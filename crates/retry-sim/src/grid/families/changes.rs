//! Limits that change, and outages.

use std::time::Duration;

use super::super::figures::Run;
use super::super::must::{Check, Runs};
use super::super::parameters::Draw;
use super::super::{HintSpec, Limit, Outage, ServerSpec};
use super::common::{self, Key};
use super::{Case, Family};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "lifted",
        about: "A bucket's limit is lifted, with or without a queue at the time.",
        draw: draw_lifted,
        judge: judge_lifted,
    },
    Family {
        name: "changed",
        about: "A bucket's rate falls to a part of it for 5 to 60 s, and rises again.",
        draw: draw_changed,
        judge: judge_changed,
    },
    Family {
        name: "outage",
        about: "Nothing is served for 2 s to 5 min.",
        draw: draw_outage,
        judge: judge_outage,
    },
];

fn draw_lifted(draw: &mut Draw) -> Case {
    let rate = draw.number("rate", 5.0, 50.0);
    let burst = draw.number("burst_seconds", 1.0, 2.0) * rate;
    let at = draw.time("lifted_at", 5.0, 20.0);
    let (hint, seconds) = common::hint(draw);
    let service = common::service(draw);
    let load = match draw.word("queue", &["yes", "no"]) {
        "yes" => {
            let queue = draw.count("queued", 20, 200);
            common::burst(draw, (burst + rate * at.as_secs_f64()).ceil() as u32 + queue)
        }
        _ => {
            let before = draw.share("load", 0.6, 0.95);
            common::poisson(draw, &[(before * rate, at), (3.0 * rate, Duration::from_secs(20))])
        }
    };
    let limit = common::bucket(draw, rate, burst);
    let mut server = common::server(limit, service, hint);
    server.limits.push((at, Limit::None));
    let case = common::case(draw, server, load, Key::Either, seconds);
    Case { rate, from: at, ..case }
}

fn judge_lifted(runs: &Runs) -> Vec<Check> {
    let (pace, floor) = (&runs.pace.figures, runs.floor.figures.time);
    let doubled = doubled_after(&runs.pace, runs.case.rate, runs.case.from);
    vec![
        Check::seconds("rate doubled after", doubled, 4.0),
        Check::seconds("T", pace.time, floor + 12.0).aim(floor + 6.0),
    ]
}

/// The time from the lift until twice the old rate was served within a second, or until all was served.
fn doubled_after(run: &Run, rate: f64, lift: Duration) -> f64 {
    let served = run.outcome.calls.iter().filter(|call| call.is_served).map(|call| call.reached_at);
    let mut served: Vec<_> = served.collect();
    served.sort();
    let count = (2.0 * rate).floor().max(1.0) as usize;
    let is_fast = |span: &&[Duration]| {
        let (first, last) = (span[0], span[count - 1]);
        last >= lift && last - first <= Duration::from_secs(1)
    };
    let doubled = served.windows(count).find(is_fast).map(|span| span[count - 1]);
    let end = doubled.or_else(|| served.last().copied()).unwrap_or_default();
    end.saturating_sub(lift).as_secs_f64()
}

fn draw_changed(draw: &mut Draw) -> Case {
    let rate = draw.number("rate", 10.0, 100.0);
    let burst = draw.number("burst_seconds", 1.0, 2.0) * rate;
    let divisor = draw.number("divided_by", 2.0, 6.0);
    let load = draw.share("load", 0.6, 0.9);
    let from = draw.time("from", 5.0, 15.0);
    let lasts = draw.time("lasts", 5.0, 60.0);
    let (hint, seconds) = common::hint(draw);
    let service = common::service(draw);
    let bucket = |part: f64| Limit::Bucket { per_second: rate / part, burst: burst / part };
    let mut server = common::server(bucket(1.0), service, hint);
    server.limits.push((from, bucket(divisor)));
    server.limits.push((from + lasts, bucket(1.0)));
    let after = Duration::from_secs(20);
    let load = common::poisson(draw, &[(rate * load, from + lasts + after)]);
    let case = common::case(draw, server, load, Key::Either, seconds);
    Case { rate, from, to: from + lasts, ..case }
}

fn judge_changed(runs: &Runs) -> Vec<Check> {
    let (pace, floor, h) = (&runs.pace.figures, runs.floor.figures.time, runs.case.hint);
    let calls = pace.calls as f64;
    let gone = |run: &Run| run.queue_gone(h + 1.0);
    vec![
        Check::seconds("T", pace.time, 1.15 * floor + 5.0).aim(1.05 * floor + 5.0),
        Check::count("refused", pace.refused, 0.05 * calls).aim(0.015 * calls),
        Check::seconds(
            "queue gone",
            gone(&runs.pace),
            gone(&runs.floor).max(runs.case.to.as_secs_f64()) + 15.0,
        ),
    ]
}

fn draw_outage(draw: &mut Draw) -> Case {
    let lasts = draw.time("lasts", 2.0, 300.0);
    let status = if draw.word("status", &["503", "529"]) == "503" { 503 } else { 529 };
    let hint = common::hint_or_none(draw);
    let service = draw.time("service", 0.05, 0.5);
    let from = Duration::from_secs(1);
    let load = match draw.word("load", &["closed", "poisson"]) {
        "closed" => {
            let workers = draw.count("workers", 4, 200);
            // A worker is done with so many before the outage at most, and has some left.
            let before = (from.as_secs_f64() / service.as_secs_f64()).min(20.0);
            common::closed(draw, workers * (before as u32 + 4), workers)
        }
        _ => {
            let whole = (lasts + from).as_secs_f64() + 5.0;
            let rate = draw.number("rate", 1.0, (common::MAX_REQUESTS / whole).min(200.0));
            common::poisson(draw, &[(rate, Duration::from_secs_f64(whole))])
        }
    };
    let outage = Outage { from, to: from + lasts, status, hint };
    let server = common::server(Limit::None, service, HintSpec::None);
    let server = ServerSpec { outage: Some(outage), ..server };
    // Without a hint a caller comes back after the first backoff.
    let case = common::case(draw, server, load, Key::Either, hint.map_or(0.5, |hint| hint as f64));
    Case { from, to: from + lasts, ..case }
}

fn judge_outage(runs: &Runs) -> Vec<Check> {
    let Case { from, to, hint, .. } = runs.case;
    let lasts = (to - from).as_secs_f64();
    let late = hint.max(lasts / 8.0);
    let calls = runs.pace.outcome.calls.iter();
    let first =
        calls.filter(|call| call.is_served && call.reached_at >= to).map(|call| call.reached_at).min();
    let first = first.map_or(f64::INFINITY, |first| (first - to).as_secs_f64());
    let meanwhile = runs.pace.refused(|call| (from..to).contains(&call.reached_at));
    let requests = runs.pace.outcome.requests.iter();
    let waiting = requests.filter(|request| request.arrived < to && request.finished > to).count();
    let tries = 6.0 + 8.0 * (lasts / 0.5).ln();
    let in_flight = runs.pace.first_round(from) as f64;
    vec![
        Check::seconds("first served after the end", first, late + 0.2),
        Check::count("calls meanwhile", meanwhile, tries * (waiting as f64).sqrt() + in_flight)
            .aim(tries + in_flight),
        Check::seconds("T", runs.pace.figures.time, runs.alone_time() + late),
    ]
}
