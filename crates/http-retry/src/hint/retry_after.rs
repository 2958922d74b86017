//! `Retry-After` (RFC 9110 section 10.2.3), in seconds or as an HTTP-date.

use std::time::{Duration, SystemTime};

use super::number::{self, Unit};
use super::{RetryHint, clock, date, longest, trim};
use crate::ResponseHead;

/// Parses the longest delay among the lines of the header.
pub(super) fn parse(name: &str, head: &ResponseHead<'_>, now: SystemTime) -> Option<RetryHint> {
    let until = |time| clock::until(time, head.headers(), now);
    let delay =
        longest(head.headers(), name, |value| seconds(value).or_else(|| date::parse(value, now).map(until)));
    delay.map(RetryHint::After)
}

/// Parses seconds. A proxy may have joined several lines with commas (RFC 9110 section 5.3), and the longest counts, as it
/// does for lines.
fn seconds(value: &[u8]) -> Option<Duration> {
    let members = value.split(|&byte| byte == b',');
    let delays = members.map(|member| number::parse(trim(member), Unit::Seconds));
    delays.collect::<Option<Vec<_>>>()?.into_iter().max()
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
        check(&["Wed, 31 Dec 2025 23:59:59 GMT"], 0);
    }

    #[test]
    fn the_longest_line_counts() {
        check(&["5", "Thu, 01 Jan 2026 00:00:30 GMT", "7", "soon"], 30_000);
        check(&["2, 3"], 3_000);
    }

    #[test]
    fn anything_else_is_no_hint() {
        for value in ["", "-1", "2m", "5,", "2026-01-01T00:00:30Z", "Thu, 01 Jan 2026 00:00:30 CET"] {
            check(&[value], None);
        }
    }
}
