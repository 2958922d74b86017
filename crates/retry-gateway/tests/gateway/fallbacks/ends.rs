//! What the client gets where nobody helps, and when it is gone.

use std::thread;
use std::time::{Duration, Instant};

use super::{LLM, Lines, gateway, logged};
use crate::client::{Reply, call, open};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, nobody, response, say};

const LATE: &str = "retry-after: 3600";
const JSON: &str = "content-type: application/json";
const GONE: &str = r#"{"error":{"type":"insufficient_quota"}}"#;

/// What the client of a POST gets where the upstreams do this, the last for good.
#[track_caller]
fn check(api: Option<Act>, other: Option<Act>, lines: Lines, log: &str, expected: (u16, &str)) -> Reply {
    let start = |act: &Option<Act>| act.clone().map(|act| Upstream::answering(vec![act]));
    let upstreams = [start(&api), start(&other)];
    let [first, second] =
        upstreams.each_ref().map(|upstream| upstream.as_ref().map_or_else(nobody, Upstream::url));
    let gateway = gateway(&first, &second, lines);
    let reply = call(gateway.address, "POST /", &[], "hello");
    assert_eq!(logged(&gateway, 1), log);
    let body = match reply.header("content-type") {
        Some("application/problem+json") => "problem",
        _ => &reply.body,
    };
    assert_eq!((reply.status, body), expected, "{log}");
    reply
}

#[test]
fn the_last_response_is_the_clients_and_whole() {
    let once = Lines { retry: "num_retries = 0", ..LLM };
    let busy = |name: &str| Some(say(429, &[LATE, &format!("x-who: {name}")], name));
    let reply = check(busy("api"), busy("other"), once, "api 429, other 429", (429, "other"));
    assert_eq!((reply.header("x-who"), reply.header("retry-after")), (Some("other"), Some("3600")));
    // A failure of the last one is no better than the response of the first, if it never had the request.
    let log = "api 429, other connect failed";
    let reply = check(busy("api"), None, once, log, (429, "api"));
    assert_eq!((reply.header("x-who"), reply.header("content-length")), (Some("api"), Some("3")));
    let gone = Some(say(429, &[JSON], GONE));
    check(gone, None, once, "api 402, other connect failed", (429, GONE));
    check(None, busy("other"), once, "api connect failed, other 429", (429, "other"));
    check(None, None, once, "api connect failed, other connect failed", (503, "problem"));
}

/// The response of the first says that nothing was done, which is not known any more.
#[test]
fn a_request_that_the_last_may_have_processed_is_said_to_be_so() {
    let once = Lines { retry: "num_retries = 0\nper_try_timeout = \"500ms\"", ..LLM };
    let busy = || Some(say(429, &[LATE], "api"));
    check(busy(), Some(Act::Close), once, "api 429, other broken off", (502, "problem"));
    check(busy(), Some(Act::Hang), once, "api 429, other timeout", (504, "problem"));
}

/// What is held meanwhile is short, or its connection would be.
#[test]
fn a_response_that_is_too_long_to_keep_is_not_held() {
    let long = Some(say(429, &[LATE], &"x".repeat(1_000_000)));
    let once = Lines { retry: "num_retries = 0", ..LLM };
    check(long.clone(), None, once, "api 429, other connect failed", (503, "problem"));
    let drain = "error_body_drain = { bytes = \"1MB\", time = \"5s\" }\nnum_retries = 0";
    let whole = "x".repeat(1_000_000);
    check(long, None, Lines { retry: drain, ..LLM }, "api 429, other connect failed", (429, &whole));
}

/// The connection to the first is free again while the second is at work.
#[test]
fn a_response_that_is_held_holds_no_connection() {
    let api = Upstream::answering(vec![say(429, &[LATE], "api")]);
    let other = Upstream::answering(vec![Act::Hang]);
    let gateway = gateway(&api.url(), &other.url(), LLM);
    let _clients: Vec<_> = (1..=3)
        .map(|number| {
            let socket = open(gateway.address, "POST /", &[], "hello");
            other.wait_seen(number);
            socket
        })
        .collect();
    assert!(api.seen().iter().all(|seen| seen.connection == 0), "{:?}", api.seen());
    let status = gateway.status();
    assert_eq!(
        (&status["upstreams"][0]["in_flight"], &status["upstreams"][1]["in_flight"]),
        (&0.into(), &3.into())
    );
    assert_eq!(status["upstreams"][0]["endpoints"][0]["load"], 0);
}

#[test]
fn several_are_tried_in_their_order() {
    let busy = |name: &'static str| Upstream::answering(vec![say(429, &[LATE], name)]);
    let upstreams = [busy("a"), busy("b"), busy("c")];
    let table =
        |name: &str, upstream: &Upstream| format!("[upstreams.{name}]\nendpoints = [{:?}]\n", upstream.url());
    let gateway = |list: &str| {
        Gateway::by(&format!(
            "{}{}{}[[routes]]\nupstream = \"a\"\nfallback = {{ upstreams = {list} }}\n",
            table("a", &upstreams[0]),
            table("b", &upstreams[1]),
            table("c", &upstreams[2]),
        ))
    };
    for (list, log, last) in
        [("[\"b\", \"c\"]", "a 429, b 429, c 429", "c"), ("[\"c\", \"b\"]", "a 429, c 429, b 429", "b")]
    {
        let gateway = gateway(list);
        assert_eq!(call(gateway.address, "GET /", &[], "").body, last);
        assert_eq!(logged(&gateway, 1), log);
        assert_eq!(gateway.log(1)[0]["upstream"], last);
    }
}

#[test]
fn the_timeout_holds_for_all_upstreams() {
    let slow = Act::Slowly(vec![String::new(), response(429, &[LATE], "")], Duration::from_millis(1_500));
    let lines = Lines { route: "timeout = \"2s\"\nprofile = \"llm\"", ..LLM };
    let began = Instant::now();
    check(Some(slow), Some(Act::Hang), lines, "api 429, other timeout", (504, "problem"));
    assert!(began.elapsed() < Duration::from_millis(3_400), "{:?}", began.elapsed());
}

/// What the route's timeout has cut is over, though another attempt would be right.
#[test]
fn nothing_goes_on_after_the_timeout() {
    let lines = Lines { route: "timeout = \"500ms\"", retry: "methods = \"all\"", ..Lines::default() };
    check(Some(Act::Hang), Some(say(200, &[], "other")), lines, "api timeout", (504, "problem"));
}

#[test]
fn a_client_that_goes_away_ends_it_wherever_it_is() {
    let api = Upstream::answering(vec![say(429, &[LATE], "")]);
    let other = Upstream::answering(vec![Act::Hang]);
    let gateway = gateway(&api.url(), &other.url(), LLM);
    let socket = open(gateway.address, "POST /", &[], "hello");
    other.wait_seen(1);
    drop(socket);
    assert_eq!(logged(&gateway, 1), "api 429, other");
    let line = &gateway.log(1)[0];
    assert_eq!((line["status"].as_u64(), line["upstream"].as_str()), (Some(499), Some("other")));
    other.wait_ends(1);
    assert_eq!(gateway.status()["buffered_bytes"], 0);
    let of = |name: &str, upstream: &str| gateway.metric(&format!("{name}{{upstream=\"{upstream}\"}}"));
    for upstream in ["api", "other"] {
        assert_eq!(of("upstream_rq_total", upstream), 1.0, "{upstream}");
        assert_eq!(of("upstream_rq_attempts_total", upstream), 1.0, "{upstream}");
    }
    assert_eq!(gateway.metric("upstream_rq_status_total{upstream=\"other\",status=\"499\"}"), 1.0);
    assert_eq!(gateway.metric("upstream_rq_status_total{upstream=\"api\",status=\"499\"}"), 0.0);
}

/// While it waits for the first, it is not sent to the other.
#[test]
fn a_client_that_goes_away_during_a_wait_goes_nowhere_else() {
    let api = Upstream::answering(vec![say(429, &["retry-after: 1"], "")]);
    let other = Upstream::answering(vec![say(200, &[], "")]);
    let gateway = gateway(&api.url(), &other.url(), LLM);
    let socket = open(gateway.address, "POST /", &[], "hello");
    api.wait_seen(1);
    thread::sleep(Duration::from_millis(200));
    drop(socket);
    assert_eq!(logged(&gateway, 1), "api 429");
    thread::sleep(Duration::from_millis(1_500));
    assert_eq!((api.seen().len(), other.seen().len()), (1, 0));
}

/// It is the client's fault, and nobody else's.
#[test]
fn a_body_that_does_not_come_is_waited_for_once() {
    let lines = Lines { top: "[limits]\nbody_timeout = \"500ms\"", ..LLM };
    let other = Upstream::answering(vec![say(200, &[], "")]);
    let api = Upstream::answering(vec![say(200, &[], "")]);
    let gateway = gateway(&api.url(), &other.url(), lines);
    let mut socket = open(gateway.address, "PUT /", &["content-length: 100"], "");
    let mut said = String::new();
    std::io::Read::read_to_string(&mut socket, &mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    assert_eq!(gateway.log(1)[0]["attempts"].as_array().unwrap().len(), 1);
}
