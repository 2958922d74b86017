//! The time of a reset, in every form in which servers write it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;

use crate::hint::number::{self, TimeUnit};
use crate::hint::{clock, date, duration, lines, rfc3339, trim};

/// The time until a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::hint) struct Moment {
    pub(in crate::hint) delay: Duration,
    /// `true` if the header has an epoch or a date, and no delay.
    pub(in crate::hint) is_date: bool,
}

/// The meaning of a number, which the name of its header decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    Seconds,
    Milliseconds,
    Minutes,
    Hours,
    /// A small number is a delay and a large one an epoch, since no delay lasts for 30 years.
    SecondsOrEpoch,
    MillisecondsOrEpoch,
}

/// Returns the latest time among the values of a header.
pub(super) fn longest(headers: &HeaderMap, name: &str, numbers: Numbers, now: SystemTime) -> Option<Moment> {
    lines::values(headers, name).filter_map(|value| moment(value, numbers, headers, now)).max()
}

/// Reads one value, which may stand in quotes. Parameters may follow it, as in draft-06 of the `RateLimit` headers.
pub(super) fn moment(value: &[u8], numbers: Numbers, headers: &HeaderMap, now: SystemTime) -> Option<Moment> {
    let value = trim(value.split(|byte| *byte == b';').next()?);
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let value = quoted.unwrap_or(value);
    if let Some(seconds) = number::parse(value, TimeUnit::Seconds) {
        let millis = number::parse(value, TimeUnit::Milliseconds)?;
        let delay = match numbers {
            Numbers::Seconds => return Some(seconds_or_epoch(seconds, headers, now)),
            Numbers::Milliseconds => millis,
            Numbers::Minutes => seconds.saturating_mul(60),
            Numbers::Hours => seconds.saturating_mul(3_600),
            Numbers::SecondsOrEpoch if seconds <= MAX_DELAY => seconds,
            Numbers::MillisecondsOrEpoch if seconds <= MAX_EPOCH_SECONDS => millis,
            Numbers::SecondsOrEpoch if seconds <= MAX_EPOCH_SECONDS => {
                return Some(until(seconds, headers, now));
            }
            Numbers::SecondsOrEpoch | Numbers::MillisecondsOrEpoch => {
                return Some(until(finer_than_seconds(millis), headers, now));
            }
        };
        return Some(Moment { delay, is_date: false });
    }
    let date = rfc3339::parse(value).or_else(|| date::parse(value, now));
    let date = date.map(|time| Moment { delay: clock::until(time, headers, now), is_date: true });
    date.or_else(|| Some(Moment { delay: duration::parse(value)?, is_date: false }))
}

/// Reads a number of seconds where a delay is expected. Some servers send an epoch there: CrowdStrike, Docker Hub, and those
/// that follow the example of Symfony. A number counts as one if it names a time of the day before or of the year that comes.
/// Otherwise it is the delay that it says to be, of more than 30 years.
fn seconds_or_epoch(seconds: Duration, headers: &HeaderMap, now: SystemTime) -> Moment {
    let is_near = || {
        let a_day_later = until(seconds.saturating_add(PAST), headers, now).delay;
        !a_day_later.is_zero() && a_day_later <= PAST + FUTURE
    };
    match seconds > MAX_DELAY && is_near() {
        true => until(seconds, headers, now),
        false => Moment { delay: seconds, is_date: false },
    }
}

fn until(since_epoch: Duration, headers: &HeaderMap, now: SystemTime) -> Moment {
    match UNIX_EPOCH.checked_add(since_epoch) {
        Some(time) => Moment { delay: clock::until(time, headers, now), is_date: true },
        None => Moment { delay: Duration::from_millis(u64::MAX), is_date: false },
    }
}

/// Reads a number that is too large for an epoch in seconds: it counts milliseconds, microseconds or nanoseconds.
fn finer_than_seconds(number: Duration) -> Duration {
    let number = u64::try_from(number.as_millis()).unwrap_or(u64::MAX);
    match number {
        MAX_EPOCH_NANOS.. => Duration::from_secs(number),
        MAX_EPOCH_MICROS.. => Duration::from_nanos(number),
        MAX_EPOCH_MILLIS.. => Duration::from_micros(number),
        _ => Duration::from_millis(number),
    }
}

/// The largest number that is a delay and not an epoch, about 32 years.
const MAX_DELAY: Duration = Duration::from_secs(1_000_000_000);
/// The largest epoch in seconds, in the year 33658. A larger number counts smaller units.
const MAX_EPOCH_SECONDS: Duration = Duration::from_secs(1_000_000_000_000);
/// The numbers from which on the unit of an epoch is a smaller one, for the same year. Nanoseconds end in the year 2286.
const MAX_EPOCH_MILLIS: u64 = 1_000_000_000_000_000;
const MAX_EPOCH_MICROS: u64 = 1_000_000_000_000_000_000;
const MAX_EPOCH_NANOS: u64 = 10_000_000_000_000_000_000;
/// The times by which an epoch may lie in the past or the future where a delay is expected.
const PAST: Duration = Duration::from_secs(86_400);
const FUTURE: Duration = Duration::from_secs(366 * 86_400);
