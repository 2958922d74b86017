//! Adds an `Idempotency-Key` to requests that have none.

use http::{HeaderName, HeaderValue, Method, Request};

/// Adds a key to a POST or a PATCH, unless it has one in any form. The key becomes part of the head that all attempts
/// share, so each attempt has the same.
pub(crate) fn add_idempotency_key<B>(request: &mut Request<B>) {
    let needs_key = matches!(*request.method(), Method::POST | Method::PATCH);
    if needs_key && !request.headers().contains_key(&IDEMPOTENCY_KEY) {
        request.headers_mut().insert(IDEMPOTENCY_KEY, uuid_key(rand::random()));
    }
}

/// Returns a UUID of version 4 (RFC 9562 section 5.4) as a structured-field string
/// (draft-ietf-httpapi-idempotency-key-header-06 section 2).
fn uuid_key(random: u128) -> HeaderValue {
    let version = (random & !(0xf << 76)) | (0x4 << 76);
    let bits = (version & !(0x3 << 62)) | (0x2 << 62);
    let part = |shift: u32, width: u32| (bits >> shift) & ((1 << width) - 1);
    let text = format!(
        "\"{:08x}-{:04x}-{:04x}-{:04x}-{:012x}\"",
        part(96, 32),
        part(80, 16),
        part(64, 16),
        part(48, 16),
        part(0, 48)
    );
    HeaderValue::try_from(text).expect("a UUID in quotes is a valid header value")
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[track_caller]
    fn check(random: u128, expected: &str) {
        assert_eq!(uuid_key(random), expected);
    }

    #[test]
    fn a_key_is_a_uuid_in_quotes() {
        check(0, "\"00000000-0000-4000-8000-000000000000\"");
        check(u128::MAX, "\"ffffffff-ffff-4fff-bfff-ffffffffffff\"");
        check(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef, "\"01234567-89ab-4def-8123-456789abcdef\"");
    }

    #[test]
    fn each_request_gets_another_key() {
        let key = || {
            let mut request = Request::post("/").body(()).unwrap();
            add_idempotency_key(&mut request);
            request.headers()["idempotency-key"].clone()
        };
        assert_eq!((0..1_000).map(|_| key().as_bytes().to_vec()).collect::<BTreeSet<_>>().len(), 1_000);
    }

    #[test]
    fn only_a_post_or_patch_without_a_key_gets_one() {
        for (method, given, is_added) in [
            ("POST", None, true),
            ("PATCH", None, true),
            ("GET", None, false),
            ("PUT", None, false),
            ("POST", Some("\"mine\""), false),
            ("POST", Some(""), false),
        ] {
            let mut request = Request::builder().method(method).body(()).unwrap();
            request.headers_mut().extend(given.map(|key| (IDEMPOTENCY_KEY, HeaderValue::from_static(key))));
            add_idempotency_key(&mut request);
            let key = request.headers().get(&IDEMPOTENCY_KEY).map(|key| key.to_str().unwrap());
            assert_eq!(key.is_some_and(|key| key.len() == 38), is_added, "{method} {given:?}");
            assert!(is_added || key == given, "{method} {given:?}");
        }
    }
}
