use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

fn kept(headers: &[(String, Vec<u8>, bool)]) -> (request::Parts, HeadSnapshot) {
    let request = Request::put("http://host.example:81/a?b").version(Version::HTTP_2).extension(7_u8);
    let mut request = request.body(()).unwrap();
    for (name, value, is_sensitive) in headers {
        let mut value = HeaderValue::from_bytes(value).unwrap();
        value.set_sensitive(*is_sensitive);
        request.headers_mut().append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }
    let kept = HeadSnapshot::of(&request);
    (request.into_parts().0, kept)
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,3}", Just("cookie".to_owned())]
}

proptest! {
    /// Names of either kind, values of any bytes and longer than is guessed, in any order, and often more than once.
    #[test]
    fn what_is_restored_is_what_was_kept(
        headers in prop::collection::vec((name(), prop::collection::vec(0x80_u8.., 0..200), any::<bool>()), 0..40),
    ) {
        let (parts, kept) = kept(&headers);
        let restored = kept.restore();
        prop_assert_eq!(&restored.headers, &parts.headers);
        let sensitive = |parts: &request::Parts| -> Vec<_> {
            parts.headers.iter().map(|(name, value)| (name.clone(), value.is_sensitive())).collect()
        };
        prop_assert_eq!(sensitive(&restored), sensitive(&parts));
        let lines = |head: RequestHead<'_>| -> Vec<_> {
            head.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        prop_assert_eq!(lines(kept.head()), lines(RequestHead::from(&parts)));
        let (mut parts, mut kept) = (parts, kept);
        for name in ["Cookie", "a", "b"] {
            parts.headers.remove(name);
            kept.remove(name);
            prop_assert_eq!(&kept.restore().headers, &parts.headers);
        }
    }
}

#[test]
fn every_kind_of_uri_is_restored() {
    for uri in [
        "/",
        "/a",
        "/a?b=c",
        "/?b",
        "*",
        "http://a",
        "http://a/",
        "http://a?b",
        "http://u:p@a:81/b?c",
        "a:443",
        "https://[::1]:8/x%2Fy",
        "unix://a/b",
        "/a//b",
        "http://a/?",
    ] {
        let request = Request::get(uri).body(()).unwrap();
        let mut kept =
            HeadSnapshot::of(&Request::post("http://of.another/head").header("x", "1").body(()).unwrap());
        kept.replace(&request);
        assert_eq!(&kept.restore().uri, request.uri(), "{uri}");
        let (kept, whole) = (kept.head(), RequestHead::from(&request));
        assert_eq!((kept.path(), kept.authority()), (whole.path(), whole.authority()), "{uri}");
    }
}

#[test]
fn one_name_may_have_more_lines_than_a_map_has_room_for_names() {
    let (parts, kept) = kept(&vec![("x-one".to_owned(), b"1".to_vec(), false); 30_000]);
    assert_eq!(kept.restore().headers, parts.headers);
}

#[test]
fn memory_is_used_again() {
    let request = Request::get("http://host.example/a").header("x-one", "1").body(()).unwrap();
    let mut kept = HeadSnapshot::of(&request);
    let before = kept.bytes.as_ptr();
    kept.clear();
    assert!(kept.restore().headers.is_empty());
    assert_eq!(kept.head().headers().count(), 0);
    kept.replace(&request);
    assert_eq!(kept.restore().headers, *request.headers());
    assert_eq!(kept.bytes.as_ptr(), before);
}

#[test]
fn a_kept_head_tells_what_the_whole_one_does() {
    let row = |name: &str, value: &[u8]| (name.to_owned(), value.to_vec(), false);
    let (parts, kept) = kept(&[
        row("host", b"other"),
        row("x-one", b"1"),
        row("x-one", b"2"),
        row("x-opaque", b"\xff"),
        row("upgrade", b""),
    ]);
    let restored = kept.restore();
    assert_eq!((&restored.method, restored.version), (&parts.method, parts.version));
    assert_eq!((&restored.uri, restored.extensions.get()), (&parts.uri, Some(&7_u8)));
    for head in [RequestHead::from(&parts), kept.head()] {
        assert_eq!((head.method(), head.path()), (&Method::PUT, "/a"));
        assert_eq!((head.authority(), head.host()), (Some("host.example:81"), Some("host.example")));
        assert_eq!((head.header("X-One"), head.header("x-two")), (Some("1"), None));
        assert_eq!((head.header("x-opaque"), head.header("upgrade")), (None, Some("")));
        assert_eq!(head.values("x-one").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!((head.extension::<u8>(), head.is_connect_or_upgrade()), (Some(&7), true));
    }
}
