//! Callers that misbehave: futures that are never polled again, callers that are dropped, bodies that nobody reads.

use super::super::must::{Check, Runs};
use super::super::parameters::Draw;
use super::super::{CallerFaults, Scenario};
use super::common::{self, Key};
use super::{Case, Family};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "unpolled",
        about: "1 to 10 % of the callers that wait are never polled again.",
        draw: |draw| draw_faults(draw, |unpolled| CallerFaults { unpolled, ..CallerFaults::default() }),
        judge,
    },
    Family {
        name: "dropped",
        about: "1 to 10 % of the callers are dropped within 5 s.",
        draw: |draw| draw_faults(draw, |dropped| CallerFaults { dropped, ..CallerFaults::default() }),
        judge,
    },
    Family {
        name: "stalled",
        about: "1 to 10 % of the response bodies are never read.",
        draw: |draw| draw_faults(draw, |stalled| CallerFaults { stalled, ..CallerFaults::default() }),
        judge,
    },
];

/// A load that the limit serves within the deadline of each request: the last waits two fifths of it.
fn draw_faults(draw: &mut Draw, faults: fn(f64) -> CallerFaults) -> Case {
    let deadline = draw.time("deadline", 5.0, 60.0);
    let backlog = 0.4 * deadline.as_secs_f64();
    let rate = draw.number("rate", 5.0, 250.0);
    let burst = draw.number("burst_seconds", 1.0, 2.0) * rate;
    let (hint, seconds) = common::hint(draw);
    let service = common::service(draw);
    let load = match draw.word("load", &["burst", "poisson"]) {
        "burst" => common::burst(draw, (burst + rate * backlog).ceil() as u32),
        _ => {
            let most = (common::MAX_REQUESTS / rate - backlog).clamp(10.0, 60.0);
            let time = draw.time("time", 10.0, most);
            common::poisson(draw, &[(rate * (1.0 + backlog / time.as_secs_f64()), time)])
        }
    };
    let limit = common::bucket(draw, rate, burst);
    let share = draw.number("share", 0.01, 0.1);
    let case = common::case(draw, common::server(limit, service, hint), load, Key::Either, seconds);
    let scenario = Scenario { max_elapsed: Some(deadline), callers: faults(share), ..case.scenario };
    Case { scenario, rate, ..case }
}

fn judge(runs: &Runs) -> Vec<Check> {
    let clean = runs.without_faults.as_ref().unwrap_or(&runs.pace).figures.time;
    vec![
        Check::seconds("T", runs.pace.figures.time, 1.1 * clean),
        Check::seconds("deadline overrun", runs.pace.overrun(), 0.05),
    ]
}
