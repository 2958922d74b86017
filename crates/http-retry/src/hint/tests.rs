mod properties;

use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::*;

/// A response that asks for time.
#[derive(Debug)]
pub(super) struct Answer(Response<()>);

impl Answer {
    pub(super) fn of(status: u16) -> Self {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Self(response)
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).unwrap();
        self.0.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    /// What it asks for at the beginning of 2026.
    pub(super) fn hint(&self) -> Option<(RetryHint, &'static str)> {
        RetryHint::read_with_header(&ResponseHead::from(&self.0), SystemTime::UNIX_EPOCH + NEW_YEAR)
    }

    /// How long nothing is left of a quota, at that time.
    fn window(&self) -> Option<Duration> {
        window(&ResponseHead::from(&self.0), SystemTime::UNIX_EPOCH + NEW_YEAR)
    }

    pub(super) fn refill(&self) -> Option<Refill> {
        refill(&ResponseHead::from(&self.0))
    }
}

/// The beginning of 2026.
const NEW_YEAR: Duration = Duration::from_secs(1_767_225_600);

impl Default for Answer {
    fn default() -> Self {
        Self::of(429)
    }
}

/// Asserts that the header of this name asks for this delay, or that none asks for any.
#[track_caller]
pub(super) fn check(answer: Answer, name: &'static str, expected_ms: impl Into<Option<u64>>) {
    let expected = expected_ms.into().map(|millis| (RetryHint::After(Duration::from_millis(millis)), name));
    assert_eq!(answer.hint(), expected, "{answer:?}");
}

/// Header names and their values.
type Lines = &'static [(&'static str, &'static str)];

/// Every header that speaks, the one that outranks the others first, with what it says and what it needs.
const RANKS: &[(&str, u64, Lines)] = &[
    (PUSHBACK, 1, &[(PUSHBACK, "1")]),
    // A `RetryInfo` of 7 s.
    #[cfg(feature = "grpc")]
    (
        DETAILS,
        7_000,
        &[
            (DETAILS, "GjAKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SBAoCCAc="),
            ("grpc-status", "8"),
        ],
    ),
    ("retry-after-ms", 2, &[("retry-after-ms", "2")]),
    ("x-ms-retry-after-ms", 3, &[("x-ms-retry-after-ms", "3")]),
    ("x-amz-retry-after", 4, &[("x-amz-retry-after", "4")]),
    ("retry-after", 5_000, &[("retry-after", "5")]),
    ("ratelimit", 6_000, &[("ratelimit", r#""a";r=0;t=6"#)]),
    ("ratelimit-reset", 7_000, &[("ratelimit-reset", "7")]),
    ("x-ratelimit-reset", 8_000, &[("x-ratelimit-reset", "8")]),
    (
        "x-ratelimit-reset-requests",
        9_000,
        &[("x-ratelimit-reset-requests", "9s"), ("x-ratelimit-remaining-requests", "0")],
    ),
    (
        "x-ratelimit-reset-tokens",
        8_000,
        &[("x-ratelimit-reset-tokens", "8s"), ("x-ratelimit-remaining-tokens", "0")],
    ),
    (
        "anthropic-ratelimit-*-reset",
        11_000,
        &[
            ("anthropic-ratelimit-tokens-reset", "2026-01-01T00:00:11Z"),
            ("anthropic-ratelimit-tokens-remaining", "0"),
        ],
    ),
    ("x-ratelimit-retry-after", 12_000, &[("x-ratelimit-retry-after", "12")]),
];

#[test]
fn every_header_outranks_those_after_it() {
    let names: Vec<_> = RANKS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, HEADERS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for first in 0..RANKS.len() {
        let (name, expected_ms, _) = RANKS[first];
        let headers = RANKS[first..].iter().flat_map(|(.., headers)| *headers);
        let answer = headers.fold(Answer::default(), |answer, (name, value)| answer.with(name, value));
        check(answer, name, expected_ms);
    }
}

#[test]
fn a_header_that_cannot_be_read_leaves_it_to_those_after_it() {
    for (name, expected_ms, headers) in &RANKS[1..] {
        let malformed = HEADERS[1..].iter().filter(|(other, _)| !other.contains('*') && other != name);
        let answer = malformed.fold(Answer::default(), |answer, (other, _)| answer.with(other, "!!!"));
        let answer = headers.iter().fold(answer, |answer, (name, value)| answer.with(name, value));
        check(answer, name, *expected_ms);
    }
}

#[test]
fn pushback_that_cannot_be_read_outranks_all_the_same() {
    let answer = Answer::default().with(PUSHBACK, "soon").with("retry-after", "1");
    assert_eq!(answer.hint(), Some((RetryHint::Never, PUSHBACK)));
}

#[test]
fn each_name_has_the_place_of_what_it_fits_and_others_have_none() {
    for (expected, (pattern, _)) in HEADERS.iter().enumerate() {
        assert_eq!(place(pattern), Some(expected), "{pattern}");
        assert_eq!(place(&pattern.replace('*', "output-tokens")), Some(expected), "{pattern}");
        assert_eq!(place(&format!("{pattern}s")), None, "{pattern}");
    }
    for name in ["", "date", "server", "age", "x-request-id", "anthropic-ratelimit-requests", "retry-after-s"]
    {
        assert_eq!(place(name), None, "{name}");
    }
}

#[test]
fn without_any_there_is_no_hint() {
    for status in [200, 403, 429, 503] {
        assert_eq!(Answer::of(status).with("date", "Thu, 01 Jan 2026 00:00:00 GMT").hint(), None);
    }
}

/// How long nothing is left of a quota, whatever the status says.
#[track_caller]
fn check_window(lines: Lines, expected_ms: impl Into<Option<u64>>) {
    let expected = expected_ms.into().map(Duration::from_millis);
    for status in [200, 404, 429] {
        let answer = lines.iter().fold(Answer::of(status), |answer, (name, value)| answer.with(name, value));
        assert_eq!(answer.window(), expected, "{answer:?}");
    }
}

#[test]
fn the_windows_are_those_of_quotas_and_no_other_hints() {
    for (name, expected_ms, lines) in RANKS {
        let is_window = name.starts_with("ratelimit") || name.contains("-reset");
        let answer = lines.iter().fold(Answer::of(200), |answer, (name, value)| answer.with(name, value));
        let answer = answer.with("ratelimit-remaining", "0").with("x-ratelimit-remaining", "0");
        let expected = is_window.then_some(Duration::from_millis(*expected_ms));
        assert_eq!(answer.window(), expected, "{answer:?}");
    }
}

#[test]
fn of_several_windows_the_longest_counts() {
    check_window(
        &[("ratelimit", "a;r=0;t=6"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "7")],
        7_000,
    );
    check_window(
        &[("ratelimit", "a;r=0;t=8"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "7")],
        8_000,
    );
    check_window(
        &[("ratelimit", "a;r=1;t=8"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "7")],
        7_000,
    );
    check_window(&[("ratelimit", "a;r=1;t=8"), ("retry-after", "7")], None);
    check_window(&[], None);
}

/// It need not be full for the next request.
#[test]
fn a_quota_that_fills_all_the_time_is_a_window_only_where_its_size_is_unknown() {
    const LEFT: (&str, &str) = ("x-ratelimit-remaining-requests", "0");
    const RESET: (&str, &str) = ("x-ratelimit-reset-requests", "9s");
    check_window(&[LEFT, RESET], 9_000);
    check_window(&[LEFT, RESET, ("x-ratelimit-limit-requests", "60")], None);
    check_window(&[LEFT, RESET, ("x-ratelimit-limit-requests", "many")], 9_000);
    check_window(&[LEFT, RESET, ("x-ratelimit-limit-requests", "60"), ("ratelimit", "a;r=0;t=2")], 2_000);
}
