use std::hash::{BuildHasher, RandomState};

use http::Request;

use super::*;
use crate::HeadSnapshot;

type Lines<'a> = &'a [(&'a str, &'a str)];

#[track_caller]
fn check(first: (&str, Lines<'_>), second: (&str, Lines<'_>), is_same: bool) {
    let state = RandomState::new();
    let hash = |(uri, lines): (&str, Lines<'_>)| {
        let mut request = Request::get(uri);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let mut hasher = state.build_hasher();
        credential(&RequestHead::from(&request), &mut hasher);
        hasher.finish()
    };
    assert_eq!(hash(first) == hash(second), is_same, "{first:?} {second:?}");
}

#[test]
fn every_header_of_a_credential_counts() {
    for name in HEADERS {
        check(("/", &[(name, "a")]), ("/", &[(name, "b")]), false);
        check(("/?key=a", &[(name, "a")]), ("/?key=b", &[(name, "a")]), true);
    }
    check(("/?key=a", &[]), ("/?key=b", &[]), false);
}

#[test]
fn a_credential_is_told_apart_by_its_header_and_value_and_not_by_the_order_of_lines() {
    let uri = "http://api.example/";
    let [one, two] = [("api-key", "a"), ("authorization", "b")];
    check((uri, &[one, two]), (uri, &[two, one]), true);
    check((uri, &[("api-key", "a")]), (uri, &[("x-api-key", "a")]), false);
    check(
        (uri, &[("api-key", "a"), ("api-key", "bc")]),
        (uri, &[("api-key", "ab"), ("api-key", "c")]),
        false,
    );
    check((uri, &[]), (uri, &[("accept", "*/*")]), true);
}

#[test]
fn a_saved_head_has_the_key_of_the_request() {
    for lines in [
        &[][..],
        &[("authorization", "a"), ("accept", "*/*")],
        &[("x-goog-api-key", "a"), ("api-key", "b"), ("api-key", "c")],
    ] {
        let request = lines.iter().fold(Request::get("http://API.example/"), |request, (name, value)| {
            request.header(*name, *value)
        });
        let request = request.body(()).unwrap();
        let saved = HeadSnapshot::new(&request);
        let state = RandomState::new();
        let [first, second] = [RequestHead::from(&request), RequestHead::from(&saved)].map(|head| {
            let mut hasher = state.build_hasher();
            credential(&head, &mut hasher);
            hasher.finish()
        });
        assert_eq!(first, second, "{lines:?}");
    }
}

#[test]
fn an_authority_is_the_same_in_either_case_and_however_long() {
    check(("http://API.example/", &[]), ("http://api.EXAMPLE/a", &[]), true);
    check(("/", &[("host", "api.example")]), ("http://api.example/", &[]), true);
    let long = "a.".repeat(300);
    let (lower, upper) = (format!("http://{long}b/"), format!("http://{long}B/"));
    check((&lower, &[]), (&upper, &[]), true);
    check((&lower, &[]), (&format!("http://{long}c/"), &[]), false);
}

#[test]
fn a_user_before_an_authority_makes_no_difference() {
    for authority in ["a", "a.example", "api.example:8443", "a-long-name.api.example"] {
        let plain = format!("http://{authority}/");
        for user in ["u", "User:secret", "a@b"] {
            let given = format!("http://{user}@{authority}/");
            check((&given, &[]), (&plain, &[]), true);
            check((&given, &[]), ("http://other.example/", &[]), false);
        }
    }
    let long = format!("{}.example", "a.".repeat(300));
    check((&format!("http://u@{long}/"), &[]), (&format!("http://{long}/"), &[]), true);
}

#[test]
fn eight_bytes_at_once_are_made_lower_as_one_is() {
    for len in 0..40 {
        for first in (0..=u8::MAX).step_by(7) {
            let text: Vec<_> =
                (0..len).map(|index| first.wrapping_add(u8::wrapping_mul(index, 13))).collect();
            let mut copy = vec![0; text.len()];
            let has_at = copy_lower(&text, &mut copy);
            assert_eq!((copy, has_at), (text.to_ascii_lowercase(), text.contains(&b'@')), "{text:?}");
        }
    }
}

#[test]
fn the_end_of_a_long_credential_counts() {
    let long = "k".repeat(3_000);
    let [first, second] = ["a", "b"].map(|end| format!("{long}{end}"));
    check(("/", &[("x-api-key", &first)]), ("/", &[("x-api-key", &second)]), false);
}
