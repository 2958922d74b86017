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
];

#[test]
fn every_header_outranks_those_after_it() {
    let names: Vec<_> = RANKS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(
        names[..names.len() - 1],
        HEADERS[..HEADERS.len() - 1].iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
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
        let malformed = HEADERS[1..].iter().filter(|(other, _)| *other != FAMILIES && other != name);
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
fn each_name_has_its_index_and_others_have_none() {
    for (expected, (name, _)) in HEADERS.iter().enumerate().filter(|(_, (name, _))| *name != FAMILIES) {
        assert_eq!(index(name), Some(expected), "{name}");
    }
    for name in
        ["x-ratelimit-reset", "anthropic-ratelimit-tokens-reset", "fastly-ratelimit-reset", "x-retry-after"]
    {
        assert_eq!(index(name), Some(HEADERS.len() - 1), "{name}");
    }
    for name in ["", "*", "date", "server", "age", "x-request-id", "retry-after-s", "retry-afters"] {
        assert_eq!(index(name).filter(|index| *index != HEADERS.len() - 1), None, "{name}");
    }
}

#[test]
fn a_response_without_such_a_header_has_no_hint() {
    for status in [200, 403, 429, 503] {
        assert_eq!(HintedResponse::new(status).with("date", "Thu, 01 Jan 2026 00:00:00 GMT").hint(), None);
    }
}
