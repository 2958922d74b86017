//! The outcome of one run of a scenario.

use std::time::Duration;

/// The outcome of one run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Each request, in order of arrival.
    pub requests: Vec<RequestOutcome>,
    /// Each call, in the order in which the calls reached the server.
    pub calls: Vec<CallOutcome>,
    /// The time in which at least one caller that would otherwise have sent waited for the pace alone (not for its own
    /// hint).
    pub held: Duration,
    /// The pace's own state after each answer as text, if the run was traced.
    pub trace: Vec<String>,
    /// The same as numbers.
    pub samples: Vec<PaceSample>,
    /// `true` if the run was ended by its bound of events or of time, and not by its load.
    pub is_cut_short: bool,
}

/// The state of a pace at one moment. Where it has several keys, it is the key with the longest queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaceSample {
    /// The time.
    pub at: Duration,
    /// The rate that the pace has learned, in requests a second.
    pub rate: Option<f64>,
    /// The number of requests that wait.
    pub waiting: usize,
}

/// The outcome of one request.
#[derive(Clone, Copy, Debug)]
pub struct RequestOutcome {
    /// The index of its tenant.
    pub tenant: usize,
    /// `true` if the server refuses it always.
    pub is_poison: bool,
    /// `true` if the caller was dropped or is never polled.
    pub is_faulty: bool,
    /// The time at which it came.
    pub arrived: Duration,
    /// The time at which its last answer came, or at which it was given up.
    pub finished: Duration,
    /// `true` if it was served.
    pub is_served: bool,
    /// The service time of the call that served it.
    pub service: Duration,
    /// The number of calls.
    pub calls: u32,
    /// The number of refused calls.
    pub refused: u32,
    /// `true` if the pace rejected it without a send.
    pub is_rejected: bool,
    /// The longest overrun of its own deadline: how long after `arrived + max_elapsed` it still waited.
    pub overrun: Duration,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct CallOutcome {
    /// The request's index.
    pub request: usize,
    /// The number of the attempt; 1 is the original.
    pub attempt: u32,
    /// The time at which it was sent.
    pub sent_at: Duration,
    /// The time at which it reached the server.
    pub reached_at: Duration,
    /// `true` if it was served.
    pub is_served: bool,
    /// The time by which it was sent before the time that the last refusal of its own request named; 0 in all runs.
    pub early: Duration,
}
