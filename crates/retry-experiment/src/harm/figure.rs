//! A figure of a row, and the bound that it must keep.

use std::fmt;
use std::time::Duration;

use super::load::LoadResult;

/// A time that was measured, and the requests that were not served meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// The time.
    pub time: Duration,
    /// The requests that could be served and were not.
    pub unserved: usize,
}

/// A figure without a pace and with one.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The row, and what was measured.
    pub name: String,
    /// The figure without a pace.
    pub no_pace: Measured,
    /// The figure with the pace.
    pub paced: Measured,
    /// The longest time that is allowed with the pace.
    pub must: Duration,
    /// The time that the pace aims at.
    pub aim: Option<Duration>,
}

impl Figure {
    /// Returns whether the time with the pace is within the bound, and all requests were served that can be.
    pub fn holds(&self) -> bool {
        self.paced.time <= self.must && self.paced.unserved == 0
    }

    fn meets_aim(&self) -> bool {
        self.aim.is_none_or(|aim| self.paced.time <= aim)
    }
}

/// The header of the Markdown table.
pub const TABLE_HEADER: &str =
    "| row | no pace | with the pace | must | aim | holds |\n|---|--:|--:|--:|--:|---|";

/// A row of the Markdown table.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, no_pace, paced, must, aim } = self;
        let aim = aim.map(seconds).unwrap_or_default();
        let holds = match (self.holds(), self.meets_aim()) {
            (false, _) => "NO",
            (true, false) => "yes, without the aim",
            (true, true) => "yes",
        };
        write!(f, "| {name} | {no_pace} | {paced} | {} | {aim} | {holds} |", seconds(*must))
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&seconds(self.time))?;
        match self.unserved {
            0 => Ok(()),
            unserved => write!(f, ", {unserved} not served"),
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(super) enum Measure {
    /// The time of all requests.
    Total,
    /// The time that so many percent of the requests took at most.
    Percentile(usize),
}

impl Measure {
    /// Returns the figure of a result.
    pub(super) fn of(self, result: &LoadResult) -> Measured {
        let time = match self {
            Self::Total => result.time,
            Self::Percentile(percent) => result.percentile(percent),
        };
        Measured { time, unserved: result.unserved() }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total => f.write_str("time of all"),
            Self::Percentile(100) => f.write_str("longest"),
            Self::Percentile(percent) => write!(f, "p{percent}"),
        }
    }
}

/// The longest time that is allowed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bound {
    /// So many seconds.
    Seconds(f64),
    /// So many times the time of another run, and so many seconds more.
    Times(f64, f64),
}

impl Bound {
    /// Returns the bound beside another run.
    pub(super) fn beside(self, other: Duration) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs_f64(seconds),
            Self::Times(factor, seconds) => other.mul_f64(factor) + Duration::from_secs_f64(seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(paced_ms: u64, unserved: usize, expected: &str) {
        let time = Duration::from_millis(paced_ms);
        let no_pace = Measured { time: Duration::from_secs(2), unserved: 0 };
        let figure = Figure {
            name: "lifted: time of all".to_owned(),
            no_pace,
            paced: Measured { time, unserved },
            must: Bound::Times(1.05, 1.0).beside(no_pace.time),
            aim: Some(Bound::Seconds(2.5).beside(no_pace.time)),
        };
        assert_eq!(figure.to_string(), format!("| lifted: time of all | 2.000 s | {expected} |"));
    }

    #[test]
    fn a_row_says_whether_the_bound_holds() {
        check(2_500, 0, "2.500 s | 3.100 s | 2.500 s | yes");
        check(3_100, 0, "3.100 s | 3.100 s | 2.500 s | yes, without the aim");
        check(3_101, 0, "3.101 s | 3.100 s | 2.500 s | NO");
        check(1_000, 2, "1.000 s, 2 not served | 3.100 s | 2.500 s | NO");
    }
}
