//! Durations that are written as a number.

use std::time::Duration;

/// The unit of the number.
#[derive(Clone, Copy, Debug)]
pub(super) enum TimeUnit {
    Seconds,
    Milliseconds,
}

/// Parses `1*DIGIT [ "." 1*DIGIT ]`. It rounds up to a millisecond and saturates.
///
/// The grammar of `Retry-After` has no fraction, but APIs send it and their SDKs read it. Signs, exponents and units are
/// refused, because half of the other retry libraries read `2m` as two seconds.
pub(super) fn parse(value: &[u8], unit: TimeUnit) -> Option<Duration> {
    let (whole, fraction) = match value.iter().position(|&byte| byte == b'.') {
        Some(dot) => (digits(&value[..dot])?, digits(&value[dot + 1..])?),
        None => (digits(value)?, &b"0"[..]),
    };
    let whole = whole.iter().fold(0_u64, |sum, digit| append(sum, *digit));
    let (scale, decimals) = match unit {
        TimeUnit::Seconds => (1_000, 3),
        TimeUnit::Milliseconds => (1, 0),
    };
    let (millis, rest) = fraction.split_at(decimals.min(fraction.len()));
    let millis = (0..decimals).fold(0, |sum, index| append(sum, *millis.get(index).unwrap_or(&b'0')));
    let rounded_up = u64::from(rest.iter().any(|&digit| digit != b'0'));
    Some(Duration::from_millis(whole.saturating_mul(scale).saturating_add(millis + rounded_up)))
}

fn digits(value: &[u8]) -> Option<&[u8]> {
    (!value.is_empty() && value.iter().all(u8::is_ascii_digit)).then_some(value)
}

fn append(sum: u64, digit: u8) -> u64 {
    sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, unit: TimeUnit, expected_ms: impl Into<Option<u64>>) {
        let expected = expected_ms.into().map(Duration::from_millis);
        assert_eq!(parse(value.as_bytes(), unit), expected, "{value:?} {unit:?}");
    }

    #[test]
    fn decimals_are_rounded_up_to_a_millisecond() {
        check("1", TimeUnit::Seconds, 1_000);
        check("1.0", TimeUnit::Seconds, 1_000);
        check("0.5", TimeUnit::Seconds, 500);
        check("0.0001", TimeUnit::Seconds, 1);
        check("2.0015", TimeUnit::Seconds, 2_002);
        check("1500", TimeUnit::Milliseconds, 1_500);
        check("1500.5", TimeUnit::Milliseconds, 1_501);
        check("1500.0", TimeUnit::Milliseconds, 1_500);
    }

    #[test]
    fn too_large_saturates() {
        check("18446744073709551615", TimeUnit::Milliseconds, u64::MAX);
        check("18446744073709551615.9999", TimeUnit::Seconds, u64::MAX);
        check(&"9".repeat(400), TimeUnit::Seconds, u64::MAX);
    }

    #[test]
    fn anything_else_is_no_number() {
        for value in ["", ".", "5.", ".5", "-1", "+1", "1e3", "0x10", "2m", "1 2", "1.2.3", "inf", "NaN"] {
            check(value, TimeUnit::Seconds, None);
        }
    }
}
