//! What the server wishes about time, read from a response's headers.

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

/// The server's own wish about time.
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
/// // Read by the server's own clock, whatever ours says.
/// let hint = RetryHint::read(&ResponseHead::from(&response), SystemTime::UNIX_EPOCH);
/// assert_eq!(hint, Some(RetryHint::After(Duration::from_secs(7))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryHint {
    /// Not before this much time has passed. Zero means that it may be now.
    After(Duration),
    /// Not at all.
    Never,
}

impl RetryHint {
    /// The hint of a response, from the first header of this list that holds one:
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
    /// | `x-ratelimit-reset` | the same | GitHub, OpenRouter |
    /// | `x-ratelimit-reset-requests`, `-tokens` | `6m0s`, a Go duration | OpenAI |
    /// | `anthropic-ratelimit-*-reset` | RFC 3339 | Anthropic |
    /// | `x-ratelimit-retry-after` | s, whole or decimal, RFC 3339, or an HTTP-date | Symfony |
    ///
    /// A date or an epoch is read against the response's own `Date`, else against `now`. Decimals are rounded
    /// up to a millisecond. Of several lines, and of several quotas of one family, the longest counts.
    ///
    /// A quota counts where nothing is left of it: `r` is 0, or the header with `remaining` in the place of
    /// `reset` is. `RateLimit-Reset`, `x-ratelimit-reset` and `x-ratelimit-retry-after` also count on a 429,
    /// whatever is left: it was not enough. A quota that says to be back already is no hint: it is wrong, or
    /// another one is used up.
    ///
    /// A header that says "now" is outranked by any that says "later", but for gRPC's.
    ///
    /// A value that is malformed, negative, empty or not ASCII is no hint, but for gRPC's; one too large for
    /// the unit is the longest there is.
    pub fn read(response: &ResponseHead<'_>, now: SystemTime) -> Option<Self> {
        Self::read_with_header(response, now).map(|(hint, _)| hint)
    }

    /// The same, with the name of the header that held it, in lower case as in [`read`](Self::read)'s list.
    pub fn read_with_header(response: &ResponseHead<'_>, now: SystemTime) -> Option<(Self, &'static str)> {
        let present = present(response.headers());
        if present == 0 {
            return None;
        }
        let present = HEADERS.iter().enumerate().filter(|(place, _)| present & 1 << place != 0);
        let mut hints = present.filter_map(|(_, (name, read))| Some((read(name, response, now)?, *name)));
        let says_now =
            |(hint, name): &(Self, &str)| *hint == Self::After(Duration::ZERO) && *name != PUSHBACK;
        let first = hints.next()?;
        if says_now(&first) {
            return Some(hints.find(|hint| !says_now(hint)).unwrap_or(first));
        }
        Some(first)
    }

    /// How long to wait at least; `None` for [`Never`](Self::Never).
    pub fn delay(self) -> Option<Duration> {
        match self {
            Self::After(delay) => Some(delay),
            Self::Never => None,
        }
    }
}

/// Reads the header of a name, or the family of a pattern.
type Read = fn(&str, &ResponseHead<'_>, SystemTime) -> Option<RetryHint>;

/// The headers that hold a hint, the one that outranks the others first.
const HEADERS: &[(&str, Read)] = &[
    (PUSHBACK, pushback::read),
    #[cfg(feature = "grpc")]
    (DETAILS, retry_info::read),
    ("retry-after-ms", milliseconds::read),
    ("x-ms-retry-after-ms", milliseconds::read),
    ("x-amz-retry-after", milliseconds::read),
    (RETRY_AFTER, retry_after::read),
    ("ratelimit", rate_limit::read),
    ("ratelimit-reset", reset::read),
    ("x-ratelimit-reset", reset::read),
    (openai::REQUESTS, openai::read),
    (openai::TOKENS, openai::read),
    ("anthropic-ratelimit-*-reset", anthropic::read),
    ("x-ratelimit-retry-after", reset::read_delay),
];

/// Which of [`HEADERS`] are there: a bit for the place of each. Most are not, and to go over all names once is less than to
/// look for each.
fn present(headers: &HeaderMap) -> u32 {
    let places = headers.keys().filter_map(|name| place(name.as_str()));
    places.fold(0, |present, place| present | 1 << place)
}

/// The place of the header of that name among [`HEADERS`].
fn place(name: &str) -> Option<usize> {
    let begins_as_one = BEGINNINGS & beginning(name) != 0;
    begins_as_one.then(|| HEADERS.iter().position(|(pattern, _)| fits(pattern, name)))?
}

/// Whether this is the header of that name, or one of the family.
fn fits(pattern: &str, name: &str) -> bool {
    let is_of_family = |(start, end)| name.starts_with(start) && name.ends_with(end);
    pattern == name
        || (beginning(pattern) == beginning(name) && pattern.split_once('*').is_some_and(is_of_family))
}

/// The first letter of a name, which tells most of them from any other, as a bit.
const fn beginning(name: &str) -> u32 {
    match name.as_bytes() {
        [first, ..] => 1 << (*first & 31),
        [] => 0,
    }
}

/// How [`HEADERS`] begin.
const BEGINNINGS: u32 = {
    let (mut beginnings, mut place) = (0, 0);
    while place < HEADERS.len() {
        beginnings |= beginning(HEADERS[place].0);
        place += 1;
    }
    beginnings
};

/// The one hint that is aimed at a single caller.
pub(crate) const PUSHBACK: &str = "grpc-retry-pushback-ms";
const RETRY_AFTER: &str = "retry-after";
/// Where gRPC's rich errors are, and a `RetryInfo` among them.
#[cfg(feature = "grpc")]
const DETAILS: &str = "grpc-status-details-bin";

/// Any time of this century will do to tell whether a date can be read. In 1970 the `26` of the form with two
/// digits for the year would be 1926.
const SOME_TIME: Duration = Duration::from_secs(1_767_225_600);

/// Whether there is a `Retry-After` that can be read.
pub(crate) fn has_retry_after(response: &ResponseHead<'_>) -> bool {
    retry_after::read(RETRY_AFTER, response, SystemTime::UNIX_EPOCH + SOME_TIME).is_some()
}

/// Whether the server pushes this one caller back for good.
pub(crate) fn is_pushed_back(response: &ResponseHead<'_>) -> bool {
    pushback::read(PUSHBACK, response, SystemTime::UNIX_EPOCH) == Some(RetryHint::Never)
}

/// Whether there is a hint that gRPC knows: a pushback, or a `RetryInfo` that can be read.
#[cfg(feature = "grpc")]
pub(crate) fn has_grpc_hint(response: &ResponseHead<'_>) -> bool {
    let now = SystemTime::UNIX_EPOCH;
    pushback::read(PUSHBACK, response, now).or_else(|| retry_info::read(DETAILS, response, now)).is_some()
}

/// Whether `x-ratelimit-remaining` says that nothing is left.
pub(crate) fn is_quota_gone(response: &ResponseHead<'_>) -> bool {
    quota::left(response.headers(), "x-ratelimit-remaining") == Some(quota::Left::Nothing)
}

/// How long nothing is left of one quota or another, whatever the status says.
///
/// A quota that fills all the time is none of these where its size is known: see [`refill`].
pub(crate) fn window(response: &ResponseHead<'_>, now: SystemTime) -> Option<Duration> {
    let is_known = refill(response).is_some();
    let windows =
        HEADERS.iter().filter(|(name, _)| WINDOWS.contains(name) || (*name == openai::REQUESTS && !is_known));
    windows.filter_map(|(name, read)| read(name, response, now)?.delay()).max()
}

/// How full a quota is that fills all the time, as OpenAI's requests do.
pub(crate) fn refill(response: &ResponseHead<'_>) -> Option<Refill> {
    openai::refill(response.headers())
}

/// The headers that tell when a quota is back of which nothing is left.
const WINDOWS: [&str; 5] =
    ["ratelimit", "ratelimit-reset", "x-ratelimit-reset", openai::TOKENS, "anthropic-ratelimit-*-reset"];

/// The longest of the delays that the lines of one header hold.
fn longest(headers: &HeaderMap, name: &str, read: impl Fn(&[u8]) -> Option<Duration>) -> Option<Duration> {
    headers.get_all(name).iter().filter_map(|value| read(trim(value.as_bytes()))).max()
}

/// Without the optional white space of RFC 9110 section 5.6.3, and without any other.
fn trim(value: &[u8]) -> &[u8] {
    let is_ows = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_ows(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_ows(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

/// Rounded up, so that never early, and saturating.
fn whole_millis(nanos: u128) -> Duration {
    Duration::from_millis(u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
