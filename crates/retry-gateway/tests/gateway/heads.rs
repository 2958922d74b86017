//! What arrives at the upstream, and what comes back.

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Upstream, nobody, say};

#[test]
fn a_request_arrives_as_it_was_sent_but_for_what_is_between_two_neighbours() {
    let upstream = Upstream::answering(vec![say(201, &["x-answer: 1", "keep-alive: timeout=5"], "made")]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let headers = ["x-question: 2", "connection: close, x-mine", "x-mine: 1", "te: gzip"];
    let reply = call(gateway.address, "POST /a/b?c=d", &headers, "hello");
    assert_eq!((reply.status, reply.body.as_str()), (201, "made"));
    assert_eq!((reply.header("x-answer"), reply.header("keep-alive")), (Some("1"), None));

    let [seen] = &upstream.seen()[..] else { panic!("{:?}", upstream.seen()) };
    assert!(seen.head.starts_with("POST /a/b?c=d HTTP/1.1\r\n"), "{}", seen.head);
    assert_eq!(seen.body, "hello");
    assert_eq!((seen.header("x-question"), seen.header("content-length")), (Some("2"), Some("5")));
    assert_eq!((seen.header("x-mine"), seen.header("te"), seen.header("connection")), (None, None, None));
    assert_eq!(seen.header("host"), Some(&upstream.url()["http://".len()..]));
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-host"), Some("client.example"));
    assert_eq!(seen.header("forwarded"), Some("for=127.0.0.1;host=\"client.example\";proto=http"));
}

/// W3C Trace Context: as it came, with each attempt, and also where it is none.
#[test]
fn a_trace_is_handed_on_unchanged_with_each_attempt() {
    let upstream = Upstream::answering(vec![say(503, &[], ""), say(200, &[], "")]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (parent, state) in [(parent, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"), ("cc-none", "?")] {
        let headers = [format!("traceparent: {parent}"), format!("TraceState: {state}")];
        let before = upstream.seen().len();
        let reply = call(gateway.address, "GET /", &headers.each_ref().map(String::as_str), "");
        assert_eq!(reply.status, 200);
        for seen in &upstream.seen()[before..] {
            assert_eq!((seen.header("traceparent"), seen.header("tracestate")), (Some(parent), Some(state)));
        }
    }
    assert_eq!(upstream.seen().len(), 3);
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    assert_eq!(upstream.seen()[3].header("traceparent"), None);
}

#[test]
fn connections_are_used_again() {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    for _ in 0..3 {
        assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    }
    assert!(upstream.seen().iter().all(|seen| seen.connection == 0), "{:?}", upstream.seen());
}

#[test]
fn without_a_response_the_client_is_told_why() {
    let gateway = Gateway::before(&nobody(), &[]);
    let reply = call(gateway.address, "GET /", &[], "");
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((problem["status"].as_u64(), problem["attempts"].as_u64()), (Some(503), Some(3)));
    assert_eq!(problem["detail"], "the upstream could not be reached");
}

#[test]
fn connect_is_not_for_us() {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    assert_eq!(call(gateway.address, "CONNECT client.example:443", &[], "").status / 100, 4);
    assert!(upstream.seen().is_empty());
}
