//! What headers ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, Response, StatusCode};
use http_retry::{ResponseHead, RetryHint};
use serde::Deserialize;

use super::{Headers, append, check_exceptions, header_map};

const DATA: &str = include_str!("../data/retry_after_cases.json");

/// Rows, all of them contested, to which our answer is another than the one recommended.
#[rustfmt::skip]
const DEPARTURES: &[(&str, &str)] = &[
    ("num-bad-45", "an empty member of a list means nothing (RFC 9110 section 5.6.1)"),
    ("num-bad-46", "an empty member of a list means nothing (RFC 9110 section 5.6.1)"),
    ("num-bad-51", "of several values the longest counts"),
    ("dup-sec-date", "of several values the longest counts"),
    ("date-bad-weekday-name", "the weekday adds nothing"),
    ("date-zone-est", "a zone of the Internet Message Format"),
    ("date-zone-offset", "a zone of the Internet Message Format"),
    ("date-lower-gmt", "a zone has no case (RFC 5322)"),
    ("date-double-space", "white space of the Internet Message Format"),
    ("date-cookie-imf", "no other date is meant"),
    ("date-850-shortday", "the weekday adds nothing"),
    ("date-iso", "servers send RFC 3339 too"),
    ("date-smithy-suffix", "of several values the longest counts"),
    ("date-unix-float", "a decimal is seconds, however large, as a whole number is"),
    ("x-ms-and-sec", "the finer unit outranks the coarser one"),
    ("gh-remaining-nonzero", "on a 429 what is left was not enough, so the reset counts"),
];

/// At least six hours: longer than anybody waits.
const SATURATED: Duration = Duration::from_secs(6 * 60 * 60);

#[derive(Deserialize)]
struct Row {
    id: String,
    headers: Headers,
    /// The lines of a header as they are on the wire, where they are not ASCII.
    #[serde(default)]
    raw_hex: BTreeMap<String, Vec<String>>,
    status: Option<u16>,
    now: String,
    expect_ms: Option<u64>,
    expect_kind: String,
    contested: bool,
}

impl Row {
    /// Whether our answer is the one that the row recommends.
    fn is_met(&self) -> bool {
        let (hint, expected) = (self.read(), self.expect_ms.map(Duration::from_millis));
        match self.expect_kind.as_str() {
            "exact" => hint == expected.map(RetryHint::After),
            "saturate" => hint.and_then(RetryHint::delay) >= Some(SATURATED),
            "stop" => hint == Some(RetryHint::Never),
            other => panic!("{}: {other}", self.id),
        }
    }

    fn read(&self) -> Option<RetryHint> {
        let mut headers = header_map(&self.headers);
        for (name, lines) in &self.raw_hex {
            headers.remove(name);
            for line in lines {
                append(&mut headers, name, &bytes(line));
            }
        }
        // What most rows leave out: they are about this status.
        read(self.status.unwrap_or(429), headers, &self.now)
    }
}

fn rows() -> Vec<Row> {
    super::rows(DATA)
}

fn read(status: u16, headers: HeaderMap, now: &str) -> Option<RetryHint> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    *response.headers_mut() = headers;
    RetryHint::read(&ResponseHead::from(&response), moment(now))
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// `2026-01-01T00:00:00Z`, by Howard Hinnant's `days_from_civil`.
pub(super) fn moment(text: &str) -> SystemTime {
    let number = |at: std::ops::Range<usize>| text[at].parse::<u64>().unwrap();
    assert!(text.len() == 20 && text.ends_with('Z'), "{text}");
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let seconds = (number(11..13) * 60 + number(14..16)) * 60 + number(17..19);
    UNIX_EPOCH + Duration::from_secs(days * 86_400 + seconds)
}

#[test]
fn every_row_is_answered_as_expected() {
    let (mut gated, mut contested) = (0, 0);
    for row in rows() {
        let departs = DEPARTURES.iter().any(|(id, _)| *id == row.id);
        assert!(row.contested || !departs, "{}", row.id);
        assert_eq!(row.is_met(), !departs, "{}: {:?}", row.id, row.read());
        *(if row.contested { &mut contested } else { &mut gated }) += 1;
    }
    assert_eq!((gated, contested), (63, 82));
}

/// The rows of what was learned later: families of headers, kinder dates and joined lines.
#[test]
fn every_later_row_is_answered_as_expected() {
    let rows: Vec<Row> = super::section(super::MORE, "hints");
    assert_eq!(rows.len(), 12);
    for row in rows {
        assert!(row.is_met() && !row.contested, "{}: {:?}", row.id, row.read());
    }
}

#[test]
fn every_exception_is_a_row() {
    let rows = rows();
    let ids: BTreeSet<_> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!((ids.len(), rows.len()), (145, 145));
    check_exceptions(DEPARTURES.iter().map(|(id, _)| *id), &ids);
}

/// Our answers where others differ, or where the RFC is silent.
#[test]
fn contested_values_are_read_as_documented() {
    const NOW: &str = "2026-01-01T00:00:00Z";
    const HALF_A_MINUTE_ON: &str = "Thu, 01 Jan 2026 00:00:30 GMT";
    for (headers, expected_ms) in [
        // Zero is a value, not the absence of one.
        (&[("retry-after", "0")][..], Some(0)),
        (&[("retry-after", "00")], Some(0)),
        // Decimals are outside the grammar, but sent; rounded up, so that never early.
        (&[("retry-after", "1.0")], Some(1_000)),
        (&[("retry-after", "0.5")], Some(500)),
        (&[("retry-after", "0.0001")], Some(1)),
        (&[("retry-after-ms", "1500.5")], Some(1_501)),
        // Half of the parsers read a unit's number as seconds; no hint is safer than a wrong one.
        (&[("retry-after", ".5")], None),
        (&[("retry-after", "5.")], None),
        (&[("retry-after", "1e3")], None),
        (&[("retry-after", "-0")], None),
        (&[("retry-after", "2m")], None),
        (&[("retry-after", "1500ms")], None),
        (&[("retry-after-ms", "500ms")], None),
        (&[("retry-after", "1 2")], None),
        (&[("retry-after", "5,")], Some(5_000)),
        (&[("retry-after", ",")], None),
        // "Now" in one header does not hide "later" in another.
        (&[("retry-after-ms", "0"), ("retry-after", "30")], Some(30_000)),
        // Of several values the longest counts.
        (&[("retry-after", "2, 3")], Some(3_000)),
        (&[("retry-after", "7"), ("retry-after", "7")], Some(7_000)),
        (&[("retry-after", "5"), ("retry-after", HALF_A_MINUTE_ON)], Some(30_000)),
        (&[("retry-after", "45"), ("retry-after", HALF_A_MINUTE_ON)], Some(45_000)),
        (&[("retry-after", "garbage"), ("retry-after", "3")], Some(3_000)),
        // The finer unit outranks the coarser one.
        (&[("retry-after-ms", "500"), ("retry-after", "2")], Some(500)),
        (&[("x-ms-retry-after-ms", "500"), ("retry-after", "800")], Some(500)),
        // A moment in the past means now.
        (&[("retry-after", "Wed, 31 Dec 2025 23:59:00 GMT")], Some(0)),
        (&[("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")], Some(0)),
        // The clock that set the date is the one to read it by, whatever ours says.
        (&[("retry-after", HALF_A_MINUTE_ON), ("date", "Thu, 01 Jan 2026 00:00:25 GMT")], Some(5_000)),
        (&[("retry-after", HALF_A_MINUTE_ON), ("date", "Wed, 31 Dec 2025 23:00:30 GMT")], Some(3_600_000)),
        (&[("retry-after", HALF_A_MINUTE_ON), ("date", "garbage")], Some(30_000)),
        // Kinder than RFC 9110 section 5.6.7, but a zone that is not known is none.
        (&[("retry-after", "2026-01-01T00:00:30.000Z")], Some(30_000)),
        (&[("retry-after", "Wed, 31 Dec 2025 19:00:30 EST")], Some(30_000)),
        (&[("retry-after", "Thu, 01 Jan 2026 00:00:30 gmt")], Some(30_000)),
        (&[("retry-after", "Thu, 01 Jan 2026 00:00:30 CET")], None),
        // An epoch is not told from seconds, and so is too long for anybody to wait.
        (&[("retry-after", "1767225630")], Some(1_767_225_630_000)),
        // But where headers are known to hold one, it is; in ms too.
        (&[("ratelimit-reset", "1767225603")], Some(3_000)),
        (&[("x-ratelimit-reset", "1767225642000")], Some(42_000)),
        // And where the name says that it is a delay, it is none.
        (&[("x-ratelimit-retry-after", "1704067200")], Some(1_704_067_200_000)),
        // A quota that is back already is not what the request was refused for.
        (&[("ratelimit-reset", "1704067200")], None),
        (&[("x-ratelimit-remaining-tokens", "-1"), ("x-ratelimit-reset-tokens", "0")], None),
        // On a 429 what is left was not enough; but a structured field says itself whether it counts.
        (&[("x-ratelimit-remaining", "10"), ("x-ratelimit-reset", "1767225660")], Some(60_000)),
        (&[("ratelimit", "\"default\";r=50;t=30")], None),
        // Without a time of its own, a quota is back after its window at the latest.
        (&[("ratelimit", "\"default\";r=0"), ("ratelimit-policy", "\"default\";q=9;w=60")], Some(60_000)),
        // What a server says of this answer outranks what it says of quotas, longer or not.
        (&[("retry-after", "1"), ("ratelimit-reset", "5")], Some(1_000)),
    ] {
        let mut map = HeaderMap::new();
        for (name, line) in headers {
            append(&mut map, name, line.as_bytes());
        }
        let expected = expected_ms.map(Duration::from_millis).map(RetryHint::After);
        assert_eq!(read(429, map, NOW), expected, "{headers:?}");
    }
}
