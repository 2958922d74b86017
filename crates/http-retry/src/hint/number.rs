//! Spans of time written as a number.

use std::time::Duration;

/// What the number counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
}

/// Reads `1*DIGIT [ "." 1*DIGIT ]`, rounded up to a millisecond, saturating.
///
/// The fraction is outside the grammar of `Retry-After`, but APIs send it and their SDKs read it. Signs,
/// exponents and units are not: half of the peers read `2m` as two seconds.
pub(super) fn read(value: &[u8], unit: Unit) -> Option<Duration> {
    let (whole, fraction) = match value.iter().position(|&byte| byte == b'.') {
        Some(dot) => (digits(&value[..dot])?, digits(&value[dot + 1..])?),
        None => (digits(value)?, &b"0"[..]),
    };
    let whole = whole.iter().fold(0_u64, |sum, digit| append(sum, *digit));
    let (scale, places) = match unit {
        Unit::Seconds => (1_000, 3),
        Unit::Milliseconds => (1, 0),
    };
    let (kept, rest) = fraction.split_at(places.min(fraction.len()));
    let kept = (0..places).fold(0, |sum, place| append(sum, *kept.get(place).unwrap_or(&b'0')));
    let rounded_up = u64::from(rest.iter().any(|&digit| digit != b'0'));
    Some(Duration::from_millis(whole.saturating_mul(scale).saturating_add(kept + rounded_up)))
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
    fn check(value: &str, unit: Unit, expected_ms: impl Into<Option<u64>>) {
        let expected = expected_ms.into().map(Duration::from_millis);
        assert_eq!(read(value.as_bytes(), unit), expected, "{value:?} {unit:?}");
    }

    #[test]
    fn decimals_are_rounded_up_to_a_millisecond() {
        check("1", Unit::Seconds, 1_000);
        check("1.0", Unit::Seconds, 1_000);
        check("0.5", Unit::Seconds, 500);
        check("0.0001", Unit::Seconds, 1);
        check("2.0015", Unit::Seconds, 2_002);
        check("1500", Unit::Milliseconds, 1_500);
        check("1500.5", Unit::Milliseconds, 1_501);
        check("1500.0", Unit::Milliseconds, 1_500);
    }

    #[test]
    fn too_large_is_the_longest_there_is() {
        check("18446744073709551615", Unit::Milliseconds, u64::MAX);
        check("18446744073709551615.9999", Unit::Seconds, u64::MAX);
        check(&"9".repeat(400), Unit::Seconds, u64::MAX);
    }

    #[test]
    fn anything_else_is_no_number() {
        for value in ["", ".", "5.", ".5", "-1", "+1", "1e3", "0x10", "2m", "1 2", "1.2.3", "inf", "NaN"] {
            check(value, Unit::Seconds, None);
        }
    }
}
