//! The reasons of the pace, in one word and one number.

use std::fmt;
use std::time::Duration;

/// The reason for which a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// The request's own hint or backoff is not over.
    OwnHint,
    /// Others that came earlier go first.
    Turn,
    /// All requests are stopped until the server's hint is over.
    Stopped,
    /// One request probes whether the server serves again, and the others wait for its answer.
    Probe,
    /// The requests go at the rate that the server is known to serve.
    Rate,
    /// The server takes no more requests at a time than are in flight.
    AtATime,
    /// An announced quota is used up.
    Quota,
    /// The key is new, and slow start lets a few requests go at a time.
    SlowStart,
}

impl Why {
    /// Returns the reason as one lower-case word, as traces, `/status` and metrics show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OwnHint => "own_hint",
            Self::Turn => "turn",
            Self::Stopped => "stopped",
            Self::Probe => "probe",
            Self::Rate => "rate",
            Self::AtATime => "at_a_time",
            Self::Quota => "quota",
            Self::SlowStart => "slow_start",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of one key, as `/status` and `explain` show it. Its [`Display`](fmt::Display) is one line.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PaceReport {
    /// The keyed hash of the key, which tells nothing about it.
    pub key: u64,
    /// The reason that holds requests back: `None` if nothing does.
    pub why: Option<Why>,
    /// The known limit in requests a second.
    pub rate: Option<f64>,
    /// The number of requests that the limit takes at once.
    pub burst: Option<f64>,
    /// The known limit of how many at a time.
    pub at_a_time: Option<f64>,
    /// The time until which all requests are stopped.
    pub stopped_for: Option<Duration>,
    /// The share of refused calls among the last hundred.
    pub refused_share: f64,
    /// The share of refused calls that is there at any rate.
    pub base_share: f64,
    /// The number of requests that wait.
    pub waiting: usize,
    /// The number of calls in flight.
    pub in_flight: u64,
}

impl fmt::Display for PaceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.why.map_or("free", Why::as_str))?;
        if let Some(rate) = self.rate {
            write!(f, ", rate {rate:.2}/s")?;
        }
        if let Some(burst) = self.burst {
            write!(f, ", burst {burst:.1}")?;
        }
        if let Some(at_a_time) = self.at_a_time {
            write!(f, ", {at_a_time:.1} at a time")?;
        }
        if let Some(stopped_for) = self.stopped_for {
            write!(f, ", stopped for {:.3} s", stopped_for.as_secs_f64())?;
        }
        let (refused, base) = (100.0 * self.refused_share, 100.0 * self.base_share);
        write!(f, ", {refused:.1} % refused (base {base:.1} %)")?;
        write!(f, ", {} waiting, {} in flight", self.waiting, self.in_flight)
    }
}
