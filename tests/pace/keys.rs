//! Whose state: requests with the same key share a limit, and others do not.

use http::header::AUTHORIZATION;
use http::{HeaderName, Request};
use tokio::time::Instant;
use tower::Layer;
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{Pace, RequestHead, RetryLayer};

use super::SECOND;
use crate::support::upstream::Upstream;
use crate::support::{Sent, eventually, stop};

/// The server stops requests like the first for a second; how long the second is held, in milliseconds.
async fn held(pace: Pace, first: Sent, second: Sent) -> u128 {
    let pace = SharedPace::from(pace);
    stop(&pace, || first.clone(), 1).await;
    let start = Instant::now();
    let client = RetryLayer::default().pace(pace).layer(Upstream::statuses([200]));
    eventually(client.oneshot(second)).await.unwrap();
    start.elapsed().as_millis()
}

fn request(uri: &str, lines: &[(&str, &str)]) -> Sent {
    let mut request = Request::get(uri);
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    request.body(http_body_util::Full::default()).unwrap()
}

const SHARED: u128 = SECOND.as_millis();
const APART: u128 = 0;

#[tokio::test(start_paused = true)]
async fn servers_are_told_apart_by_their_authority() {
    let check = async |first, second, expected| {
        let held = held(Pace::per_authority(), request(first, &[]), request(second, &[])).await;
        assert_eq!(held, expected, "{first} and {second}");
    };
    check("http://api.example/a", "http://api.example/b?c", SHARED).await;
    check("http://api.example/", "http://API.Example/", SHARED).await;
    check("http://api.example/", "http://other.example/", APART).await;
    check("http://api.example:1/", "http://api.example:2/", APART).await;
    check("/a", "/b", SHARED).await;
    check("/", "http://api.example/", APART).await;
}

/// An origin-form request says in `Host` whom it is for.
#[tokio::test(start_paused = true)]
async fn a_host_header_is_an_authority() {
    let host = |host| request("/", &[("host", host)]);
    assert_eq!(held(Pace::per_authority(), host("a.example"), host("a.example")).await, SHARED);
    assert_eq!(held(Pace::per_authority(), host("a.example"), host("b.example")).await, APART);
}

#[tokio::test(start_paused = true)]
async fn accounts_are_told_apart_by_their_header() {
    let check = async |first: &[_], second: &[_], expected| {
        let uri = "http://api.example/";
        let pace = Pace::per_header(AUTHORIZATION);
        let held = held(pace, request(uri, first), request(uri, second)).await;
        assert_eq!(held, expected, "{first:?} and {second:?}");
    };
    let (ours, theirs) = (("authorization", "Bearer ours"), ("authorization", "Bearer theirs"));
    check(&[ours], &[ours], SHARED).await;
    check(&[ours], &[theirs], APART).await;
    check(&[ours], &[], APART).await;
    check(&[], &[], SHARED).await;
    check(&[ours], &[ours, ("x-other", "1")], SHARED).await;
}

/// A credential is in whichever of the usual headers the API reads it, and two credentials share nothing.
#[tokio::test(start_paused = true)]
async fn credentials_are_told_apart_by_their_header_and_value() {
    let check = async |first: &[_], second: &[_], expected| {
        let uri = "http://api.example/";
        let held = held(Pace::per_credential(), request(uri, first), request(uri, second)).await;
        assert_eq!(held, expected, "{first:?} and {second:?}");
    };
    for name in ["authorization", "x-api-key", "api-key", "x-goog-api-key"] {
        check(&[(name, "ours")], &[(name, "ours")], SHARED).await;
        check(&[(name, "ours")], &[(name, "theirs")], APART).await;
        check(&[(name, "ours")], &[], APART).await;
    }
    check(&[("x-api-key", "ours")], &[("api-key", "ours")], APART).await;
    check(&[("x-tenant", "a")], &[("x-tenant", "b")], SHARED).await;
}

/// The same account of another server is another.
#[tokio::test(start_paused = true)]
async fn an_account_is_that_of_a_server() {
    let key = [("x-api-key", "ours")];
    let pace = || Pace::per_header(HeaderName::from_static("x-api-key"));
    let (a, b) = ("http://a.example/", "http://b.example/");
    assert_eq!(held(pace(), request(a, &key), request(a, &key)).await, SHARED);
    assert_eq!(held(pace(), request(a, &key), request(b, &key)).await, APART);
}

/// By whatever the user wants.
#[tokio::test(start_paused = true)]
async fn a_key_may_be_anything_that_can_be_seen_of_a_request() {
    let tenant = || Pace::per(|head: &RequestHead<'_>| head.path().split('/').nth(1).map(str::to_owned));
    let get = |path| request(path, &[]);
    assert_eq!(held(tenant(), get("http://a.example/x/1"), get("http://b.example/x/2")).await, SHARED);
    assert_eq!(held(tenant(), get("http://a.example/x/1"), get("http://a.example/y/1")).await, APART);
}
