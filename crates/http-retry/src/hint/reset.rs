//! `RateLimit-Reset`, `x-ratelimit-reset` and `x-ratelimit-retry-after`, the time at which a quota resets. Servers write it
//! as a delay, an epoch or a date.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;

use super::number::{self, Unit};
use super::quota::{self, Remaining};
use super::{RetryHint, clock, date, longest, rfc3339};
use crate::ResponseHead;

/// Parses a delay, an epoch or a date. A small number is a delay and a large one is an epoch, since no delay lasts for 30
/// years.
pub(super) fn parse(name: &str, head: &ResponseHead<'_>, now: SystemTime) -> Option<RetryHint> {
    if !is_used_up(head, &name.replace("reset", "remaining")) {
        return None;
    }
    let until = |time| clock::until(time, head.headers(), now);
    let delay = longest(head.headers(), name, |value| match number::parse(value, Unit::Seconds) {
        Some(delay) if delay <= MAX_DELAY => Some(delay),
        Some(epoch) => Some(
            UNIX_EPOCH.checked_add(epoch_of(value, epoch)).map_or(Duration::from_millis(u64::MAX), until),
        ),
        None => parse_date(value, now).map(until),
    });
    quota::hint_after(delay?)
}

/// Parses a delay or a date. Every number is a delay, because the header is called `retry-after`.
pub(super) fn parse_delay(name: &str, head: &ResponseHead<'_>, now: SystemTime) -> Option<RetryHint> {
    if !is_used_up(head, &name.replace("retry-after", "remaining")) {
        return None;
    }
    let until = |time| clock::until(time, head.headers(), now);
    let delay = longest(head.headers(), name, |value| {
        number::parse(value, Unit::Seconds).or_else(|| parse_date(value, now).map(until))
    });
    quota::hint_after(delay?)
}

/// Returns whether the quota is used up. On a 429 its rest was too small for the request, which may cost more than one
/// unit.
fn is_used_up(head: &ResponseHead<'_>, remaining: &str) -> bool {
    let is_throttled = head.status() == StatusCode::TOO_MANY_REQUESTS;
    is_throttled || quota::remaining(head.headers(), remaining) == Some(Remaining::Nothing)
}

/// Returns the time since the Unix epoch. The number counts seconds, or milliseconds if it is too large for seconds.
fn epoch_of(value: &[u8], seconds: Duration) -> Duration {
    if seconds <= MAX_EPOCH_SECONDS {
        return seconds;
    }
    number::parse(value, Unit::Milliseconds).unwrap_or(seconds)
}

fn parse_date(value: &[u8], now: SystemTime) -> Option<SystemTime> {
    rfc3339::parse(value).or_else(|| date::parse(value, now))
}

/// The largest number that is a delay and not an epoch, about 32 years.
const MAX_DELAY: Duration = Duration::from_secs(1_000_000_000);
/// The largest epoch in seconds, in the year 33658. A larger number counts milliseconds.
const MAX_EPOCH_SECONDS: Duration = Duration::from_secs(1_000_000_000_000);

#[cfg(test)]
mod tests {
    use crate::hint::tests::{self, HintedResponse};

    #[track_caller]
    fn check(value: &str, expected_ms: impl Into<Option<u64>>) {
        let expected_ms = expected_ms.into();
        for name in ["ratelimit-reset", "x-ratelimit-reset"] {
            tests::check(HintedResponse::default().with(name, value), name, expected_ms);
        }
    }

    #[track_caller]
    fn check_delay(value: &str, expected_ms: impl Into<Option<u64>>) {
        let name = "x-ratelimit-retry-after";
        tests::check(HintedResponse::default().with(name, value), name, expected_ms);
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
    fn dates_are_parsed() {
        check("2026-01-01T00:00:30Z", 30_000);
        check("2026-01-01T01:00:30.0001+01:00", 30_001);
        check("Thu, 01 Jan 2026 00:00:30 GMT", 30_000);
    }

    #[test]
    fn dates_are_compared_with_the_servers_clock() {
        for value in ["1767225603", "1767225603000", "2026-01-01T00:00:03Z", "Thu, 01 Jan 2026 00:00:03 GMT"]
        {
            let response = HintedResponse::default().with("date", "Wed, 31 Dec 2025 23:59:53 GMT");
            tests::check(response.with("x-ratelimit-reset", value), "x-ratelimit-reset", 10_000);
        }
        let response = HintedResponse::default().with("date", "Wed, 31 Dec 2025 23:59:53 GMT");
        tests::check(response.with("x-ratelimit-reset", "3"), "x-ratelimit-reset", 3_000);
    }

    #[test]
    fn a_past_date_is_no_hint() {
        for value in ["0", "1704067200", "1704067200000", "2025-12-31T23:59:59Z", "1767225600"] {
            check(value, None);
        }
    }

    #[test]
    fn the_longest_line_counts() {
        let response =
            HintedResponse::default().with("ratelimit-reset", "5").with("ratelimit-reset", "1767225603");
        tests::check(response.with("ratelimit-reset", "soon"), "ratelimit-reset", 5_000);
    }

    #[test]
    fn anything_else_is_no_hint() {
        for value in ["", "-5", "+5", "5s", "soon", "5, 6", "2026-01-01", "2026-01-01T00:00:30"] {
            check(value, None);
            check_delay(value, None);
        }
    }

    #[test]
    fn too_large_is_a_very_long_delay() {
        for value in ["18446744073709551615", &"9".repeat(400)] {
            for name in ["ratelimit-reset", "x-ratelimit-reset", "x-ratelimit-retry-after"] {
                let (hint, _) = HintedResponse::default().with(name, value).hint().unwrap();
                assert!(hint.delay().unwrap().as_secs() > 1 << 40, "{name}: {hint:?}");
            }
        }
    }

    #[test]
    fn a_large_retry_after_is_still_a_delay() {
        check_delay("30", 30_000);
        check_delay("1704067200", 1_704_067_200_000);
        check_delay("2026-01-01T00:00:30Z", 30_000);
        check_delay("Thu, 01 Jan 2026 00:00:30 GMT", 30_000);
        check_delay("0", None);
    }

    /// The `remaining` header is 0, or the status is 429.
    #[test]
    fn the_header_counts_only_if_the_quota_is_used_up() {
        for (name, remaining) in [
            ("ratelimit-reset", "ratelimit-remaining"),
            ("x-ratelimit-reset", "x-ratelimit-remaining"),
            ("x-ratelimit-retry-after", "x-ratelimit-remaining"),
        ] {
            for (status, value, counts) in [
                (429, None, true),
                (429, Some("0"), true),
                (429, Some("-1"), true),
                // The request may cost more than ten.
                (429, Some("10"), true),
                // GitHub sends this.
                (403, Some("0"), true),
                (403, Some("10"), false),
                (403, None, false),
                (503, Some("0"), true),
                (503, None, false),
                (503, Some("none"), false),
            ] {
                let response = HintedResponse::new(status).with(name, "60");
                let response =
                    value.into_iter().fold(response, |response, value| response.with(remaining, value));
                tests::check(response, name, counts.then_some(60_000));
            }
        }
    }

    #[test]
    fn the_remaining_of_another_header_does_not_count() {
        let response =
            HintedResponse::new(503).with("x-ratelimit-reset", "60").with("ratelimit-remaining", "0");
        tests::check(response, "x-ratelimit-reset", None);
    }
}
