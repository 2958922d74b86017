use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

fn saved(headers: &[(String, Vec<u8>, bool)]) -> (request::Parts, HeadSnapshot) {
    let request = Request::put("http://host.example:81/a?b").version(Version::HTTP_2).extension(7_u8);
    let mut request = request.body(()).unwrap();
    for (name, value, is_sensitive) in headers {
        let mut value = HeaderValue::from_bytes(value).unwrap();
        value.set_sensitive(*is_sensitive);
        request.headers_mut().append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }
    let snapshot = HeadSnapshot::new(&request);
    (request.into_parts().0, snapshot)
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,3}", Just("cookie".to_owned())]
}

proptest! {
    /// The heads have names of either kind in any order, often more than once, and values of any bytes that are longer
    /// than the estimate.
    #[test]
    fn a_restored_head_equals_the_saved_one(
        headers in prop::collection::vec((name(), prop::collection::vec(0x80_u8.., 0..200), any::<bool>()), 0..40),
    ) {
        let (parts, snapshot) = saved(&headers);
        let restored = snapshot.restore();
        prop_assert_eq!(&restored.headers, &parts.headers);
        let sensitive = |parts: &request::Parts| -> Vec<_> {
            parts.headers.iter().map(|(name, value)| (name.clone(), value.is_sensitive())).collect()
        };
        prop_assert_eq!(sensitive(&restored), sensitive(&parts));
        let lines = |head: RequestHead<'_>| -> Vec<_> {
            head.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        prop_assert_eq!(lines(snapshot.head()), lines(RequestHead::from(&parts)));
        let (mut parts, mut snapshot) = (parts, snapshot);
        for name in ["Cookie", "a", "b"] {
            parts.headers.remove(name);
            snapshot.remove(name);
            prop_assert_eq!(&snapshot.restore().headers, &parts.headers);
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
        let mut snapshot =
            HeadSnapshot::new(&Request::post("http://of.another/head").header("x", "1").body(()).unwrap());
        snapshot.replace(&request);
        assert_eq!(&snapshot.restore().uri, request.uri(), "{uri}");
        let (snapshot, whole) = (snapshot.head(), RequestHead::from(&request));
        assert_eq!((snapshot.path(), snapshot.authority()), (whole.path(), whole.authority()), "{uri}");
    }
}

#[test]
fn one_name_may_have_more_lines_than_a_map_has_room_for_names() {
    let (parts, snapshot) = saved(&vec![("x-one".to_owned(), b"1".to_vec(), false); 30_000]);
    assert_eq!(snapshot.restore().headers, parts.headers);
}

#[test]
fn the_buffer_is_used_again() {
    let request = Request::get("http://host.example/a").header("x-one", "1").body(()).unwrap();
    let mut snapshot = HeadSnapshot::new(&request);
    let before = snapshot.bytes.as_ptr();
    snapshot.clear();
    assert!(snapshot.restore().headers.is_empty());
    assert_eq!(snapshot.head().headers().count(), 0);
    snapshot.replace(&request);
    assert_eq!(snapshot.restore().headers, *request.headers());
    assert_eq!(snapshot.bytes.as_ptr(), before);
}

#[test]
fn a_saved_head_and_its_original_answer_alike() {
    let line = |name: &str, value: &[u8]| (name.to_owned(), value.to_vec(), false);
    let (parts, snapshot) = saved(&[
        line("host", b"other"),
        line("x-one", b"1"),
        line("x-one", b"2"),
        line("x-opaque", b"\xff"),
        line("upgrade", b""),
    ]);
    let restored = snapshot.restore();
    assert_eq!((&restored.method, restored.version), (&parts.method, parts.version));
    assert_eq!((&restored.uri, restored.extensions.get()), (&parts.uri, Some(&7_u8)));
    for head in [RequestHead::from(&parts), snapshot.head()] {
        assert_eq!((head.method(), head.path()), (&Method::PUT, "/a"));
        assert_eq!((head.authority(), head.host()), (Some("host.example:81"), Some("host.example")));
        assert_eq!((head.header("X-One"), head.header("x-two")), (Some("1"), None));
        assert_eq!((head.header("x-opaque"), head.header("upgrade")), (None, Some("")));
        assert_eq!(head.values("x-one").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!((head.extension::<u8>(), head.is_connect_or_upgrade()), (Some(&7), true));
    }
}
