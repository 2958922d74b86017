//! Streams that begin with a failure, and streams that do not.

use std::io::Read;
use std::net::TcpStream;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use super::{LLM, gateway, logged};
use crate::client::{call, open};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, response, say};

const EVENTS: &str = "content-type: text/event-stream; charset=utf-8";
const OVERLOADED: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
const SERVER_ERROR: &str =
    "data: {\"error\":{\"message\":\"Sorry\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n";
const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n";
const CHUNK: &str = "data: {\"object\":\"chat.completion.chunk\",\"choices\":[]}\n\n";

/// How often a request reaches an upstream that streams this the first time and a good answer the second; the client
/// gets the last of them, and nothing else.
#[track_caller]
fn check(headers: &[&str], first: &str, calls: usize) {
    let good = format!("{PING}{START}{CHUNK}data: [DONE]\n\n");
    let upstream = Upstream::answering(vec![say(200, headers, first), say(200, headers, &good)]);
    let gateway = Gateway::before(&upstream.url(), LLM);
    let reply = call(gateway.address, "POST /v1/messages", &[], "hello");
    assert_eq!((upstream.seen().len(), reply.status), (calls, 200), "{first:?}");
    assert_eq!(reply.body, if calls == 1 { first } else { &good });
}

#[test]
fn a_failure_that_comes_first_is_sent_again() {
    check(&[EVENTS], OVERLOADED, 2);
    check(&[EVENTS], SERVER_ERROR, 2);
    check(&[EVENTS], &OVERLOADED.replace("overloaded", "rate_limit"), 2);
    check(&[EVENTS], &OVERLOADED.replace("overloaded_error", "api_error"), 2);
    check(&[EVENTS], &SERVER_ERROR.replace("server_error", "rate_limit_exceeded"), 2);
    check(&[EVENTS], &format!(": PROCESSING\n\n{PING}{PING}{OVERLOADED}"), 2);
    check(&[EVENTS], &OVERLOADED.replace('\n', "\r\n"), 2);
}

#[test]
fn all_else_is_the_clients_as_it_is() {
    check(&[EVENTS], &format!("{START}{OVERLOADED}"), 1);
    check(&[EVENTS], &format!("{CHUNK}{SERVER_ERROR}"), 1);
    check(&[EVENTS], &OVERLOADED.replace("overloaded_error", "invalid_request_error"), 1);
    check(&[EVENTS], &SERVER_ERROR.replace("server_error", "insufficient_quota"), 1);
    check(&[EVENTS], PING, 1);
    check(&[EVENTS], "", 1);
    // What is larger than what is held, and what is no stream or cannot be read as one.
    check(&[EVENTS], &format!(": {}\n{OVERLOADED}", "x".repeat(70_000)), 1);
    check(&[EVENTS], &format!("data: {}\n\n{OVERLOADED}", "x".repeat(70_000)), 1);
    check(&[EVENTS, "content-encoding: gzip"], OVERLOADED, 1);
    check(&["content-type: text/plain"], OVERLOADED, 1);
    check(&[EVENTS, "x-should-retry: false"], OVERLOADED, 1);
}

/// As with any other status: the server's own words say more than any that the gateway could make up, and a stream is
/// what the client asked for and knows how to read.
#[test]
fn the_last_failure_is_the_clients_as_the_server_said_it() {
    let upstream = Upstream::answering(vec![say(200, &[EVENTS, "x-why: tired"], OVERLOADED)]);
    let gateway = Gateway::before(&upstream.url(), LLM);
    let reply = call(gateway.address, "POST /v1/messages", &[], "hello");
    assert_eq!((reply.status, reply.header("x-why"), reply.body.as_str()), (200, Some("tired"), OVERLOADED));
    assert_eq!(upstream.seen().len(), 4);
    assert_eq!(logged(&gateway), (vec![529; 4], 200));
}

#[test]
fn a_resend_of_somebody_elses_is_not_sent_again_for_a_failure_in_a_stream() {
    let upstream = Upstream::answering(vec![say(200, &[EVENTS], OVERLOADED)]);
    let gateway = Gateway::before(&upstream.url(), LLM);
    let reply = call(gateway.address, "POST /", &["x-stainless-retry-count: 1"], "hello");
    assert_eq!((upstream.seen().len(), reply.status, reply.body.as_str()), (1, 200, OVERLOADED));
}

#[test]
fn streams_are_held_where_somebody_says_so_and_as_long() {
    for (hold, calls) in [("false", 1), ("\"5s\"", 2)] {
        let upstream = Upstream::answering(vec![say(200, &[EVENTS], OVERLOADED), say(200, &[EVENTS], START)]);
        let gateway = gateway(&upstream, "", &format!("hold_event_stream = {hold}"));
        call(gateway.address, "GET /", &[], "");
        assert_eq!(upstream.seen().len(), calls, "{hold}");
    }
}

/// Reads until this has come, or the socket's time is over.
#[track_caller]
fn read_until(socket: &mut TcpStream, text: &str) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        let mut piece = [0; 1_024];
        let len = socket.read(&mut piece).unwrap();
        assert!(len > 0, "{:?} ended", String::from_utf8_lossy(&read));
        read.extend_from_slice(&piece[..len]);
    }
}

#[test]
fn what_follows_the_first_event_is_not_held() {
    let whole = response(200, &[EVENTS], &format!("{START}{OVERLOADED}"));
    let (first, rest) = whole.split_at(whole.find(OVERLOADED).unwrap());
    // It does not end before the client has its first event.
    for (first, rest) in [(first, rest), (whole.split_at(whole.find(OVERLOADED).unwrap() + 9))] {
        let barrier = Arc::new(Barrier::new(2));
        let act = Act::Held(first.to_owned(), Arc::clone(&barrier), rest.to_owned());
        let upstream = Upstream::answering(vec![act]);
        let gateway = Gateway::before(&upstream.url(), LLM);
        let mut socket = open(gateway.address, "POST /", &[], "hello");
        read_until(&mut socket, &first[first.len() - 9..]);
        barrier.wait();
        read_until(&mut socket, &rest[rest.len() - 9..]);
        assert_eq!(upstream.seen().len(), 1);
    }
}

#[test]
fn a_first_event_that_is_slow_is_not_waited_for() {
    let whole = response(200, &[EVENTS], &format!("{PING}{OVERLOADED}"));
    let (first, rest) = whole.split_at(whole.find(OVERLOADED).unwrap());
    let barrier = Arc::new(Barrier::new(2));
    let upstream =
        Upstream::answering(vec![Act::Held(first.to_owned(), Arc::clone(&barrier), rest.to_owned())]);
    let gateway = gateway(&upstream, "", "hold_event_stream = \"500ms\"");
    let began = Instant::now();
    let mut socket = open(gateway.address, "GET /", &[], "");
    read_until(&mut socket, "\"ping\"");
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    barrier.wait();
    read_until(&mut socket, "Overloaded");
    assert_eq!(upstream.seen().len(), 1);
}

/// Whoever shares the limit waits, as after a 529: whether the pace is the upstream's or the endpoint's.
#[test]
fn the_pace_takes_it_for_a_refusal() {
    for key in ["upstream", "endpoint"] {
        let failed = say(200, &[EVENTS, "retry-after: 1"], OVERLOADED);
        let upstream = Upstream::answering(vec![failed, say(200, &[EVENTS], START)]);
        let gateway = gateway(&upstream, &format!("pace.key = {key:?}"), "hold_event_stream = \"5s\"");
        let address = gateway.address;
        let first = thread::spawn(move || call(address, "GET /", &[], "").body);
        upstream.wait_seen(1);
        thread::sleep(Duration::from_millis(300));
        assert_eq!(call(gateway.address, "GET /other", &[], "").body, START);
        assert_eq!(first.join().unwrap(), START);
        let seen = upstream.seen();
        assert_eq!(seen.len(), 3, "{key}");
        let waited = seen[1].at.min(seen[2].at) - seen[0].at;
        assert!(waited >= Duration::from_secs(1), "{key}: {waited:?}");
    }
}
