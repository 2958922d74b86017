//! `Retry-After` (RFC 9110 section 10.2.3), in seconds or as a date.

use std::time::SystemTime;

use super::number::{self, TimeUnit};
use super::{Reading, RetryHint, clock, date, lines, rfc3339};
use crate::ResponseHead;

/// Parses the longest delay among the values of the header. Some servers send RFC 3339 in the place of an HTTP-date.
pub(super) fn parse(header: &'static str, head: &ResponseHead<'_>, now: SystemTime) -> Option<Reading> {
    let until = |time| (clock::until(time, head.headers(), now), true);
    let delays = lines::values(head.headers(), header).filter_map(|value| {
        let seconds = number::parse(value, TimeUnit::Seconds).map(|delay| (delay, false));
        seconds.or_else(|| date::parse(value, now).or_else(|| rfc3339::parse(value)).map(until))
    });
    let (delay, is_date) = delays.max()?;
    Some(Reading { hint: RetryHint::After(delay), header, is_precise: !is_date && delay.subsec_nanos() != 0 })
}

#[cfg(test)]
mod tests {
    use crate::hint::tests::{self, HintedResponse};

    #[track_caller]
    fn check(lines: &[&str], expected_ms: impl Into<Option<u64>>) {
        let response =
            lines.iter().fold(HintedResponse::default(), |response, line| response.with("retry-after", line));
        tests::check(response, "retry-after", expected_ms);
    }

    #[test]
    fn seconds_and_dates_are_read() {
        check(&["120"], 120_000);
        check(&["0"], 0);
        check(&["0.5"], 500);
        check(&["Thu, 01 Jan 2026 00:00:30 GMT"], 30_000);
        check(&["Thu, 1 Jan 2026 00:00:30 +0000"], 30_000);
        check(&["Wed, 31 Dec 2025 23:59:59 GMT"], 0);
        check(&["2026-01-01T00:00:30Z"], 30_000);
    }

    #[test]
    fn the_longest_value_counts() {
        check(&["5", "Thu, 01 Jan 2026 00:00:30 GMT", "7", "soon"], 30_000);
        check(&["2, 3"], 3_000);
        check(&["60, soon"], 60_000);
        check(&["5,"], 5_000);
        check(&["Thu, 01 Jan 2026 00:00:30 GMT, Thu, 01 Jan 2026 00:00:20 GMT"], 30_000);
        check(&["Thu, 01 Jan 2026 00:00:30 GMT, 45"], 45_000);
    }

    #[test]
    fn anything_else_is_no_hint() {
        for value in ["", ",", "-1", "2m", "soon, later", "Thu, 01 Jan 2026 00:00:30 CET"] {
            check(&[value], None);
        }
    }
}
