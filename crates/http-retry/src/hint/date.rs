//! Dates of the Internet Message Format, HTTP-dates in their three forms among them (RFC 9110 section 5.6.7, RFC 5322
//! section 3.3).

use std::str;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::civil::{DateTime, datetime};
use jiff::tz::Offset;
use jiff::{SignedDuration, Span, Timestamp};

/// Parses a date. `now` decides the century of a year with two digits.
///
/// RFC 9110 asks recipients to be robust here, and a date that is not read is a resend without a wait. So the day may have
/// one digit, the month may be written out, the zone may be a number, `UT`, `UTC` or one of RFC 5322's, and the weekday may be wrong, because it adds
/// nothing. A zone that is unknown makes the date unknown.
pub(super) fn parse(value: &[u8], now: SystemTime) -> Option<SystemTime> {
    let text = str::from_utf8(value).ok().filter(|text| text.is_ascii())?;
    let fields: Vec<&str> = without_comment(text).split_ascii_whitespace().take(MAX_FIELDS + 1).collect();
    let date = match fields.as_slice() {
        [weekday, rest @ ..] if weekday.strip_suffix(',').is_some_and(is_weekday) => message_date(rest)?,
        [weekday, month, day, time, year] if is_weekday(weekday) => {
            Fields { day, month, year, time, zone: "GMT" }
        }
        rest => message_date(rest)?,
    };
    date.time(now)
}

/// Returns whether this is the name of a weekday, after which a date may go on behind a comma.
pub(super) fn is_weekday(text: &str) -> bool {
    WEEKDAYS.iter().any(|name| text.eq_ignore_ascii_case(name) || text.eq_ignore_ascii_case(&name[..3]))
}

/// The fields of a date, as they are written.
struct Fields<'a> {
    day: &'a str,
    month: &'a str,
    year: &'a str,
    time: &'a str,
    zone: &'a str,
}

/// Finds the fields of `06 Nov 1994 08:49:37 GMT` or `06-Nov-94 08:49:37 GMT`.
fn message_date<'a>(fields: &[&'a str]) -> Option<Fields<'a>> {
    match fields {
        [day, month, year, time, zone] => Some(Fields { day, month, year, time, zone }),
        [date, time, zone] => {
            let mut parts = date.split('-');
            let fields = Fields { day: parts.next()?, month: parts.next()?, year: parts.next()?, time, zone };
            parts.next().is_none().then_some(fields)
        }
        _ => None,
    }
}

impl Fields<'_> {
    fn time(&self, now: SystemTime) -> Option<SystemTime> {
        let day = number(self.day, 1..=2)?;
        let is_month = |name: &&str| {
            self.month.eq_ignore_ascii_case(name) || self.month.eq_ignore_ascii_case(&name[..3])
        };
        let month = MONTHS.iter().position(is_month)?;
        let month = i8::try_from(month + 1).ok()?;
        let (hour, minute, second) = clock(self.time)?;
        let offset = offset(self.zone)?;
        // A leap second is the first second of the next minute. Any other reading would be early.
        let leap = SignedDuration::from_secs(i64::from(second == 60));
        let date = |year| DateTime::new(year, month, day, hour, minute, second.min(59), 0).ok();
        let date = match self.year.len() {
            2 => of_century(number(self.year, 2..=2)?, date, now)?,
            _ => date(number(self.year, 4..=4)?)?,
        };
        // jiff's timestamps end a day before its calendar does.
        let since_epoch =
            date.duration_since(EPOCH) + leap - SignedDuration::from_secs(offset.seconds().into());
        // A date before the epoch has passed in any case.
        UNIX_EPOCH.checked_add(since_epoch.try_into().unwrap_or_default())
    }
}

/// Completes a year of two digits.
///
/// A date that appears to be more than 50 years in the future means the most recent year in the past with the same two
/// digits (RFC 9110 section 5.6.7).
fn of_century(digits: i16, date: impl Fn(i16) -> Option<DateTime>, now: SystemTime) -> Option<DateTime> {
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now =
        i64::try_from(since_epoch.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let today = Offset::UTC.to_datetime(now.unwrap_or(Timestamp::MAX));
    let year = today.year() + (digits - today.year()).rem_euclid(100);
    let in_fifty_years = today.checked_add(Span::new().years(50)).unwrap_or(today);
    // The 29th of February may not exist in the later year.
    match date(year).filter(|date| *date <= in_fifty_years) {
        Some(date) => Some(date),
        None => date(year - 100),
    }
}

/// Parses `08:49:37`. The seconds may be missing (RFC 5322 section 3.3).
fn clock(text: &str) -> Option<(i8, i8, i8)> {
    let mut parts = text.split(':');
    let (hour, minute) = (number(parts.next()?, 1..=2)?, number(parts.next()?, 2..=2)?);
    let second = parts.next().map_or(Some(0), |second| number(second, 2..=2))?;
    (parts.next().is_none() && second <= 60).then_some((hour, minute, second))
}

/// Returns the offset of a zone (RFC 5322 sections 3.3 and 4.3).
fn offset(zone: &str) -> Option<Offset> {
    let hours = match zone.to_ascii_uppercase().as_str() {
        "GMT" | "UT" | "UTC" | "Z" => 0,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => return numeric_offset(zone),
    };
    Offset::from_hours(hours).ok()
}

/// Parses `+0130` or `-08:00`.
fn numeric_offset(zone: &str) -> Option<Offset> {
    let (sign, digits) = match zone.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, zone.strip_prefix('+')?),
    };
    let digits = digits.replacen(':', "", 1);
    let number: i32 = number(&digits, 4..=4)?;
    Offset::from_seconds(sign * (number / 100 * 3_600 + number % 100 * 60)).ok()
}

/// Parses a number of this many digits.
fn number<N: str::FromStr>(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<N> {
    (digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

/// Removes a comment from the end, as in `+0000 (UTC)`.
fn without_comment(text: &str) -> &str {
    let text = text.trim_end_matches([' ', '\t']);
    match text.rsplit_once(" (") {
        Some((date, comment)) if comment.ends_with(')') => date,
        _ => text,
    }
}

const EPOCH: DateTime = datetime(1970, 1, 1, 0, 0, 0, 0);
/// The most fields of a date: weekday, day, month, year, time and zone.
const MAX_FIELDS: usize = 6;

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

#[cfg(test)]
mod tests;
