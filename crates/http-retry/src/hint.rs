//! The server's wish about the next attempt, read from the headers of a response.

mod anthropic;
mod clock;
mod date;
mod duration;
mod milliseconds;
mod number;
mod openai;
mod pushback;
mod quota;
mod rate_limit;
mod reset;
mod retry_after;
#[cfg(feature = "grpc")]
mod retry_info;
mod rfc3339;

use std::time::{Duration, SystemTime};

use http::HeaderMap;

pub(crate) use self::openai::Refill;
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
    /// | `Retry-After` | s, whole or decimal, or an HTTP-date | RFC 9110 section 10.2.3 |
    /// | `RateLimit` | `"name";r=0;t=30`, in s; without `t`, the `w` of the same name in `RateLimit-Policy` | draft-ietf-httpapi-ratelimit-headers-10 |
    /// | `RateLimit-Reset` | s, an epoch in s (above 10^9) or ms (above 10^12), RFC 3339, or an HTTP-date | draft-06, GitLab |
    /// | `x-ratelimit-reset` | as for `RateLimit-Reset` | GitHub, OpenRouter |
    /// | `x-ratelimit-reset-requests`, `-tokens` | `6m0s`, a Go duration | OpenAI |
    /// | `anthropic-ratelimit-*-reset` | RFC 3339 | Anthropic |
    /// | `x-ratelimit-retry-after` | s, whole or decimal, RFC 3339, or an HTTP-date | Symfony |
    ///
    /// A date or an epoch is compared with the response's own `Date`, or with `now` without one. Decimals are rounded
    /// up to a millisecond. If a header has several lines, or a family has several quotas, the longest delay counts.
    ///
    /// A quota counts if it is used up: its `r` is 0, or the header with `remaining` in the place of `reset` is 0.
    /// `RateLimit-Reset`, `x-ratelimit-reset` and `x-ratelimit-retry-after` also count on a 429, regardless of the rest of
    /// the quota, because the rest was too small for the request. A quota whose reset is not in the future gives no hint:
    /// the header is wrong, or another quota is used up.
    ///
    /// A header with a delay of zero counts only if no other header has a longer delay. gRPC's pushback counts in any case.
    ///
    /// A value that is malformed, negative, empty or not ASCII gives no hint, except in gRPC's pushback. A value that is too
    /// large for the unit becomes the longest possible delay.
    pub fn read(response: &ResponseHead<'_>, now: SystemTime) -> Option<Self> {
        Self::read_with_header(response, now).map(|(hint, _)| hint)
    }

    /// Reads the hint as [`read`](Self::read) does, and returns it with the name of its header, in lower case as in the
    /// list there.
    pub fn read_with_header(response: &ResponseHead<'_>, now: SystemTime) -> Option<(Self, &'static str)> {
        let present = present(response.headers());
        if present == 0 {
            return None;
        }
        let present = HEADERS.iter().enumerate().filter(|(index, _)| present & 1 << index != 0);
        let mut hints = present.filter_map(|(_, (name, parse))| Some((parse(name, response, now)?, *name)));
        let is_now = |(hint, name): &(Self, &str)| *hint == Self::After(Duration::ZERO) && *name != PUSHBACK;
        let first = hints.next()?;
        if is_now(&first) {
            return Some(hints.find(|hint| !is_now(hint)).unwrap_or(first));
        }
        Some(first)
    }

    /// Returns the shortest wait before the next attempt, and `None` for [`Never`](Self::Never).
    pub fn delay(self) -> Option<Duration> {
        match self {
            Self::After(delay) => Some(delay),
            Self::Never => None,
        }
    }
}

/// A function that parses the header with a name, or the headers of a family.
type HintParser = fn(&str, &ResponseHead<'_>, SystemTime) -> Option<RetryHint>;

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
    ("ratelimit-reset", reset::parse),
    ("x-ratelimit-reset", reset::parse),
    (openai::REQUESTS, openai::parse),
    (openai::TOKENS, openai::parse),
    ("anthropic-ratelimit-*-reset", anthropic::parse),
    ("x-ratelimit-retry-after", reset::parse_delay),
];

/// Returns the [`HEADERS`] that a response has, as one bit for each index. Most are absent, and one pass over all names
/// costs less than a search for each.
fn present(headers: &HeaderMap) -> u32 {
    let indices = headers.keys().filter_map(|name| index(name.as_str()));
    indices.fold(0, |present, index| present | 1 << index)
}

/// Returns the index of a header in [`HEADERS`].
fn index(name: &str) -> Option<usize> {
    let may_match = FIRST_LETTERS & first_letter_bit(name) != 0;
    may_match.then(|| HEADERS.iter().position(|(pattern, _)| matches(pattern, name)))?
}

/// Returns whether a name equals the pattern, or belongs to the family that the pattern describes with a `*`.
fn matches(pattern: &str, name: &str) -> bool {
    let is_in_family = |(start, end)| name.starts_with(start) && name.ends_with(end);
    pattern == name
        || (first_letter_bit(pattern) == first_letter_bit(name)
            && pattern.split_once('*').is_some_and(is_in_family))
}

/// Returns one bit for the first letter of a name. Most names that give no hint differ in it already.
const fn first_letter_bit(name: &str) -> u32 {
    match name.as_bytes() {
        [first, ..] => 1 << (*first & 31),
        [] => 0,
    }
}

/// The first letters of all [`HEADERS`], as bits.
const FIRST_LETTERS: u32 = {
    let (mut letters, mut index) = (0, 0);
    while index < HEADERS.len() {
        letters |= first_letter_bit(HEADERS[index].0);
        index += 1;
    }
    letters
};

/// The header of gRPC's pushback, which is the only hint that is meant for a single caller.
pub(crate) const PUSHBACK: &str = "grpc-retry-pushback-ms";
const RETRY_AFTER: &str = "retry-after";
/// The header of gRPC's error details, which may contain a `RetryInfo`.
#[cfg(feature = "grpc")]
const DETAILS: &str = "grpc-status-details-bin";

/// A time of this century, against which a date is parsed if only its validity matters. At the epoch itself the `26` of a
/// two-digit year would mean 1926.
const SOME_TIME: Duration = Duration::from_secs(1_767_225_600);

/// Returns whether a response has a valid `Retry-After`.
pub(crate) fn has_retry_after(response: &ResponseHead<'_>) -> bool {
    retry_after::parse(RETRY_AFTER, response, SystemTime::UNIX_EPOCH + SOME_TIME).is_some()
}

/// Returns whether a pushback tells this caller not to try again.
pub(crate) fn is_pushed_back(response: &ResponseHead<'_>) -> bool {
    pushback::parse(PUSHBACK, response, SystemTime::UNIX_EPOCH) == Some(RetryHint::Never)
}

/// Returns whether a response has a hint that gRPC defines: a pushback, or a valid `RetryInfo`.
#[cfg(feature = "grpc")]
pub(crate) fn has_grpc_hint(response: &ResponseHead<'_>) -> bool {
    let now = SystemTime::UNIX_EPOCH;
    pushback::parse(PUSHBACK, response, now).or_else(|| retry_info::parse(DETAILS, response, now)).is_some()
}

/// Returns whether `x-ratelimit-remaining` is 0.
pub(crate) fn is_quota_gone(response: &ResponseHead<'_>) -> bool {
    quota::remaining(response.headers(), "x-ratelimit-remaining") == Some(quota::Remaining::Nothing)
}

/// Returns the time until the last of the used-up quotas resets, regardless of the status.
///
/// A quota that refills continuously does not count if its size is known: see [`refill`].
pub(crate) fn window(response: &ResponseHead<'_>, now: SystemTime) -> Option<Duration> {
    let is_known = refill(response).is_some();
    let windows =
        HEADERS.iter().filter(|(name, _)| WINDOWS.contains(name) || (*name == openai::REQUESTS && !is_known));
    windows.filter_map(|(name, parse)| parse(name, response, now)?.delay()).max()
}

/// Returns the state of a quota that refills continuously, as OpenAI's quota of requests does.
pub(crate) fn refill(response: &ResponseHead<'_>) -> Option<Refill> {
    openai::refill(response.headers())
}

/// The headers that give the time at which a used-up quota resets.
const WINDOWS: [&str; 5] =
    ["ratelimit", "ratelimit-reset", "x-ratelimit-reset", openai::TOKENS, "anthropic-ratelimit-*-reset"];

/// Returns the longest delay among the lines of a header.
fn longest(headers: &HeaderMap, name: &str, parse: impl Fn(&[u8]) -> Option<Duration>) -> Option<Duration> {
    headers.get_all(name).iter().filter_map(|value| parse(trim(value.as_bytes()))).max()
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
