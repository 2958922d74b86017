//! The server's wish about the next attempt, read from the headers of a response.

pub(crate) mod announced;
mod body;
mod clock;
mod date;
mod duration;
mod family;
mod lines;
mod milliseconds;
mod number;
mod pushback;
mod quota;
mod rate_limit;
mod retry_after;
#[cfg(feature = "grpc")]
mod retry_info;
mod rfc3339;

use std::time::{Duration, SystemTime};

use http::HeaderMap;

pub use self::body::BodyHint;
use crate::ResponseHead;

/// The server's wish about the time of the next attempt.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use http::Response;
/// use http_retry::{RetryHint, ResponseHead};
///
/// let response = Response::builder()
///     .status(429)
///     .header("date", "Wed, 25 Nov 2026 12:00:00 GMT")
///     .header("retry-after", "Wed, 25 Nov 2026 12:00:07 GMT")
///     .body(())
///     .unwrap();
///
/// // The `Date` of the response is the server's clock, so our own clock does not matter.
/// let hint = RetryHint::read(&ResponseHead::from(&response), SystemTime::UNIX_EPOCH);
/// assert_eq!(hint, Some(RetryHint::After(Duration::from_secs(7))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryHint {
    /// The next attempt may start after this delay. Zero means that it may start now.
    After(Duration),
    /// The server does not want another attempt.
    Never,
}

impl RetryHint {
    /// Reads the hint of a response from the first header of this list that has one:
    ///
    /// | header | value | source |
    /// |---|---|---|
    /// | `grpc-retry-pushback-ms` | ms, whole; anything else is [`Never`](Self::Never) | gRPC A6 |
    /// | `grpc-status-details-bin` | a `google.rpc.RetryInfo`, beside a `grpc-status`; with the feature `grpc` | google.rpc |
    /// | `retry-after-ms` | ms, whole or decimal | OpenAI, Azure |
    /// | `x-ms-retry-after-ms` | ms | Azure |
    /// | `x-amz-retry-after` | ms | AWS |
    /// | `Retry-After` | s, whole or decimal, or a date | RFC 9110 section 10.2.3 |
    /// | `RateLimit` | `"name";r=0;t=30`, in s; without `t`, the `w` of the same name in `RateLimit-Policy`. Or `limit=9, remaining=0, reset=30` | draft-ietf-httpapi-ratelimit-headers-10 and -07 |
    /// | all families of rate limits | as below | their vendors' documentation |
    ///
    /// A header belongs to a family if its name has a word for a limit (`ratelimit`, `rate-limit`, `limit`, `quota`), and one for
    /// its end: `reset`, `retry-after`, `retry-in`, `wait`, `expiry`, `next`, or the rest of a time, such as `timeremaining`. A
    /// name that ends in `retry-after`, `retry-in`, `backoff` or `reset-after` and a unit needs no word for a limit. Its value is
    /// a number of seconds, an epoch in s (above 10^9) or ms, us or ns (above 10^12, 10^15 or 10^18), a duration of Go or
    /// ISO 8601 or in words, a time span as .NET writes it, RFC 3339, or a date. A name with `ms` or `milliseconds`
    /// counts those, but not one with Microsoft's prefix `x-ms-` alone, and one that ends in `minutes` or `hours` counts those. A
    /// number behind a word for a delay, such as `retry-after` or `reset-after`, is an epoch only if it names a time of the last
    /// day or of the next year. A header may also have all of a quota in its value, as in `total=100; remaining=0; resets=55`.
    ///
    /// A quota counts if it is used up: its `r` is 0, or the header with `remaining` in the place of `reset` is 0, or
    /// that with `used-percent` is 100. The longest delay of those counts. If none is used up and the status is 429 or 509, those count that have no such header. At last
    /// a header counts that has no kind in its name, such as `x-ratelimit-reset`, because the rest was too small for the
    /// request. A quota whose reset is not in the future gives no hint: the header is wrong, or another quota is used up.
    ///
    /// A date or an epoch is compared with the response's own `Date`, or with `now` without one. Decimals are rounded
    /// up to a millisecond. Of several values, whether in several lines or in one, the longest delay counts. Dates have the
    /// forms of HTTP, of the Internet Message Format or of RFC 3339, and their weekday may be wrong.
    ///
    /// A header with a delay of zero counts only if no other header has a longer delay. gRPC's pushback counts in any case.
    /// Where no header has a hint, that of a [`BodyHint`] counts.
    ///
    /// A value that is malformed, negative, empty or not ASCII gives no hint, except in gRPC's pushback. A value that is too
    /// large for the unit becomes the longest possible delay.
    pub fn read(response: &ResponseHead<'_>, now: SystemTime) -> Option<Self> {
        Self::read_with_header(response, now).map(|(hint, _)| hint)
    }

    /// Reads the hint as [`read`](Self::read) does, and returns it with the name of its header, in lower case as in the
    /// list there. Headers of families have their own names if those are common, and else `anthropic-ratelimit-*-reset` or
    /// `*-ratelimit-*-reset`. The name is `body` for a [`BodyHint`].
    pub fn read_with_header(response: &ResponseHead<'_>, now: SystemTime) -> Option<(Self, &'static str)> {
        read(response, now).map(|reading| (reading.hint, reading.header))
    }

    /// Returns the shortest wait before the next attempt, and `None` for [`Never`](Self::Never).
    pub fn delay(self) -> Option<Duration> {
        match self {
            Self::After(delay) => Some(delay),
            Self::Never => None,
        }
    }
}

/// A hint, and the header that it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) hint: RetryHint,
    pub(crate) header: &'static str,
    /// `true` if the hint is finer than a second. A date is not, because the fractions come from our clock.
    pub(crate) is_precise: bool,
}

/// Reads the hint of a response.
pub(crate) fn read(response: &ResponseHead<'_>, now: SystemTime) -> Option<Reading> {
    let in_headers = read_headers(response, now);
    match in_headers {
        Some(Reading { hint: RetryHint::After(Duration::ZERO), header, .. }) if header != PUSHBACK => {
            body::read(response).or(in_headers)
        }
        Some(_) => in_headers,
        None => body::read(response),
    }
}

fn read_headers(response: &ResponseHead<'_>, now: SystemTime) -> Option<Reading> {
    let present = present(response.headers());
    if present == 0 {
        return None;
    }
    let present = HEADERS.iter().enumerate().filter(|(index, _)| present & 1 << index != 0);
    let mut readings = present.filter_map(|(_, (name, parse))| parse(name, response, now));
    let is_now =
        |reading: &Reading| reading.hint == RetryHint::After(Duration::ZERO) && reading.header != PUSHBACK;
    let first = readings.next()?;
    if is_now(&first) {
        return Some(readings.find(|reading| !is_now(reading)).unwrap_or(first));
    }
    Some(first)
}

/// A function that parses the header with a name, or the headers of all families.
type HintParser = fn(&'static str, &ResponseHead<'_>, SystemTime) -> Option<Reading>;

/// The headers that may have a hint. Earlier ones outrank later ones.
const HEADERS: &[(&str, HintParser)] = &[
    (PUSHBACK, pushback::parse),
    #[cfg(feature = "grpc")]
    (DETAILS, retry_info::parse),
    ("retry-after-ms", milliseconds::parse),
    ("x-ms-retry-after-ms", milliseconds::parse),
    ("x-amz-retry-after", milliseconds::parse),
    (RETRY_AFTER, retry_after::parse),
    ("ratelimit", rate_limit::parse),
    (FAMILIES, family::parse),
];

/// The name under which [`HEADERS`] has all families. No header is called so.
const FAMILIES: &str = "*";

/// Returns the [`HEADERS`] that a response has, as one bit for each index. Most are absent, and one pass over all names
/// costs less than a search for each.
fn present(headers: &HeaderMap) -> u32 {
    let indices = headers.keys().filter_map(|name| index(name.as_str()));
    indices.fold(0, |present, index| present | 1 << index)
}

/// Returns the index of a header in [`HEADERS`]. All families have the last one.
fn index(name: &str) -> Option<usize> {
    let named = HEADERS.iter().position(|(other, _)| *other == name);
    named.or_else(|| family::may_have_hint(name).then_some(HEADERS.len() - 1))
}

/// The header of gRPC's pushback, which is the only hint that is meant for a single caller.
pub(crate) const PUSHBACK: &str = "grpc-retry-pushback-ms";
const RETRY_AFTER: &str = "retry-after";
/// The header of gRPC's error details, which may contain a `RetryInfo`.
#[cfg(feature = "grpc")]
const DETAILS: &str = "grpc-status-details-bin";

/// Returns whether a response names a time that can be read. The reset of a quota is one if nothing is left of that quota.
pub(crate) fn has_time(response: &ResponseHead<'_>) -> bool {
    // The time itself does not matter, and so the clock does not either.
    read(response, SystemTime::UNIX_EPOCH).is_some()
}

/// Returns whether a refusal, such as a 403, is that of a limit: a quota is used up, or the response names a time.
pub(crate) fn is_of_limit(response: &ResponseHead<'_>) -> bool {
    announced::is_any_gone(response) || has_time(response)
}

/// Returns whether a pushback tells this caller not to try again.
pub(crate) fn is_pushed_back(response: &ResponseHead<'_>) -> bool {
    let reading = pushback::parse(PUSHBACK, response, SystemTime::UNIX_EPOCH);
    reading.is_some_and(|reading| reading.hint == RetryHint::Never)
}

/// Returns whether a response has a hint that gRPC defines: a pushback, or a valid `RetryInfo`.
#[cfg(feature = "grpc")]
pub(crate) fn has_grpc_hint(response: &ResponseHead<'_>) -> bool {
    let now = SystemTime::UNIX_EPOCH;
    pushback::parse(PUSHBACK, response, now).or_else(|| retry_info::parse(DETAILS, response, now)).is_some()
}

/// Returns whether a response has a valid `google.rpc.RetryInfo` whose delay is not zero.
#[cfg(feature = "grpc")]
pub(crate) fn has_retry_info(response: &ResponseHead<'_>) -> bool {
    let reading = retry_info::parse(DETAILS, response, SystemTime::UNIX_EPOCH);
    let delay = reading.and_then(|reading| reading.hint.delay());
    delay.is_some_and(|delay| !delay.is_zero())
}

/// Removes the optional white space of RFC 9110 section 5.6.3, and no other.
fn trim(value: &[u8]) -> &[u8] {
    let is_ows = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_ows(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_ows(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

/// Converts nanoseconds to whole milliseconds. It rounds up, so that no attempt starts early, and saturates.
fn whole_millis(nanos: u128) -> Duration {
    Duration::from_millis(u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
