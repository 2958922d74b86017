//! Streams that begin with a failure, and streams that do not.

use std::io::Read;
use std::net::TcpStream;
use std::sync::{Arc, Barrier};
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
const CREATED: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n\
    event: response.in_progress\ndata: {\"type\":\"response.in_progress\",\"response\":{\"id\":\"r\"}}\n\n";
const OUTPUT: &str = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}\n\n";
const FAILED: &str =
    "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\"}}}\n\n";

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
fn a_failure_before_any_output_is_sent_again() {
    check(&[EVENTS], FAILED, 2);
    check(&[EVENTS], &format!("{CREATED}{FAILED}"), 2);
    check(&[EVENTS], &format!("{START}{PING}{OVERLOADED}"), 2);
    check(&[EVENTS], &format!("{CHUNK}{SERVER_ERROR}"), 2);
    check(&[EVENTS], &format!("{CREATED}{OUTPUT}{FAILED}"), 1);
    check(&[EVENTS], &format!("{CREATED}{}", FAILED.replace("server_error", "invalid_prompt")), 1);
}

#[test]
fn an_answer_that_is_an_error_is_sent_again() {
    const JSON: &str = "content-type: application/json";
    check(&[JSON], "{\"error\":{\"code\":429,\"message\":\"..\"}}", 2);
    check(&[JSON], "\n\n {\"id\":\"x\",\"error\":{\"code\":\"502\",\"message\":\"..\"}}", 2);
    let padded = format!("{{\"id\":\"{}\",\"error\":{{\"code\":429}}}}", "x".repeat(8_000));
    check(&[JSON], &padded, 2);
    check(&[JSON], "{\"error\":{\"code\":429,\"type\":\"insufficient_quota\"}}", 1);
    check(&[JSON], "{\"error\":{\"code\":401,\"message\":\"..\"}}", 1);
    check(&[JSON], "{\"choices\":[],\"error\":{\"code\":429}}", 1);
    check(&[JSON], "", 1);
}

#[test]
fn followers_have_their_own_words_for_a_failure() {
    for (kind, code) in [
        ("InternalServerError", "500"),
        ("rate_limited", "\"1300\""),
        ("service_unavailable", "\"3505\""),
        ("x", "503"),
    ] {
        let error =
            format!("{{\"object\":\"error\",\"message\":\"..\",\"type\":\"{kind}\",\"code\":{code}}}");
        check(&[EVENTS], &format!("data: {error}\n\n"), 2);
        check(&[EVENTS], &format!("{CHUNK}data: {error}\n\n"), 2);
    }
    check(&[EVENTS], "data: {\"object\":\"error\",\"type\":\"BadRequestError\",\"code\":400}\n\n", 1);
    // Gemini's streams are lists if nobody asks for events.
    const JSON: &str = "content-type: application/json; charset=UTF-8";
    check(&[JSON], "[{\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\"}}]", 2);
    check(&[JSON], "[{\"usageMetadata\":{}}\n,\n{\"error\":{\"code\":429}}]", 2);
    check(&[JSON], "[{\"candidates\":[{}]},{\"error\":{\"code\":429}}]", 1);
}

#[test]
fn a_stream_that_breaks_off_while_it_is_held_is_a_connection_that_broke() {
    let head = format!("HTTP/1.1 200 OK\r\n{EVENTS}\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = |event: &str| format!("{:x}\r\n{event}\r\n", event.len());
    let cut = |events: &[&str]| {
        let chunks: String = events.iter().map(|event| chunk(event)).collect();
        Act::Part(format!("{head}{chunks}"), Duration::ZERO)
    };
    for (first, key, expected) in [
        (cut(&[CREATED]), &["idempotency-key: a"][..], (2, 200, None)),
        (cut(&[]), &["idempotency-key: a"], (2, 200, None)),
        (cut(&[CREATED]), &[], (1, 502, None)),
        (cut(&[CREATED, OUTPUT]), &["idempotency-key: a"], (1, 200, Some("cut-by-upstream"))),
    ] {
        let upstream = Upstream::answering(vec![first, say(200, &[EVENTS], OUTPUT)]);
        let gateway = Gateway::before(&upstream.url(), LLM);
        let mut socket =
            open(gateway.address, "POST /v1/responses", &[key, &["connection: close"]].concat(), "{}");
        let mut said = Vec::new();
        let _ = socket.read_to_end(&mut said);
        let record = &gateway.log(1)[0];
        let seen = (upstream.seen().len(), record["status"].as_u64().unwrap());
        assert_eq!(seen, (expected.0, expected.1), "{record}");
        if let Some(end) = expected.2 {
            assert_eq!(record["response_end"], end, "{record}");
        }
    }
}

/// The client has nothing of it yet, so that the attempt has failed. The hold would last for 10 s.
#[test]
fn a_response_that_pauses_while_it_is_held_is_over_after_its_timeout() {
    let head = |kind: &str| format!("HTTP/1.1 200 OK\r\n{kind}\r\ntransfer-encoding: chunked\r\n\r\n");
    let json = "content-type: application/json";
    for (first, key, expected) in [
        (head(EVENTS), &[][..], (1, 504)),
        (head(EVENTS) + "8\r\n: ping\n\n\r\n", &[], (1, 504)),
        (head(json), &[], (1, 504)),
        (head(EVENTS), &["idempotency-key: a"], (2, 200)),
    ] {
        let upstream = Upstream::answering(vec![
            Act::Part(first.clone(), Duration::from_secs(20)),
            say(200, &[EVENTS], OUTPUT),
        ]);
        let gateway = Gateway::by(&format!(
            "[upstreams.api]\nendpoints = [{:?}]\nresponse_idle_timeout = \"1s\"\n[[routes]]\nupstream = \"api\"\n\
             profile = \"llm\"\nretry = {{ mint_idempotency_key = false }}\n",
            upstream.url()
        ));
        let began = Instant::now();
        let reply = call(gateway.address, "POST /v1/responses", key, "{}");
        assert!(began.elapsed() < Duration::from_secs(8), "{first:?} {:?}", began.elapsed());
        assert_eq!((upstream.seen().len(), reply.status), expected, "{first:?} {key:?}");
        assert!(reply.status == 200 || reply.body.contains("response_idle_timeout"), "{}", reply.body);
    }
}

#[test]
fn all_else_is_the_clients_as_it_is() {
    check(&[EVENTS], &format!("{START}{OUTPUT}{OVERLOADED}"), 1);
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

/// A server that has begun its answer in JSON, and goes on only when the client has that.
#[test]
fn an_answer_that_has_begun_is_not_held() {
    let whole =
        response(200, &["content-type: application/json"], "{\"id\":\"x\",\"object\":\"y\",\"choices\":[]}");
    for at in ["\"object", "bject", ",\"choices"] {
        let (first, rest) = whole.split_at(whole.find(at).unwrap());
        let barrier = Arc::new(Barrier::new(2));
        let upstream =
            Upstream::answering(vec![Act::Held(first.to_owned(), Arc::clone(&barrier), rest.to_owned())]);
        let gateway = Gateway::before(&upstream.url(), LLM);
        let began = Instant::now();
        let mut socket = open(gateway.address, "POST /", &[], "hello");
        read_until(&mut socket, "\"id\":\"x\"");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        barrier.wait();
        read_until(&mut socket, "choices");
    }
    // An error in two pieces is still seen whole.
    let failed =
        response(200, &["content-type: application/json"], "{\"error\":{\"code\":429,\"message\":\"..\"}}");
    let (first, rest) = failed.split_at(failed.len() - 9);
    let slowly = Act::Slowly(vec![first.to_owned(), rest.to_owned()], Duration::from_millis(20));
    let upstream = Upstream::answering(vec![slowly, say(200, &[], "done")]);
    let gateway = Gateway::before(&upstream.url(), LLM);
    assert_eq!(call(gateway.address, "POST /", &[], "hello").body, "done");
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

/// Whoever shares the limit waits once there are some in a row, as after a 529: whether the pace is the upstream's or the
/// endpoint's.
#[test]
fn the_pace_takes_it_for_a_refusal() {
    for key in ["upstream", "endpoint"] {
        let failed = say(200, &[EVENTS, "retry-after: 1"], OVERLOADED);
        let upstream = Upstream::answering(vec![failed]);
        let lines = "hold_event_stream = \"5s\"\nnum_retries = 0";
        let gateway = gateway(&upstream, &format!("pace.key = {key:?}"), lines);
        let is_held = (0..20).any(|_| {
            let began = Instant::now();
            assert_eq!(call(gateway.address, "GET /", &[], "").body, OVERLOADED);
            began.elapsed() >= Duration::from_millis(700)
        });
        assert!(is_held, "{key}");
    }
}
