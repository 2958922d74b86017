//! The content type of a body that the gateway can read. A compressed body counts as unreadable, since a peer could
//! exhaust the gateway's memory with what it unpacks.

use http::{HeaderMap, header};

/// Returns true for uncompressed JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|kind| {
        let suffix = kind.len().checked_sub(5).and_then(|at| kind.get(at..));
        kind.eq_ignore_ascii_case("application/json")
            || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json"))
    })
}

/// Returns true for an uncompressed event stream.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|kind| kind.eq_ignore_ascii_case("text/event-stream"))
}

/// Returns the media type without parameters, or `None` if the body is compressed.
fn media_type(headers: &HeaderMap) -> Option<&str> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let is_plain = encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    is_plain.then(|| kind.split(';').next().unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks whether a body counts as JSON and as an event stream.
    #[track_caller]
    fn check(kind: &str, encoding: Option<&'static str>, expected: (bool, bool)) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        headers.extend(encoding.map(|value| (header::CONTENT_ENCODING, value.parse().unwrap())));
        assert_eq!((is_json(&headers), is_event_stream(&headers)), expected, "{kind} {encoding:?}");
    }

    #[test]
    fn an_uncompressed_body_has_the_type_that_its_header_names() {
        check("application/json", None, (true, false));
        check("Application/JSON; charset=utf-8", Some("identity"), (true, false));
        check("application/problem+json", None, (true, false));
        check("text/event-stream; charset=utf-8", None, (false, true));
        check("application/json", Some("gzip"), (false, false));
        check("text/event-stream", Some("br"), (false, false));
        for other in ["", "json", "+jso", "text/html", "application/jsonl", "ü+json", "text/event-streams"] {
            check(other, None, (false, false));
        }
        assert!(!is_json(&HeaderMap::new()) && !is_event_stream(&HeaderMap::new()));
    }
}
