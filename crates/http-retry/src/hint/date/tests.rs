use std::time::Duration;

use super::*;

#[track_caller]
fn check(value: &str, now: &str, expected: Option<&str>) {
    let date = |text: &str| {
        UNIX_EPOCH + Duration::try_from(text.parse::<Timestamp>().unwrap().as_duration()).unwrap()
    };
    assert_eq!(parse(value.as_bytes(), date(now)), expected.map(date), "{value}");
}

const NOW: &str = "2026-03-17T17:37:54Z";

#[test]
fn the_three_forms_give_the_same_time() {
    let expected = Some("1994-11-06T08:49:37Z");
    check("Sun, 06 Nov 1994 08:49:37 GMT", NOW, expected);
    check("Sunday, 06-Nov-94 08:49:37 GMT", NOW, expected);
    check("Sun Nov  6 08:49:37 1994", NOW, expected);
}

#[test]
fn the_other_forms_of_the_message_format_give_it_too() {
    let expected = Some("1994-11-06T08:49:37Z");
    for value in [
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 +0000 (UTC)",
        "Sun, 06 Nov 1994 08:49:37 UT",
        "Sun, 06 Nov 1994 08:49:37 utc",
        "Sun, 06 Nov 1994 09:49:37 +0100",
        "Sat, 05 Nov 1994 23:19:37 -0930",
        "Sun, 06 Nov 1994 03:49:37 EST",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun,  06 Nov  1994 08:49:37 GMT",
        "Monday, 06-Nov-94 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "sun, 06 NOV 1994 8:49:37 gmt",
        "Sunday, 6 November 1994 08:49:37 GMT",
    ] {
        check(value, NOW, expected);
    }
    check("Sun, 06 Nov 1994 08:49 GMT", NOW, Some("1994-11-06T08:49:00Z"));
}

#[test]
fn a_leap_second_is_not_early() {
    check("Sat, 31 Dec 2016 23:59:60 GMT", NOW, Some("2017-01-01T00:00:00Z"));
    check("Thu, 01 Jan 2026 00:00:60 GMT", NOW, Some("2026-01-01T00:01:00Z"));
    check("Sat, 31 Dec 2016 23:59:61 GMT", NOW, None);
}

#[test]
fn two_digits_are_at_most_fifty_years_ahead() {
    check("Sunday, 17-Mar-75 17:37:56 GMT", NOW, Some("2075-03-17T17:37:56Z"));
    check("Thursday, 17-Mar-77 17:37:56 GMT", NOW, Some("1977-03-17T17:37:56Z"));
    check("Saturday, 17-Mar-68 17:37:56 GMT", NOW, Some("2068-03-17T17:37:56Z"));
    // Fifty years to the second, and one second more.
    check("Tuesday, 17-Mar-76 17:37:54 GMT", NOW, Some("2076-03-17T17:37:54Z"));
    check("Wednesday, 17-Mar-76 17:37:55 GMT", NOW, Some("1976-03-17T17:37:55Z"));
}

#[test]
fn the_calendar_has_a_last_second() {
    let last = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    assert_eq!(parse(b"Fri, 31 Dec 9999 23:59:59 GMT", UNIX_EPOCH), Some(last));
    assert!(parse(b"Fri, 31 Dec 9999 23:59:60 -2359", UNIX_EPOCH) > Some(last));
}

#[test]
fn long_ago_is_the_epoch() {
    check("Wed, 31 Dec 1969 23:59:59 GMT", NOW, Some("1970-01-01T00:00:00Z"));
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
        "Sun",
        "Sunday, ",
        "Zun, 06 Nov 1994 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94",
        "Sunday, 06-Nov",
        "Sunday, 6-N\u{f6}v-94 08:49:37 GMT",
        "Fri, 32 Dec 1999 23:59:59 GMT",
        "Sun, 29 Feb 2026 00:00:00 GMT",
        "Fri, 29 Sep 100000 16:26:57 GMT",
        "Thu, 01 Jan 26x 00:00:30 GMT",
        "Thu, 01 Jan 2026 00:00:30",
        // The offset of an unknown zone may be negative, and then its time would be early.
        "Thu, 01 Jan 2026 00:00:30 CET",
        "Thu, 01 Jan 2026 00:00:30 +9999",
        "Thu, 01 Jan 2026 24:00:30 GMT",
        "Thu, 01 Jan 2026 00:00:30 GMT \"x\"",
    ] {
        check(value, NOW, None);
    }
}
