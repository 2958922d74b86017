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
    /// A small number is a delay and a large one an epoch, since no delay lasts for 30 years.
    SecondsOrEpoch,
    MillisecondsOrEpoch,
}

/// Returns the latest time among the values of a header.
pub(super) fn longest(headers: &HeaderMap, name: &str, numbers: Numbers, now: SystemTime) -> Option<Moment> {
    lines::values(headers, name).filter_map(|value| moment(value, numbers, headers, now)).max()
}

/// Reads one value. Parameters may follow it, as in draft-06 of the `RateLimit` headers.
pub(super) fn moment(value: &[u8], numbers: Numbers, headers: &HeaderMap, now: SystemTime) -> Option<Moment> {
    let value = trim(value.split(|byte| *byte == b';').next()?);
    let until = |time| Moment { delay: clock::until(time, headers, now), is_date: true };
    let after = |delay| Moment { delay, is_date: false };
    if let Some(seconds) = number::parse(value, TimeUnit::Seconds) {
        let millis = number::parse(value, TimeUnit::Milliseconds)?;
        let since_epoch = match numbers {
            Numbers::Seconds => return Some(after(seconds)),
            Numbers::Milliseconds => return Some(after(millis)),
            Numbers::SecondsOrEpoch if seconds <= MAX_DELAY => return Some(after(seconds)),
            Numbers::MillisecondsOrEpoch if seconds <= MAX_EPOCH_SECONDS => return Some(after(millis)),
            Numbers::SecondsOrEpoch if seconds <= MAX_EPOCH_SECONDS => seconds,
            Numbers::SecondsOrEpoch | Numbers::MillisecondsOrEpoch => millis,
        };
        return Some(
            UNIX_EPOCH.checked_add(since_epoch).map_or(after(Duration::from_millis(u64::MAX)), until),
        );
    }
    let delay = || duration::parse(value).map(after);
    rfc3339::parse(value).or_else(|| date::parse(value, now)).map(until).or_else(delay)
}

/// The largest number that is a delay and not an epoch, about 32 years.
const MAX_DELAY: Duration = Duration::from_secs(1_000_000_000);
/// The largest epoch in seconds, in the year 33658. A larger number counts milliseconds.
const MAX_EPOCH_SECONDS: Duration = Duration::from_secs(1_000_000_000_000);
