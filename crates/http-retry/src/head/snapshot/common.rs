//! Names of headers that `http` has no numbers for, and that are met often all the same.

use http::HeaderName;

/// The name of this text, if it is one of those that are ready: any other has to be read, and takes memory of its own.
pub(super) fn name(text: &[u8]) -> Option<HeaderName> {
    COMMON.iter().find(|(common, _)| common.as_bytes() == text).map(|(_, name)| name.clone())
}

/// What proxies, tracers and browsers add, and what callers are known by.
static COMMON: [(&str, HeaderName); 18] = [
    ready("x-forwarded-for"),
    ready("x-request-id"),
    ready("traceparent"),
    ready("x-forwarded-proto"),
    ready("x-forwarded-host"),
    ready("x-real-ip"),
    ready("tracestate"),
    ready("x-api-key"),
    ready("x-correlation-id"),
    ready("idempotency-key"),
    ready("priority"),
    ready("sec-fetch-dest"),
    ready("sec-fetch-mode"),
    ready("sec-fetch-site"),
    ready("sec-ch-ua"),
    ready("sec-ch-ua-mobile"),
    ready("sec-ch-ua-platform"),
    ready("baggage"),
];

const fn ready(name: &'static str) -> (&'static str, HeaderName) {
    (name, HeaderName::from_static(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_the_name_that_is_read_of_its_text() {
        for (text, _) in &COMMON {
            assert_eq!(
                name(text.as_bytes()),
                Some(HeaderName::from_bytes(text.as_bytes()).unwrap()),
                "{text}"
            );
        }
    }

    #[test]
    fn others_are_none_of_them() {
        for text in ["", "x", "x-request-ids", "X-Request-Id", "host"] {
            assert_eq!(name(text.as_bytes()), None, "{text}");
        }
    }
}
