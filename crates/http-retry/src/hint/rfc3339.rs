//! Dates as RFC 3339 writes them: `2026-01-01T00:00:30Z`.

use std::str;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

/// Parses a date and a time with an offset, to the nanosecond. The seconds may be missing, as Atlassian leaves them out, and
/// a space may separate the two (RFC 3339 section 5.6). The zone may be that of an HTTP-date, or stand behind a space, as Ruby and
/// Go print it.
pub(super) fn parse(value: &[u8]) -> Option<SystemTime> {
    let text = str::from_utf8(value).ok()?;
    if let Some((time, zone)) = text.rsplit_once(' ').filter(|(time, _)| time.len() >= SHORTEST) {
        let zone = if matches!(zone, "UTC" | "GMT") { "Z" } else { zone };
        return parse(format!("{time}{zone}").as_bytes());
    }
    if !is_complete(value) {
        return None;
    }
    let Ok(timestamp) = text.parse::<Timestamp>() else {
        return is_of_last_days(text).then(|| UNIX_EPOCH + END);
    };
    let since_epoch = timestamp.as_duration() + leap_second(text);
    // A date before the epoch has passed in any case.
    UNIX_EPOCH.checked_add(since_epoch.try_into().unwrap_or_default())
}

/// Returns whether the value has all parts of RFC 3339 but the seconds. The parser also accepts shorter forms of ISO 8601.
fn is_complete(value: &[u8]) -> bool {
    let at = |index: usize| value.get(index).map_or(0, u8::to_ascii_uppercase);
    let has_separators = [at(4), at(7), at(13)] == *b"--:" && matches!(at(10), b'T' | b' ');
    has_separators && matches!(at(16), b':' | b'Z' | b'+' | b'-') && !value.contains(&b'[')
}

/// Returns whether this is one of the last days of the calendar, on which the parser's timestamps have ended already. Servers
/// send such a date for a quota that never comes back.
fn is_of_last_days(text: &str) -> bool {
    text.starts_with("9999-12-3") && text.get(..16).is_some_and(|text| text.parse::<DateTime>().is_ok())
}

/// The length of the shortest date with a time.
const SHORTEST: usize = "2026-01-01T00:00".len();
/// The time from the epoch to the end of the year 9999.
const END: Duration = Duration::from_secs(253_402_300_800);

/// Returns the second that the parser subtracts from a leap second. Without it the result would be a second early.
fn leap_second(text: &str) -> SignedDuration {
    SignedDuration::from_secs(i64::from(text.get(16..19) == Some(":60")))
}

#[cfg(test)]
mod tests {
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
        check("2025-12-31T16:00:30-0800", SECOND);
        check("2026-01-01 00:00:30+00:00", SECOND);
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
    fn the_seconds_may_be_missing() {
        check("2026-01-01T00:01Z", SECOND + Duration::from_secs(30));
        check("2026-01-01T01:01+01:00", SECOND + Duration::from_secs(30));
    }

    #[test]
    fn long_ago_is_the_epoch() {
        check("1969-12-31T23:59:59Z", Duration::ZERO);
        check("0001-01-01T00:00:00Z", Duration::ZERO);
    }

    #[test]
    fn the_end_of_the_calendar_is_parsed() {
        check("9999-12-30T00:00:00Z", Duration::from_secs(253_402_128_000));
        check("9999-12-31T23:59:59Z", END);
        check("9999-12-32T23:59:59Z", None);
    }

    #[test]
    fn anything_else_is_no_date() {
        for value in [
            "",
            "2026-01-01",
            "2026-01-01T00:00:30",
            "2026-01-01T00:00",
            "2026-01-01T00Z",
            "2026-01-01_00:00:30Z",
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
