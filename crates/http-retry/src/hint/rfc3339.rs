//! Dates as RFC 3339 writes them: `2026-01-01T00:00:30Z`.

use std::str;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::{SignedDuration, Timestamp};

/// Parses a date and a time with an offset, to the nanosecond.
pub(super) fn parse(value: &[u8]) -> Option<SystemTime> {
    let text = str::from_utf8(value).ok()?;
    if !is_complete(value) {
        return None;
    }
    let since_epoch = text.parse::<Timestamp>().ok()?.as_duration() + leap_second(text);
    // A date before the epoch has passed in any case.
    UNIX_EPOCH.checked_add(since_epoch.try_into().unwrap_or_default())
}

/// Returns whether the value has all parts of RFC 3339. The parser also accepts shorter forms of ISO 8601.
fn is_complete(value: &[u8]) -> bool {
    let separators = [4, 7, 10, 13, 16].map(|at| value.get(at).map(u8::to_ascii_uppercase));
    separators == [b'-', b'-', b'T', b':', b':'].map(Some) && !value.contains(&b'[')
}

/// Returns the second that the parser subtracts from a leap second. Without it the result would be a second early.
fn leap_second(text: &str) -> SignedDuration {
    SignedDuration::from_secs(i64::from(text.get(16..19) == Some(":60")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check(value: &str, expected: impl Into<Option<Duration>>) {
        assert_eq!(parse(value.as_bytes()), expected.into().map(|epoch| UNIX_EPOCH + epoch), "{value}");
    }

    const SECOND: Duration = Duration::from_secs(1_767_225_630);

    #[test]
    fn every_offset_gives_the_same_time() {
        check("2026-01-01T00:00:30Z", SECOND);
        check("2026-01-01t00:00:30z", SECOND);
        check("2026-01-01T00:00:30+00:00", SECOND);
        check("2026-01-01T05:30:30+05:30", SECOND);
        check("2025-12-31T16:00:30-08:00", SECOND);
    }

    #[test]
    fn fractions_are_parsed() {
        check("2026-01-01T00:00:30.5Z", SECOND + Duration::from_millis(500));
        check("2026-01-01T00:00:30.000000001Z", SECOND + Duration::from_nanos(1));
    }

    #[test]
    fn a_leap_second_is_not_early() {
        check("2016-12-31T23:59:60Z", Duration::from_secs(1_483_228_800));
    }

    #[test]
    fn long_ago_is_the_epoch() {
        check("1969-12-31T23:59:59Z", Duration::ZERO);
        check("0001-01-01T00:00:00Z", Duration::ZERO);
    }

    #[test]
    fn the_end_of_the_calendar_is_parsed() {
        check("9999-12-30T00:00:00Z", Duration::from_secs(253_402_128_000));
    }

    #[test]
    fn anything_else_is_no_date() {
        for value in [
            "",
            "2026-01-01",
            "2026-01-01T00:00:30",
            "2026-02-30T00:00:00Z",
            "2026-01-01T24:00:30Z",
            "10000-01-01T00:00:00Z",
            "1767225630",
            "Thu, 01 Jan 2026 00:00:30 GMT",
            "2026-01-01T00:00:\u{e9}",
        ] {
            check(value, None);
        }
        assert_eq!(parse(b"\xff"), None);
    }
}
