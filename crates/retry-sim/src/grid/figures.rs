//! Figures of one run: its time, its calls, and how long requests waited.

use std::time::Duration;

use serde::Serialize;

use super::{CallOutcome, Outcome, RequestOutcome, Scenario};

/// One run with its figures. Faulty callers count for none of them.
#[derive(Debug)]
pub struct Run {
    /// All that came of it.
    pub outcome: Outcome,
    /// Its figures.
    pub figures: Figures,
    /// The wait of each request that was served: the time from its arrival to the send that was served.
    waits: Vec<Option<Duration>>,
    /// The longest time of an answer on its path back.
    longest_return: Duration,
}

/// The figures of a run. Times are in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Figures {
    /// The requests of callers without a fault, but for poisoned ones.
    pub requests: usize,
    /// Those of them that were served.
    pub served: usize,
    /// All calls.
    pub calls: usize,
    /// The calls that were refused.
    pub refused: usize,
    /// The time from the first arrival to the last answer.
    pub time: f64,
    /// The median of the waits, which are the times beyond service time and round trip.
    pub p50: f64,
    /// The 99th percentile of them.
    pub p99: f64,
    /// The share of `time` in which the pace held at least one request.
    pub held: f64,
}

impl Run {
    /// Measures an outcome.
    pub fn new(outcome: Outcome, scenario: &Scenario) -> Self {
        let longest_return = scenario.round_trip.mul_f64(0.5 * (1.0 + scenario.jitter));
        let mut waits = vec![None; outcome.requests.len()];
        for call in outcome.calls.iter().filter(|call| call.is_served) {
            waits[call.request] = Some(call.sent_at.saturating_sub(outcome.requests[call.request].arrived));
        }
        let mut run = Self { outcome, figures: Figures::default(), waits, longest_return };
        run.figures = run.measure();
        run
    }

    fn measure(&self) -> Figures {
        let counted = || self.outcome.requests.iter().filter(|request| !request.is_faulty);
        let others = || counted().filter(|request| !request.is_poison);
        let first = counted().map(|request| request.arrived).min().unwrap_or_default();
        let last = counted().map(|request| request.finished).max().unwrap_or_default();
        let time = last.saturating_sub(first).as_secs_f64();
        let waits = self.waits(|_| true);
        Figures {
            requests: others().count(),
            served: others().filter(|request| request.is_served).count(),
            calls: self.outcome.calls.len(),
            refused: self.refused(|_| true),
            time,
            p50: quantile(&waits, 0.5),
            p99: quantile(&waits, 0.99),
            held: if time > 0.0 { (self.outcome.held.as_secs_f64() / time).min(1.0) } else { 0.0 },
        }
    }

    /// The number of refused calls that `filter` selects.
    pub fn refused(&self, filter: impl Fn(&CallOutcome) -> bool) -> usize {
        self.outcome.calls.iter().filter(|call| !call.is_served && filter(call)).count()
    }

    /// The waits of the served requests that `filter` selects, in ascending order.
    pub fn waits(&self, filter: impl Fn(&RequestOutcome) -> bool) -> Vec<f64> {
        let mut waits: Vec<_> = self
            .served()
            .filter(|(request, _)| filter(request))
            .map(|(_, wait)| wait.as_secs_f64())
            .collect();
        waits.sort_by(f64::total_cmp);
        waits
    }

    /// The requests that were served, but for poisoned ones and those of faulty callers, each with its wait.
    fn served(&self) -> impl Iterator<Item = (&RequestOutcome, Duration)> {
        let requests = self.outcome.requests.iter().zip(&self.waits);
        let requests = requests.filter_map(|(request, wait)| Some((request, (*wait)?)));
        requests.filter(|(request, _)| request.is_served && !request.is_faulty && !request.is_poison)
    }

    /// The refused calls that were sent before a caller could know of the first refusal at or after `from`.
    pub fn first_round(&self, from: Duration) -> usize {
        let refusals = self.outcome.calls.iter().filter(|call| !call.is_served && call.reached_at >= from);
        let Some(first) = refusals.map(|call| call.reached_at).min() else {
            return 0;
        };
        let heard = first + self.longest_return;
        self.refused(|call| call.reached_at >= from && call.sent_at <= heard)
    }

    /// When the last request that had waited longer than `seconds` was done; 0 if none had.
    pub fn queue_gone(&self, seconds: f64) -> f64 {
        let late = self.served().filter(|(_, wait)| wait.as_secs_f64() > seconds);
        late.map(|(request, _)| request.finished).max().unwrap_or_default().as_secs_f64()
    }

    /// The time of the last answer, or at which the last request was given up.
    pub fn last_answer(&self) -> Duration {
        self.outcome.requests.iter().map(|request| request.finished).max().unwrap_or_default()
    }

    /// The longest time by which a call was sent too early, in seconds.
    pub fn early(&self) -> f64 {
        self.outcome.calls.iter().map(|call| call.early).max().unwrap_or_default().as_secs_f64()
    }

    /// The longest time by which a caller without a fault overran its deadline, in seconds.
    pub fn overrun(&self) -> f64 {
        let requests = self.outcome.requests.iter().filter(|request| !request.is_faulty);
        requests.map(|request| request.overrun).max().unwrap_or_default().as_secs_f64()
    }
}

/// A quantile of sorted values; 0 if there are none.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied().unwrap_or_default()
}
