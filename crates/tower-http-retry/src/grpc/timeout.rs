//! `grpc-timeout`, the time that a caller gives a call.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{is_grpc, is_grpc_type};
use crate::RequestHead;

/// Reads the `grpc-timeout` of a gRPC request. Returns `None` without one, or if it is malformed, which a server reports.
///
/// The value is a number of up to 8 digits and a unit: `H`, `M`, `S`, `m`, `u` or `n` (gRPC over HTTP/2, "Timeout").
pub fn timeout(headers: &HeaderMap) -> Option<Duration> {
    headers.get(&GRPC_TIMEOUT).filter(|_| is_grpc(headers)).and_then(|value| parse(value.as_bytes()))
}

/// Reads the `grpc-timeout` of a request as [`timeout`] does, from the head that a policy sees.
pub fn timeout_of_head(head: &RequestHead<'_>) -> Option<Duration> {
    let value = head.header(GRPC_TIMEOUT.as_str())?;
    let is_grpc = head.header("content-type").is_some_and(|value| is_grpc_type(value.as_bytes()));
    parse(value.as_bytes()).filter(|_| is_grpc)
}

fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return None;
    }
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
    })?;
    let (_, length) = UNITS.into_iter().find(|(letter, _)| letter == unit)?;
    // Eight digits of hours are below the largest duration.
    Some(Duration::from_nanos(length).saturating_mul(u32::try_from(number).ok()?))
}

/// Sets `grpc-timeout` to a time that is left of a call. It is rounded down, so that the server never works on for a caller
/// who has gone. The smallest value is 1 ns, because zero is not valid.
pub fn set_timeout(headers: &mut HeaderMap, left: Duration) {
    let nanos = left.as_nanos().max(1);
    let fits = |length: u64| nanos / u128::from(length) < 10_u128.pow(MAX_DIGITS as u32);
    // Hours always fit: the longest duration has 16 digits of them, which no caller can have asked for.
    let (unit, length) =
        UNITS.into_iter().find(|(_, length)| fits(*length)).unwrap_or(UNITS[UNITS.len() - 1]);
    let number = (nanos / u128::from(length)).min(10_u128.pow(MAX_DIGITS as u32) - 1);
    if let Ok(value) = HeaderValue::try_from(format!("{number}{}", char::from(unit))) {
        headers.insert(&GRPC_TIMEOUT, value);
    }
}

/// Sets `grpc-timeout` to what is left of it after a time that has passed since the call began. Other requests stay as they
/// are.
pub(crate) fn shorten_timeout(headers: &mut HeaderMap, elapsed: Duration) {
    if let Some(timeout) = timeout(headers) {
        set_timeout(headers, timeout.saturating_sub(elapsed));
    }
}

static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The most digits of a value.
const MAX_DIGITS: usize = 8;

/// The units and their lengths in nanoseconds, from the shortest.
const UNITS: [(u8, u64); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60_000_000_000),
    (b'H', 3_600_000_000_000),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let lines = [("content-type", "application/grpc"), ("grpc-timeout", value)];
        let lines = lines.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        HeaderMap::from_iter(lines)
    }

    #[test]
    fn a_timeout_has_a_number_and_a_unit() {
        let hour = Duration::from_secs(3_600);
        for (value, expected) in [
            ("1n", Some(Duration::from_nanos(1))),
            ("20u", Some(Duration::from_micros(20))),
            ("300m", Some(Duration::from_millis(300))),
            ("4S", Some(Duration::from_secs(4))),
            ("5M", Some(Duration::from_secs(300))),
            ("99999999H", Some(hour * 99_999_999)),
            ("0S", Some(Duration::ZERO)),
            ("999999999n", None),
            ("", None),
            ("S", None),
            ("5", None),
            ("5s", None),
            ("-5S", None),
            ("1.5S", None),
            (" 5S", None),
        ] {
            let headers = headers(value);
            assert_eq!(timeout(&headers), expected, "{value}");
            let mut request = http::Request::new(());
            *request.headers_mut() = headers;
            assert_eq!(timeout_of_head(&RequestHead::from(&request)), expected, "{value}");
        }
        let mut other = headers("1S");
        other.insert("content-type", HeaderValue::from_static("application/json"));
        assert_eq!(timeout(&other), None);
        shorten_timeout(&mut other, Duration::ZERO);
        assert_eq!(other["grpc-timeout"], "1S");
    }

    #[test]
    fn what_is_left_is_never_more_than_it_was() {
        for (value, elapsed, expected) in [
            ("1S", Duration::from_millis(250), "750000u"),
            ("1S", Duration::ZERO, "1000000u"),
            ("50m", Duration::from_nanos(1), "49999999n"),
            ("1H", Duration::from_secs(1), "3599000m"),
            ("99999999S", Duration::from_nanos(1), "99999998S"),
            ("99999999H", Duration::from_nanos(1), "99999998H"),
            ("1S", Duration::from_secs(1), "1n"),
            ("1S", Duration::from_secs(9), "1n"),
            ("later", Duration::from_secs(9), "later"),
        ] {
            let mut headers = headers(value);
            shorten_timeout(&mut headers, elapsed);
            assert_eq!(headers["grpc-timeout"], expected, "{value} {elapsed:?}");
        }
        let mut headers = headers("1S");
        set_timeout(&mut headers, Duration::MAX);
        assert_eq!(headers["grpc-timeout"], "99999999H");
    }
}
