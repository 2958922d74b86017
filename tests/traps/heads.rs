//! What the head of each attempt is: the caller's own.

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::Full;
use tower::ServiceBuilder;
use tower_http_retry::{AttemptNumber, RetryLayer};

use crate::support::server::Server;
use crate::support::upstream::Upstream;
use crate::support::{A_SECOND, Inner, QUICKLY, client, soon};

#[derive(Clone, Debug, PartialEq)]
struct Callers(u32);

#[derive(Clone, Debug, PartialEq)]
struct Leaked(u32);

/// Trap 15: each attempt has the caller's extensions, and none of an earlier attempt's.
#[tokio::test(start_paused = true)]
async fn extensions_are_the_callers_at_every_attempt() {
    let upstream = Upstream::statuses([503, 503, 200]);
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(A_SECOND))
        .map_request(|mut request: Inner| {
            assert_eq!(request.extensions().get::<Leaked>(), None, "an earlier attempt's leaks");
            let number = AttemptNumber::from_request(&request);
            request.extensions_mut().insert(Leaked(number));
            request.extensions_mut().get_mut::<Callers>().unwrap().0 += 1;
            request
        })
        .service(upstream.handle());
    let request = Request::get("/").extension(Callers(7)).body(Full::<Bytes>::default()).unwrap();
    client.oneshot(request).await.unwrap();
    let seen: Vec<_> = upstream.calls().into_iter().map(|call| call.parts.extensions).collect();
    assert_eq!(seen.len(), 3);
    for (number, extensions) in (1..).zip(&seen) {
        assert_eq!(extensions.get(), Some(&Callers(8)));
        assert_eq!(extensions.get(), Some(&Leaked(number)));
    }
    let has_number = seen.iter().map(|extensions| extensions.get::<AttemptNumber>().is_some());
    assert_eq!(has_number.collect::<Vec<_>>(), [false, true, true]);
}

/// Trap 15: headers that an inner layer adds do not pile up.
#[tokio::test(start_paused = true)]
async fn headers_of_an_earlier_attempt_do_not_pile_up() {
    let upstream = Upstream::statuses([503, 503, 200]);
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(A_SECOND))
        .map_request(|mut request: Inner| {
            request.headers_mut().append("x-hop", HeaderValue::from_static("here"));
            request.headers_mut().remove("x-secret");
            *request.uri_mut() = "/rewritten".parse().unwrap();
            request
        })
        .map_request(|request: Inner| {
            assert_eq!(request.uri(), "/rewritten");
            request
        })
        .service(upstream.handle());
    let request = Request::get("http://host/caller?q=1")
        .header("x-secret", "s")
        .body(Full::<Bytes>::default())
        .unwrap();
    client.oneshot(request).await.unwrap();
    for call in upstream.calls() {
        assert_eq!(call.parts.headers.get_all("x-hop").iter().count(), 1);
    }
}

/// Trap 16: what hyper rewrites in place is not what the next attempt starts from.
#[tokio::test]
async fn each_attempt_starts_from_the_callers_uri_and_headers() {
    let server = Server::statuses([503, 503, 200]).await;
    let uri = server.uri("/path?query=1");
    let expected = uri.clone();
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(QUICKLY))
        .map_request(move |request: Inner| {
            assert_eq!(request.uri().to_string(), expected, "not the absolute URI of the caller");
            assert!(!request.headers().contains_key(header::HOST), "an earlier attempt's Host");
            assert_eq!(request.headers().len(), 1);
            request
        })
        .service(client());
    let request = Request::get(&uri).header("x-mine", "yes").body(Full::<Bytes>::default()).unwrap();
    soon(client.oneshot(request)).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for seen in seen {
        assert_eq!(seen.target, "/path?query=1");
        assert_eq!(seen.header("host"), Some(server.address().to_string().as_str()));
        assert_eq!(seen.header("x-mine"), Some("yes"));
    }
}

/// Trap 16: a caller's own `Host` is kept.
#[tokio::test]
async fn a_host_of_the_callers_own_is_kept() {
    let server = Server::statuses([503, 200]).await;
    let client = ServiceBuilder::new().layer(RetryLayer::new(QUICKLY)).service(client());
    let request = Request::get(server.uri("/"))
        .header("host", "virtual.example")
        .body(Full::<Bytes>::default())
        .unwrap();
    soon(client.oneshot(request)).await.unwrap();
    let hosts: Vec<_> = server.seen().iter().map(|seen| seen.header("host").map(str::to_owned)).collect();
    assert_eq!(hosts, [Some("virtual.example".to_owned()), Some("virtual.example".to_owned())]);
}
