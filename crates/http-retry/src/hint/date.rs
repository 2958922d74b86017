//! HTTP-dates in their three forms (RFC 9110 section 5.6.7).

use std::str;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Parses an HTTP-date. `now` decides the century of a year with two digits.
pub(super) fn parse(value: &[u8], now: SystemTime) -> Option<SystemTime> {
    let text = str::from_utf8(value).ok()?;
    match with_full_year(text, now) {
        Some(full) => httpdate::parse_http_date(&full).ok(),
        None => httpdate::parse_http_date(text).ok(),
    }
}

/// Rewrites `Sunday, 06-Nov-94 08:49:37 GMT` as `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// A date that appears to be more than 50 years in the future means the most recent year in the past with the same two
/// digits (RFC 9110 section 5.6.7). `httpdate` always splits the centuries at 1970 and reads 2075 as 1975, so that a wait
/// of decades would become no wait.
fn with_full_year(text: &str, now: SystemTime) -> Option<String> {
    let (weekday, rest) = text.split_once(", ")?;
    let weekday = WEEKDAYS.contains(&weekday).then(|| &weekday[..3])?;
    let &[day, month, rest] = rest.splitn(3, '-').collect::<Vec<_>>().as_slice() else {
        return None;
    };
    let (two_digits, time) = rest.split_once(' ')?;
    if two_digits.len() != 2 {
        return None;
    }

    let (this_year, today) = year_and_date(now);
    let digits: i32 = two_digits.parse().ok()?;
    let this_day = (MONTHS.iter().position(|name| *name == month)?, day, time);
    let years_ahead = (digits - this_year).rem_euclid(100);
    let is_past = years_ahead > 50 || (years_ahead == 50 && this_day > today.as_sortable()?);
    let year = this_year + years_ahead - if is_past { 100 } else { 0 };
    Some(format!("{weekday}, {day} {month} {year:04} {time}"))
}

/// The parts of an IMF-fixdate, `Tue, 17 Mar 2026 17:37:54 GMT`.
struct ImfFixdate(String);

impl ImfFixdate {
    /// Returns the month, the day and the time, which compare in the order of a year.
    fn as_sortable(&self) -> Option<(usize, &str, &str)> {
        let month = MONTHS.iter().position(|name| *name == &self.0[8..11])?;
        Some((month, &self.0[5..7], &self.0[17..]))
    }
}

fn year_and_date(now: SystemTime) -> (i32, ImfFixdate) {
    // `httpdate` panics outside of the years 1970 to 9999.
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default().min(MAX_TIME);
    let text = httpdate::fmt_http_date(UNIX_EPOCH + since_epoch);
    (text[12..16].parse().unwrap_or(1970), ImfFixdate(text))
}

/// The last second of the year 9999.
const MAX_TIME: Duration = Duration::from_secs(253_402_300_799);

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, now: &str, expected: Option<&str>) {
        let date = |text| httpdate::parse_http_date(text).unwrap();
        assert_eq!(parse(value.as_bytes(), date(now)), expected.map(date), "{value}");
    }

    const NOW: &str = "Tue, 17 Mar 2026 17:37:54 GMT";

    #[test]
    fn the_three_forms_give_the_same_time() {
        let expected = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        check("Sun, 06 Nov 1994 08:49:37 GMT", NOW, expected);
        check("Sunday, 06-Nov-94 08:49:37 GMT", NOW, expected);
        check("Sun Nov  6 08:49:37 1994", NOW, expected);
    }

    #[test]
    fn two_digits_are_at_most_fifty_years_ahead() {
        check("Sunday, 17-Mar-75 17:37:56 GMT", NOW, Some("Sun, 17 Mar 2075 17:37:56 GMT"));
        check("Thursday, 17-Mar-77 17:37:56 GMT", NOW, Some("Thu, 17 Mar 1977 17:37:56 GMT"));
        check("Saturday, 17-Mar-68 17:37:56 GMT", NOW, Some("Sat, 17 Mar 2068 17:37:56 GMT"));
        // Fifty years to the second, and one second more.
        check("Tuesday, 17-Mar-76 17:37:54 GMT", NOW, Some("Tue, 17 Mar 2076 17:37:54 GMT"));
        check("Wednesday, 17-Mar-76 17:37:55 GMT", NOW, Some("Wed, 17 Mar 1976 17:37:55 GMT"));
    }

    #[test]
    fn a_clock_outside_of_the_calendar_does_not_panic() {
        let value = b"Sunday, 06-Nov-94 08:49:37 GMT";
        for now in [UNIX_EPOCH - Duration::from_secs(1), UNIX_EPOCH + Duration::from_secs(1 << 40)] {
            let _ = parse(value, now);
        }
    }

    #[test]
    fn other_forms_are_no_date() {
        for value in [
            "",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Monday, 06-Nov-94 08:49:37 GMT",
            "Sunday, 06-Nov-94",
            "Sunday, 06-Nov",
            "Sunday, ",
            "Sunday, 6-N\u{f6}v-94 08:49:37 GMT",
            "Fri, 32 Dec 1999 23:59:59 GMT",
            "Fri, 29 Sep 100000 16:26:57 GMT",
        ] {
            check(value, NOW, None);
        }
    }
}
