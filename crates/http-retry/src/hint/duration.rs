//! Durations as Go prints them, `1h2m3s` or `12ms`, as .NET does, `00:01:30`, as ISO 8601 writes them, `PT1M30S`, and in words,
//! `30 seconds`.

use std::str;
use std::time::Duration;

use jiff::SignedDuration;

use super::whole_millis;

/// Parses a sequence of numbers with units, or a time span. It rounds up to a millisecond and saturates.
///
/// The grammar of a sequence is that of Go, without signs and without a bare `0`, and with days.
pub(super) fn parse(value: &[u8]) -> Option<Duration> {
    let text = str::from_utf8(value).ok().filter(|text| !text.is_empty())?;
    units(text).or_else(|| time_span(text)).or_else(|| words(text)).map(whole_millis)
}

fn units(text: &str) -> Option<u128> {
    let (mut rest, mut nanos) = (text, 0_u128);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c| !is_number(c))?);
        let (unit, after) = after.split_at(after.find(is_number).unwrap_or(after.len()));
        nanos = nanos.saturating_add(nanos_of(number, nanos_in(unit)?)?);
        rest = after;
    }
    Some(nanos)
}

/// Parses `[d.]hh:mm:ss[.fraction]`, the form of a `TimeSpan` of .NET.
fn time_span(text: &str) -> Option<u128> {
    let mut parts = text.split(':');
    let (days, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (days, hours) = days.split_once('.').unwrap_or(("0", days));
    let is_whole = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if ![days, hours, minutes].into_iter().all(is_whole) || !seconds.chars().all(is_number) {
        return None;
    }
    let parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")];
    parts
        .into_iter()
        .try_fold(0_u128, |sum, (number, unit)| Some(sum.saturating_add(nanos_of(number, nanos_in(unit)?)?)))
}

/// Parses a duration of ISO 8601, or one in words. Neither has days, whose length depends on a calendar.
fn words(text: &str) -> Option<u128> {
    if text.starts_with(['+', '-']) {
        return None;
    }
    let duration: Duration = text.parse::<SignedDuration>().ok()?.try_into().ok()?;
    Some(duration.as_nanos())
}

fn is_number(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

fn nanos_in(unit: &str) -> Option<u128> {
    Some(match unit {
        "d" => 86_400_000_000_000,
        "h" => 3_600_000_000_000,
        "m" => 60_000_000_000,
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        // Go prints the micro sign and also reads the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ns" => 1,
        _ => return None,
    })
}

/// Returns the nanoseconds of `number` units, rounded up.
fn nanos_of(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_decimal = number != "." && !number.is_empty() && !fraction.contains('.');
    // More decimals are below a nanosecond for every unit, and their product with a unit could overflow.
    if !is_decimal || fraction.len() > 18 {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let below_one = (digits(fraction) * unit).div_ceil(scale);
    Some(digits(whole).saturating_mul(unit).saturating_add(below_one))
}

fn digits(text: &str) -> u128 {
    text.bytes().fold(0, |sum, digit| sum.saturating_mul(10).saturating_add(u128::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected_ms: impl Into<Option<u64>>) {
        let expected = expected_ms.into().map(Duration::from_millis);
        assert_eq!(parse(value.as_bytes()), expected, "{value:?}");
    }

    #[test]
    fn units_add_up() {
        check("1s", 1_000);
        check("6m0s", 360_000);
        check("12ms", 12);
        check("1h2m3s", 3_723_000);
        check("24h0m0s", 86_400_000);
        check("1m1m", 120_000);
        check("0s", 0);
        check("1d0h30m", 88_200_000);
    }

    #[test]
    fn a_time_span_is_read() {
        check("00:00:05", 5_000);
        check("01:02:03.0001", 3_723_001);
        check("2.00:00:01", 172_801_000);
        check("0:90:00", 5_400_000);
        check(&format!("{}:00:00", "9".repeat(400)), u64::MAX);
        for value in [
            "00:05",
            "00:00:00:05",
            ":00:05",
            "00::05",
            "00:00:",
            "-00:00:05",
            "00:00:5s",
            "00:0.5:00",
            "a:b:c",
        ] {
            check(value, None);
        }
    }

    #[test]
    fn iso_8601_and_words_are_read() {
        check("PT30S", 30_000);
        check("PT1H1M0.0001S", 3_660_001);
        check("1 s", 1_000);
        check("30 seconds", 30_000);
        check("1sec", 1_000);
        check("1 hour 2 minutes", 3_720_000);
        for value in ["P1D", "-PT30S", "PT", "1 month", "30 seconds ago", "two seconds"] {
            check(value, None);
        }
    }

    #[test]
    fn decimals_are_rounded_up_to_a_millisecond() {
        check("2m59.56s", 179_560);
        check("1.5h", 5_400_000);
        check(".5s", 500);
        check("5.s", 5_000);
        check("7.6600001s", 7_661);
        check("1.000000000000000001s", 1_001);
    }

    #[test]
    fn a_part_of_a_millisecond_is_rounded_up() {
        check("1ns", 1);
        check("500us", 1);
        check("500\u{b5}s", 1);
        check("1500\u{3bc}s", 2);
        // Only the sum is rounded.
        check("500us500us", 1);
    }

    #[test]
    fn too_large_saturates() {
        check("99999999999999999999h", u64::MAX);
        check(&format!("{}s", "9".repeat(400)), u64::MAX);
        check(&format!("{0}h{0}h", "9".repeat(400)), u64::MAX);
    }

    #[test]
    fn anything_else_is_no_duration() {
        for value in [
            "", "0", "60", ".", "s", "ms", ".s", "1.2.3s", "-1s", "+1s", "1w", "1S", "1e3s", "1m30", "1s,2s",
            "1\u{e9}", "inf",
        ] {
            check(value, None);
        }
        assert_eq!(parse(b"1\xb5s"), None);
        check(&format!("1.{}s", "0".repeat(19)), None);
    }
}
