//! What the server wishes about time, read from a response's headers.

mod date;
mod number;
mod retry_after;

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use self::number::Unit;
use crate::ResponseHead;

/// The server's own wish about time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Not before this much time has passed. Zero means that it may be now.
    After(Duration),
    /// Not at all.
    Never,
}

impl Hint {
    /// The hint of a response, from the first header of this list that holds one:
    ///
    /// | header | unit | source |
    /// |---|---|---|
    /// | `retry-after-ms` | ms, whole or decimal | OpenAI, Azure |
    /// | `x-ms-retry-after-ms` | ms | Azure |
    /// | `x-amz-retry-after` | ms | AWS |
    /// | `Retry-After` | s, whole or decimal, or an HTTP-date | RFC 9110 section 10.2.3 |
    ///
    /// A date is read against the response's own `Date`, else against `now`; one in the past means now.
    /// Decimals are rounded up to a millisecond. A value that is malformed, negative, empty or not ASCII is
    /// no hint; one too large for the unit is the longest there is.
    pub fn read(response: &ResponseHead<'_>, now: SystemTime) -> Option<Self> {
        HEADERS.iter().find_map(|read| read(response.headers(), now)).map(Self::After)
    }

    /// How long to wait at least; `None` for [`Never`](Self::Never).
    pub fn delay(self) -> Option<Duration> {
        match self {
            Self::After(delay) => Some(delay),
            Self::Never => None,
        }
    }
}

type Read = fn(&HeaderMap, SystemTime) -> Option<Duration>;

/// The headers that hold a hint, the one that outranks the others first.
const HEADERS: &[Read] = &[
    |headers, _| longest(headers, "retry-after-ms", |value| number::read(value, Unit::Milliseconds)),
    |headers, _| longest(headers, "x-ms-retry-after-ms", |value| number::read(value, Unit::Milliseconds)),
    |headers, _| longest(headers, "x-amz-retry-after", |value| number::read(value, Unit::Milliseconds)),
    retry_after::read,
];

/// Whether there is a `Retry-After` that can be read.
pub(crate) fn has_retry_after(headers: &HeaderMap) -> bool {
    // Only how long it is depends on the time, not whether it can be read.
    retry_after::read(headers, SystemTime::UNIX_EPOCH).is_some()
}

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
