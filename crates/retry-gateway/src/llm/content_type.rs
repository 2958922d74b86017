//! The content type of a body that the gateway can read.

use http::{HeaderMap, header};

/// The content type of a body that the gateway reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentType {
    Json,
    EventStream,
    /// The frames of AWS.
    AmazonEventStream,
}

impl ContentType {
    /// Returns the content type of a body with these headers, or `None` if it is another one.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::CONTENT_TYPE)?;
        // Most servers and clients write it so.
        if value == "application/json" {
            return Some(Self::Json);
        }
        Self::parse(value.to_str().ok()?)
    }

    fn parse(value: &str) -> Option<Self> {
        // Parameters may follow.
        let kind = value.split(';').next().unwrap_or_default().trim();
        let suffix = kind.len().checked_sub(5).and_then(|at| kind.get(at..));
        if kind.eq_ignore_ascii_case("text/event-stream") {
            Some(Self::EventStream)
        } else if kind.eq_ignore_ascii_case("application/vnd.amazon.eventstream") {
            Some(Self::AmazonEventStream)
        } else if kind.eq_ignore_ascii_case("application/json")
            || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json"))
        {
            Some(Self::Json)
        } else {
            None
        }
    }
}

/// Returns true if a value of `Content-Type` is that of JSON.
pub(crate) fn is_json_type(value: &[u8]) -> bool {
    value == b"application/json"
        || str::from_utf8(value).ok().and_then(ContentType::parse) == Some(ContentType::Json)
}

/// Returns true for JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    ContentType::of(headers) == Some(ContentType::Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks whether a body counts as JSON and as an event stream.
    #[track_caller]
    fn check(kind: &str, expected: (bool, bool)) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        assert_eq!(
            (is_json(&headers), ContentType::of(&headers) == Some(ContentType::EventStream)),
            expected,
            "{kind}"
        );
    }

    #[test]
    fn a_body_has_the_type_that_its_header_names() {
        check("application/json", (true, false));
        check("Application/JSON; charset=utf-8", (true, false));
        check("application/problem+json", (true, false));
        check("text/event-stream; charset=utf-8", (false, true));
        for other in ["", "json", "+jso", "text/html", "application/jsonl", "ü+json", "text/event-streams"] {
            check(other, (false, false));
        }
        assert!(ContentType::of(&HeaderMap::new()).is_none());
    }
}
