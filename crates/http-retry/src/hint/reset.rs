//! `RateLimit-Reset`, `x-ratelimit-reset` and `x-ratelimit-retry-after`: when a quota is back, in whatever way
//! the server writes time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;

use super::number::{self, Unit};
use super::quota::{self, Left};
use super::{RetryHint, clock, date, longest, rfc3339};
use crate::ResponseHead;

/// A small number is a delay, a large one an epoch: no delay lasts for 30 years.
pub(super) fn read(name: &str, head: &ResponseHead<'_>, now: SystemTime) -> Option<RetryHint> {
    if !is_used_up(head, &name.replace("reset", "remaining")) {
        return None;
    }
    let until = |moment| clock::until(moment, head.headers(), now);
    let delay = longest(head.headers(), name, |value| match number::read(value, Unit::Seconds) {
        Some(delay) if delay <= LONGEST_DELAY => Some(delay),
        Some(epoch) => Some(
            UNIX_EPOCH.checked_add(epoch_of(value, epoch)).map_or(Duration::from_millis(u64::MAX), until),
        ),
        None => moment(value, now).map(until),
    });
    quota::more_in(delay?)
}

/// The same, but that a number is a delay, however large, as the name has it.
pub(super) fn read_delay(name: &str, head: &ResponseHead<'_>, now: SystemTime) -> Option<RetryHint> {
    if !is_used_up(head, &name.replace("retry-after", "remaining")) {
        return None;
    }
    let until = |moment| clock::until(moment, head.headers(), now);
    let delay = longest(head.headers(), name, |value| {
        number::read(value, Unit::Seconds).or_else(|| moment(value, now).map(until))
    });
    quota::more_in(delay?)
}

/// Whether nothing is left of the quota, or not enough: a request may cost more than what is left.
fn is_used_up(head: &ResponseHead<'_>, remaining: &str) -> bool {
    let is_throttled = head.status() == StatusCode::TOO_MANY_REQUESTS;
    is_throttled || quota::left(head.headers(), remaining) == Some(Left::Nothing)
}

/// Time since the Unix epoch, of a number that counts seconds, or else milliseconds.
fn epoch_of(value: &[u8], seconds: Duration) -> Duration {
    if seconds <= LATEST_IN_SECONDS {
        return seconds;
    }
    number::read(value, Unit::Milliseconds).unwrap_or(seconds)
}

fn moment(value: &[u8], now: SystemTime) -> Option<SystemTime> {
    rfc3339::read(value).or_else(|| date::read(value, now))
}

const LONGEST_DELAY: Duration = Duration::from_secs(1_000_000_000);
/// The year 33658.
const LATEST_IN_SECONDS: Duration = Duration::from_secs(1_000_000_000_000);

#[cfg(test)]
mod tests {
    use crate::hint::tests::{self, Answer};

    #[track_caller]
    fn check(value: &str, expected_ms: impl Into<Option<u64>>) {
        let expected_ms = expected_ms.into();
        for name in ["ratelimit-reset", "x-ratelimit-reset"] {
            tests::check(Answer::default().with(name, value), name, expected_ms);
        }
    }

    #[track_caller]
    fn check_delay(value: &str, expected_ms: impl Into<Option<u64>>) {
        let name = "x-ratelimit-retry-after";
        tests::check(Answer::default().with(name, value), name, expected_ms);
    }

    #[test]
    fn small_numbers_are_delays() {
        check("1", 1_000);
        check("0.25", 250);
        check("1000000000", 1_000_000_000_000);
    }

    #[test]
    fn large_numbers_are_epochs() {
        check("1767225603", 3_000);
        check("1767225603.0001", 3_001);
        check("1767225642000", 42_000);
        check("1767225642000.5", 42_001);
    }

    #[test]
    fn moments_are_read() {
        check("2026-01-01T00:00:30Z", 30_000);
        check("2026-01-01T01:00:30.0001+01:00", 30_001);
        check("Thu, 01 Jan 2026 00:00:30 GMT", 30_000);
    }

    #[test]
    fn moments_are_read_by_the_servers_clock() {
        for value in ["1767225603", "1767225603000", "2026-01-01T00:00:03Z", "Thu, 01 Jan 2026 00:00:03 GMT"]
        {
            let answer = Answer::default().with("date", "Wed, 31 Dec 2025 23:59:53 GMT");
            tests::check(answer.with("x-ratelimit-reset", value), "x-ratelimit-reset", 10_000);
        }
        let answer = Answer::default().with("date", "Wed, 31 Dec 2025 23:59:53 GMT");
        tests::check(answer.with("x-ratelimit-reset", "3"), "x-ratelimit-reset", 3_000);
    }

    #[test]
    fn what_has_passed_is_no_hint() {
        for value in ["0", "1704067200", "1704067200000", "2025-12-31T23:59:59Z", "1767225600"] {
            check(value, None);
        }
    }

    #[test]
    fn the_longest_line_counts() {
        let answer = Answer::default().with("ratelimit-reset", "5").with("ratelimit-reset", "1767225603");
        tests::check(answer.with("ratelimit-reset", "soon"), "ratelimit-reset", 5_000);
    }

    #[test]
    fn anything_else_is_no_hint() {
        for value in ["", "-5", "+5", "5s", "soon", "5, 6", "2026-01-01", "2026-01-01T00:00:30"] {
            check(value, None);
            check_delay(value, None);
        }
    }

    #[test]
    fn too_large_is_very_long() {
        for value in ["18446744073709551615", &"9".repeat(400)] {
            for name in ["ratelimit-reset", "x-ratelimit-reset", "x-ratelimit-retry-after"] {
                let (hint, _) = Answer::default().with(name, value).hint().unwrap();
                assert!(hint.delay().unwrap().as_secs() > 1 << 40, "{name}: {hint:?}");
            }
        }
    }

    #[test]
    fn a_retry_after_is_a_delay_however_large() {
        check_delay("30", 30_000);
        check_delay("1704067200", 1_704_067_200_000);
        check_delay("2026-01-01T00:00:30Z", 30_000);
        check_delay("Thu, 01 Jan 2026 00:00:30 GMT", 30_000);
        check_delay("0", None);
    }

    /// The header's own quota is used up, or the status says that some quota is.
    #[test]
    fn it_counts_only_where_nothing_is_left() {
        for (name, remaining) in [
            ("ratelimit-reset", "ratelimit-remaining"),
            ("x-ratelimit-reset", "x-ratelimit-remaining"),
            ("x-ratelimit-retry-after", "x-ratelimit-remaining"),
        ] {
            for (status, left, counts) in [
                (429, None, true),
                (429, Some("0"), true),
                (429, Some("-1"), true),
                // Ten are too few for this request.
                (429, Some("10"), true),
                // GitHub's way.
                (403, Some("0"), true),
                (403, Some("10"), false),
                (403, None, false),
                (503, Some("0"), true),
                (503, None, false),
                (503, Some("none"), false),
            ] {
                let answer = Answer::of(status).with(name, "60");
                let answer = left.into_iter().fold(answer, |answer, left| answer.with(remaining, left));
                tests::check(answer, name, counts.then_some(60_000));
            }
        }
    }

    #[test]
    fn the_remaining_of_another_header_does_not_count() {
        let answer = Answer::of(503).with("x-ratelimit-reset", "60").with("ratelimit-remaining", "0");
        tests::check(answer, "x-ratelimit-reset", None);
    }
}
