//! An `Idempotency-Key` for a request that has none.

use http::{HeaderName, HeaderValue, Method, Request};

/// Gives a POST or a PATCH a key, unless it has one of whatever form. It is in the head that all attempts are made
/// from, and so is the same for each.
pub(crate) fn mint<B>(request: &mut Request<B>) {
    let is_meant = matches!(*request.method(), Method::POST | Method::PATCH);
    if is_meant && !request.headers().contains_key(&IDEMPOTENCY_KEY) {
        request.headers_mut().insert(IDEMPOTENCY_KEY, of(rand::random()));
    }
}

/// A UUID of version 4 (RFC 9562 section 5.4) as a structured-field string
/// (draft-ietf-httpapi-idempotency-key-header-06 section 2).
fn of(random: u128) -> HeaderValue {
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
    HeaderValue::try_from(text).expect("digits, dashes and quotes")
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[track_caller]
    fn check(random: u128, expected: &str) {
        assert_eq!(of(random), expected);
    }

    #[test]
    fn a_key_is_a_uuid_in_quotes() {
        check(0, "\"00000000-0000-4000-8000-000000000000\"");
        check(u128::MAX, "\"ffffffff-ffff-4fff-bfff-ffffffffffff\"");
        check(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef, "\"01234567-89ab-4def-8123-456789abcdef\"");
    }

    #[test]
    fn no_two_requests_have_the_same() {
        let key = || {
            let mut request = Request::post("/").body(()).unwrap();
            mint(&mut request);
            request.headers()["idempotency-key"].clone()
        };
        assert_eq!((0..1_000).map(|_| key().as_bytes().to_vec()).collect::<BTreeSet<_>>().len(), 1_000);
    }

    #[test]
    fn only_what_needs_one_and_has_none_gets_one() {
        for (method, given, is_minted) in [
            ("POST", None, true),
            ("PATCH", None, true),
            ("GET", None, false),
            ("PUT", None, false),
            ("POST", Some("\"mine\""), false),
            ("POST", Some(""), false),
        ] {
            let mut request = Request::builder().method(method).body(()).unwrap();
            request.headers_mut().extend(given.map(|key| (IDEMPOTENCY_KEY, HeaderValue::from_static(key))));
            mint(&mut request);
            let key = request.headers().get(&IDEMPOTENCY_KEY).map(|key| key.to_str().unwrap());
            assert_eq!(key.is_some_and(|key| key.len() == 38), is_minted, "{method} {given:?}");
            assert!(is_minted || key == given, "{method} {given:?}");
        }
    }
}
