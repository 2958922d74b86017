mod properties;

use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::*;

/// A response with hints.
#[derive(Debug)]
pub(super) struct HintedResponse(Response<()>);

impl HintedResponse {
    pub(super) fn new(status: u16) -> Self {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Self(response)
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).unwrap();
        self.0.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    /// Returns the hint and its header, read at the beginning of 2026.
    pub(super) fn hint(&self) -> Option<(RetryHint, &'static str)> {
        RetryHint::read_with_header(&ResponseHead::from(&self.0), SystemTime::UNIX_EPOCH + NEW_YEAR)
    }

    /// Returns the time until the used-up quotas reset, read at the beginning of 2026.
    fn window(&self) -> Option<Duration> {
        window(&ResponseHead::from(&self.0), SystemTime::UNIX_EPOCH + NEW_YEAR)
    }

    pub(super) fn refill(&self) -> Option<Refill> {
        refill(&ResponseHead::from(&self.0))
    }
}

/// The beginning of 2026.
const NEW_YEAR: Duration = Duration::from_secs(1_767_225_600);

impl Default for HintedResponse {
    fn default() -> Self {
        Self::new(429)
    }
}

/// Asserts that the hint is this delay from this header, or that there is no hint.
#[track_caller]
pub(super) fn check(response: HintedResponse, name: &'static str, expected_ms: impl Into<Option<u64>>) {
    let expected = expected_ms.into().map(|millis| (RetryHint::After(Duration::from_millis(millis)), name));
    assert_eq!(response.hint(), expected, "{response:?}");
}

/// Header names and their values.
type HeaderPairs = &'static [(&'static str, &'static str)];

/// Every header with a hint in the order of [`HEADERS`], its delay in milliseconds, and the lines that it needs.
const RANKS: &[(&str, u64, HeaderPairs)] = &[
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
        let response =
            headers.fold(HintedResponse::default(), |response, (name, value)| response.with(name, value));
        check(response, name, expected_ms);
    }
}

#[test]
fn a_malformed_header_is_passed_over() {
    for (name, expected_ms, headers) in &RANKS[1..] {
        let malformed = HEADERS[1..].iter().filter(|(other, _)| !other.contains('*') && other != name);
        let response =
            malformed.fold(HintedResponse::default(), |response, (other, _)| response.with(other, "!!!"));
        let response = headers.iter().fold(response, |response, (name, value)| response.with(name, value));
        check(response, name, *expected_ms);
    }
}

#[test]
fn a_malformed_pushback_outranks_all_others() {
    let response = HintedResponse::default().with(PUSHBACK, "soon").with("retry-after", "1");
    assert_eq!(response.hint(), Some((RetryHint::Never, PUSHBACK)));
}

#[test]
fn each_name_has_the_index_of_its_pattern_and_others_have_none() {
    for (expected, (pattern, _)) in HEADERS.iter().enumerate() {
        assert_eq!(index(pattern), Some(expected), "{pattern}");
        assert_eq!(index(&pattern.replace('*', "output-tokens")), Some(expected), "{pattern}");
        assert_eq!(index(&format!("{pattern}s")), None, "{pattern}");
    }
    for name in ["", "date", "server", "age", "x-request-id", "anthropic-ratelimit-requests", "retry-after-s"]
    {
        assert_eq!(index(name), None, "{name}");
    }
}

#[test]
fn a_response_without_such_a_header_has_no_hint() {
    for status in [200, 403, 429, 503] {
        assert_eq!(HintedResponse::new(status).with("date", "Thu, 01 Jan 2026 00:00:00 GMT").hint(), None);
    }
}

/// Asserts that the used-up quotas reset after this time, whatever the status.
#[track_caller]
fn check_window(lines: HeaderPairs, expected_ms: impl Into<Option<u64>>) {
    let expected = expected_ms.into().map(Duration::from_millis);
    for status in [200, 404, 429] {
        let response = lines
            .iter()
            .fold(HintedResponse::new(status), |response, (name, value)| response.with(name, value));
        assert_eq!(response.window(), expected, "{response:?}");
    }
}

#[test]
fn only_quotas_have_windows() {
    for (name, expected_ms, lines) in RANKS {
        let is_window = name.starts_with("ratelimit") || name.contains("-reset");
        let response =
            lines.iter().fold(HintedResponse::new(200), |response, (name, value)| response.with(name, value));
        let response = response.with("ratelimit-remaining", "0").with("x-ratelimit-remaining", "0");
        let expected = is_window.then_some(Duration::from_millis(*expected_ms));
        assert_eq!(response.window(), expected, "{response:?}");
    }
}

#[test]
fn the_longest_of_several_windows_counts() {
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

/// The next request does not have to wait until such a quota is full.
#[test]
fn a_quota_that_refills_continuously_is_a_window_only_if_its_size_is_unknown() {
    const REMAINING: (&str, &str) = ("x-ratelimit-remaining-requests", "0");
    const RESET: (&str, &str) = ("x-ratelimit-reset-requests", "9s");
    check_window(&[REMAINING, RESET], 9_000);
    check_window(&[REMAINING, RESET, ("x-ratelimit-limit-requests", "60")], None);
    check_window(&[REMAINING, RESET, ("x-ratelimit-limit-requests", "many")], 9_000);
    check_window(
        &[REMAINING, RESET, ("x-ratelimit-limit-requests", "60"), ("ratelimit", "a;r=0;t=2")],
        2_000,
    );
}
