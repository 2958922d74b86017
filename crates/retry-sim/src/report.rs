//! What came of a run.

use std::time::Duration;

/// What came of a run, as the server and the callers saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Every call, in the order in which they reached the server.
    pub calls: Vec<Call>,
    /// How many requests were served.
    pub served: u32,
    /// When the last caller had its answer.
    pub time: Duration,
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which request it carried; they are counted from 0.
    pub request: usize,
    /// Which attempt at it; 1 is the original.
    pub attempt: u32,
    /// When it left the caller.
    pub sent_at: Duration,
    /// When it reached the server.
    pub reached_at: Duration,
    /// Whether it was served.
    pub served: bool,
}

impl Report {
    /// The calls that served nobody.
    pub fn refused(&self) -> usize {
        self.calls.iter().filter(|call| !call.served).count()
    }

    /// How many attempts the request had that had the most.
    pub fn most_attempts(&self) -> u32 {
        self.calls.iter().map(|call| call.attempt).max().unwrap_or_default()
    }
}
