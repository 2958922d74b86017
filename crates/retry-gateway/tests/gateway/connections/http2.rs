//! The connections of HTTP/2 and their streams.

use std::thread;
use std::time::{Duration, Instant};

use testkit::http2::{Http2Script, Http2Server};
use testkit::listener::listen;

use crate::client::{Reply, call};
use crate::configured::{attempts, gateway, get};
use crate::connections::{state, with_admin};
use crate::process::Gateway;

fn over_http2(script: Http2Script, settings: &str, retry: &str) -> (Http2Server, Gateway) {
    let server = Http2Server::start(script);
    let gateway = with_admin(&server.url(), &format!("protocol = \"http2\"\n{settings}"), retry);
    (server, gateway)
}

/// Sends so many requests at once.
fn at_once(gateway: &Gateway, count: usize, line: &str) -> Vec<Reply> {
    thread::scope(|scope| {
        let callers: Vec<_> =
            (0..count).map(|_| scope.spawn(|| call(gateway.address, line, &[], "hello"))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    })
}

#[test]
fn further_connections_are_opened_where_the_streams_of_one_are_in_use() {
    for line in ["POST /", "GET /"] {
        let script =
            Http2Script { max_streams: Some(2), delay: Duration::from_millis(700), ..Http2Script::default() };
        let (server, gateway) = over_http2(script, "", "");
        let replies = at_once(&gateway, 12, line);
        assert!(replies.iter().all(|reply| reply.body == "done"), "{replies:?}");
        // None was sent twice, and none had to be.
        assert_eq!(server.requests(), 12);
        assert!((2..=6).contains(&server.connections()), "{}", server.connections());
    }
}

#[test]
fn one_connection_serves_all_where_the_endpoint_allows_it() {
    let script = Http2Script { delay: Duration::from_millis(300), ..Http2Script::default() };
    let (server, gateway) = over_http2(script, "", "");
    let replies = at_once(&gateway, 12, "POST /");
    assert!(replies.iter().all(|reply| reply.body == "done"), "{replies:?}");
    assert_eq!((server.requests(), server.connections()), (12, 1));
}

#[test]
fn a_connection_that_is_silent_since_a_timeout_takes_no_request() {
    let retry = "[routes.retry]\nper_try_timeout = \"600ms\"";
    let (server, gateway) = over_http2(Http2Script::default(), "", retry);
    assert_eq!(get(&gateway).body, "done");
    server.silence();
    // It may have been processed, so it is not sent again.
    assert_eq!(call(gateway.address, "POST /", &[], "hello").status, 504);
    for line in ["POST /", "GET /", "PATCH /"] {
        assert_eq!(call(gateway.address, line, &[], "hello").body, "done", "{line}");
    }
    assert_eq!(server.connections(), 2);
}

/// A resend must not go to the connection that has just been silent.
#[test]
fn a_resend_after_a_silence_goes_over_another_connection() {
    let retry = "[routes.retry]\nper_try_timeout = \"600ms\"";
    let (server, gateway) = over_http2(Http2Script::default(), "", retry);
    assert_eq!(get(&gateway).body, "done");
    server.silence();
    assert_eq!(get(&gateway).body, "done");
    assert_eq!((server.connections(), attempts(&gateway.log(2)[1]).len()), (2, 2));
}

/// A slow answer is no silence as long as the connection brings others.
#[test]
fn a_connection_that_answers_others_stays() {
    let retry = "[routes.retry]\nper_try_timeout = \"500ms\"\nnum_retries = 0";
    let script = Http2Script { delay: Duration::from_millis(300), ..Http2Script::default() };
    let (server, gateway) = over_http2(script, "", retry);
    for _ in 0..3 {
        assert_eq!(get(&gateway).status, 200);
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn pings_find_out_that_an_endpoint_has_stopped() {
    let settings = "http2_keepalive = { interval = \"300ms\", timeout = \"300ms\" }";
    let (server, gateway) =
        over_http2(Http2Script::default(), settings, "[routes.retry]\nper_try_timeout = false");
    assert_eq!(get(&gateway).body, "done");
    server.silence();
    let began = Instant::now();
    let reply = call(gateway.address, "POST /", &[], "hello");
    // The route's timeout is 15 seconds.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!([502, 504].contains(&reply.status), "{}", reply.status);
    assert_eq!(call(gateway.address, "POST /", &[], "hello").body, "done");
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_connection_that_the_endpoint_leaves_ends_its_streams_and_takes_no_other() {
    let script = Http2Script { delay: Duration::from_millis(400), ..Http2Script::default() };
    let (server, gateway) = over_http2(script, "", "");
    assert_eq!(get(&gateway).body, "done");
    server.leave();
    thread::scope(|scope| {
        let last = scope.spawn(|| call(gateway.address, "POST /", &[], "hello").body);
        while server.requests() < 2 {
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(100));
        assert_eq!(call(gateway.address, "POST /", &[], "hello").body, "done");
        assert_eq!(last.join().unwrap(), "done");
    });
    assert_eq!((server.requests(), server.connections()), (3, 2));
}

#[test]
fn an_idle_connection_is_closed_and_another_one_opened() {
    let (server, gateway) = over_http2(Http2Script::default(), "pool_idle_timeout = \"500ms\"", "");
    assert_eq!(get(&gateway).body, "done");
    assert_eq!(get(&gateway).body, "done");
    assert_eq!(server.connections(), 1);
    thread::sleep(Duration::from_millis(1_300));
    assert_eq!(get(&gateway).body, "done");
    assert_eq!(server.connections(), 2);
}

/// A server that takes a connection and says nothing never got the request, so another endpoint may.
#[test]
fn an_endpoint_without_settings_never_got_the_request() {
    let mute = listen(|_, socket| {
        thread::sleep(Duration::from_secs(30));
        drop(socket);
    });
    let server = Http2Server::start(Http2Script::default());
    let endpoints = [format!("http://{mute}"), server.url()];
    let settings = "protocol = \"http2\"\nconnect_timeout = \"300ms\"\noutlier_detection = false";
    let gateway = gateway(&endpoints, settings, "", "");
    for number in 1..=8 {
        assert_eq!(call(gateway.address, "POST /", &[], "hello").body, "done", "{number}");
    }
    assert_eq!(server.requests(), 8);
    let log = gateway.log(8);
    let errors = log.iter().flat_map(attempts).filter_map(|attempt| attempt["error"].as_str());
    assert!(errors.clone().all(|error| error == "connect failed"), "{:?}", errors.collect::<Vec<_>>());
}

/// The requests wait for a stream for longer than an attempt may take. They were never sent, and the endpoint is not to
/// blame.
#[test]
fn a_request_that_gets_no_stream_was_never_sent() {
    let script = Http2Script { max_streams: Some(0), ..Http2Script::default() };
    let retry = "[routes.retry]\nper_try_timeout = \"400ms\"\nnum_retries = 1";
    let (server, gateway) = over_http2(script, "", retry);
    let reply = call(gateway.address, "POST /", &[], "hello");
    assert_eq!((reply.status, server.requests()), (503, 0), "{}", reply.body);
    let log = gateway.log(1);
    let errors: Vec<_> = attempts(&log[0]).iter().map(|attempt| attempt["error"].as_str()).collect();
    assert_eq!(errors, [Some("no connection"); 2]);
    // Another connection would have no stream either.
    assert!(server.connections() <= 3, "{}", server.connections());
    assert_eq!(state(&gateway), "healthy");
}

#[test]
fn an_upgrade_to_an_http2_upstream_is_not_implemented() {
    let (server, gateway) = over_http2(Http2Script::default(), "", "");
    for protocol in ["websocket", "tcp"] {
        let headers = ["connection: upgrade, close", &format!("upgrade: {protocol}")];
        let reply = call(gateway.address, "GET /", &headers, "");
        assert_eq!((reply.status, server.requests()), (501, 0), "{}", reply.body);
        assert!(reply.body.contains("http2"), "{}", reply.body);
    }
    assert_eq!(get(&gateway).body, "done");
}
