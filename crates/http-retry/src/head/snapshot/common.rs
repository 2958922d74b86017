//! Common header names that are not among the standard names of `http`.

use http::HeaderName;

/// Returns the common name with this text. A name that is not in the table must be parsed, and allocates.
pub(super) fn name(text: &[u8]) -> Option<HeaderName> {
    COMMON.iter().find(|(common, _)| common.as_bytes() == text).map(|(_, name)| name.clone())
}

/// Names that proxies, tracers and browsers add, and names of API keys.
static COMMON: [(&str, HeaderName); 18] = [
    entry("x-forwarded-for"),
    entry("x-request-id"),
    entry("traceparent"),
    entry("x-forwarded-proto"),
    entry("x-forwarded-host"),
    entry("x-real-ip"),
    entry("tracestate"),
    entry("x-api-key"),
    entry("x-correlation-id"),
    entry("idempotency-key"),
    entry("priority"),
    entry("sec-fetch-dest"),
    entry("sec-fetch-mode"),
    entry("sec-fetch-site"),
    entry("sec-ch-ua"),
    entry("sec-ch-ua-mobile"),
    entry("sec-ch-ua-platform"),
    entry("baggage"),
];

const fn entry(name: &'static str) -> (&'static str, HeaderName) {
    (name, HeaderName::from_static(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_equals_the_name_that_is_parsed_from_its_text() {
        for (text, _) in &COMMON {
            assert_eq!(
                name(text.as_bytes()),
                Some(HeaderName::from_bytes(text.as_bytes()).unwrap()),
                "{text}"
            );
        }
    }

    #[test]
    fn other_texts_are_not_in_the_table() {
        for text in ["", "x", "x-request-ids", "X-Request-Id", "host"] {
            assert_eq!(name(text.as_bytes()), None, "{text}");
        }
    }
}
