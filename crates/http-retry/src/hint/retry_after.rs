//! `Retry-After` (RFC 9110 section 10.2.3): seconds, or an HTTP-date.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

use super::number::{self, Unit};
use super::{date, longest, trim};

/// The longest of the delays that the header's lines hold.
pub(super) fn read(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    longest(headers, header::RETRY_AFTER.as_str(), |value| {
        seconds(value).or_else(|| until(value, headers, now))
    })
}

/// Intermediaries may have joined several lines with commas (RFC 9110 section 5.3). The longest counts, as
/// it does for lines.
fn seconds(value: &[u8]) -> Option<Duration> {
    let members = value.split(|&byte| byte == b',');
    let delays = members.map(|member| number::read(trim(member), Unit::Seconds));
    delays.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// The server's clock is the one that the date was set by, so its own `Date` outranks ours.
fn until(value: &[u8], headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let moment = date::read(value, now)?;
    let server_now = headers.get(header::DATE).and_then(|value| date::read(trim(value.as_bytes()), now));
    Some(moment.duration_since(server_now.unwrap_or(now)).unwrap_or(Duration::ZERO))
}
