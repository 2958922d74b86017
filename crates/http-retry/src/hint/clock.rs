//! The time until a date, by the server's clock.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

use super::{date, trim, whole_millis};

/// Returns the time until `time`, and zero if that has passed.
///
/// The server computed `time` by its own clock, so the response's `Date` outranks `now`.
pub(super) fn until(time: SystemTime, headers: &HeaderMap, now: SystemTime) -> Duration {
    let server_now = headers.get(header::DATE).and_then(|value| date::parse(trim(value.as_bytes()), now));
    let delay = time.duration_since(server_now.unwrap_or(now)).unwrap_or(Duration::ZERO);
    whole_millis(delay.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_767_225_600);

    #[track_caller]
    fn check(ahead: Duration, date: Option<&str>, expected_ms: u64) {
        let now = SystemTime::UNIX_EPOCH + NOW;
        let headers = date.map(|date| (header::DATE, date.parse().unwrap()));
        let delay = until(now + ahead, &headers.into_iter().collect(), now);
        assert_eq!(delay, Duration::from_millis(expected_ms), "{ahead:?} {date:?}");
    }

    #[test]
    fn the_servers_clock_outranks_ours() {
        let ahead = Duration::from_secs(30);
        check(ahead, None, 30_000);
        check(ahead, Some("Thu, 01 Jan 2026 00:00:25 GMT"), 5_000);
        check(ahead, Some("Wed, 31 Dec 2025 23:00:30 GMT"), 3_600_000);
        check(ahead, Some("yesterday"), 30_000);
    }

    #[test]
    fn the_time_until_a_past_date_is_zero() {
        check(Duration::from_secs(30), Some("Thu, 01 Jan 2026 00:01:00 GMT"), 0);
    }

    #[test]
    fn a_part_of_a_millisecond_is_rounded_up() {
        check(Duration::from_nanos(1), None, 1);
        check(Duration::from_nanos(1_000_001), None, 2);
        check(Duration::from_millis(1), None, 1);
    }
}
