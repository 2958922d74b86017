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
    /// The mean round trip.
    round_trip: f64,
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
    /// The median of the time beyond service time and round trip.
    pub p50: f64,
    /// The 99th percentile of it.
    pub p99: f64,
    /// The share of `time` in which the pace held at least one request.
    pub held: f64,
}

impl Run {
    /// Measures an outcome.
    pub fn new(outcome: Outcome, scenario: &Scenario) -> Self {
        let longest_return = scenario.round_trip.mul_f64(0.5 * (1.0 + scenario.jitter));
        let round_trip = scenario.round_trip.as_secs_f64();
        let mut run = Self { outcome, figures: Figures::default(), round_trip, longest_return };
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

    /// The time beyond service time and round trip, of the served requests that `filter` selects, in ascending
    /// order.
    pub fn waits(&self, filter: impl Fn(&RequestOutcome) -> bool) -> Vec<f64> {
        let requests = self.outcome.requests.iter();
        let selected =
            requests.filter(|request| request.is_served && !request.is_faulty && !request.is_poison);
        let mut waits: Vec<_> = selected.filter(|r| filter(r)).map(|r| self.wait(r)).collect();
        waits.sort_by(f64::total_cmp);
        waits
    }

    /// The time of one request beyond service time and round trip.
    pub fn wait(&self, request: &RequestOutcome) -> f64 {
        let whole = request.finished.saturating_sub(request.arrived).as_secs_f64();
        whole - request.service.as_secs_f64() - self.round_trip
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

    /// When the last request that had waited longer than `wait` was done; 0 if none had.
    pub fn queue_gone(&self, wait: f64) -> f64 {
        let requests =
            self.outcome.requests.iter().filter(|request| !request.is_faulty && !request.is_poison);
        let late = requests.filter(|request| self.wait(request) > wait);
        late.map(|request| request.finished).max().unwrap_or_default().as_secs_f64()
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
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied().unwrap_or_default()
}
