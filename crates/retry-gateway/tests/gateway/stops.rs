//! Clients that go away, and the gateway that is asked to.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{call, open};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, say};

/// The client goes away after this answer, or in its stead; nothing is sent afterwards, and nothing is kept.
#[track_caller]
fn check_gone(first: Act) -> (Upstream, Instant) {
    let upstream = Upstream::answering(vec![first.clone(), say(200, &[], "")]);
    let gateway = Gateway::before(&upstream.url(), &["--admin", "127.0.0.1:0"]);
    let admin = gateway.admin.expect("it was asked for");
    let buffered = || {
        let metrics = call(admin, "GET /metrics", &[], "").body;
        let line = metrics.lines().find_map(|line| line.strip_prefix("retry_body_buffered_bytes "));
        line.and_then(|bytes| bytes.parse::<usize>().ok()).expect("it is among the metrics")
    };
    let socket = open(gateway.address, "PUT /", &[], &"x".repeat(20_000));
    upstream.wait_seen(1);
    thread::sleep(Duration::from_millis(200));
    assert_eq!(buffered(), 20_000, "{first:?}");
    drop(socket);
    let gone = Instant::now();
    assert_eq!(gateway.log(1)[0]["status"].as_u64(), Some(499), "{first:?}");
    assert_eq!(buffered(), 0, "{first:?}");
    thread::sleep(Duration::from_secs(2));
    assert_eq!((upstream.seen().len(), gateway.log(1).len()), (1, 1), "{first:?}");
    (upstream, gone)
}

#[test]
fn a_client_that_goes_away_during_the_wait_ends_it() {
    check_gone(say(503, &["retry-after: 1"], ""));
}

#[test]
fn a_client_that_goes_away_during_an_attempt_ends_it() {
    let (upstream, gone) = check_gone(Act::Hang);
    let end = &upstream.wait_ends(1)[0];
    assert!(end.at - gone < Duration::from_secs(4), "{:?}", end.at - gone);
    assert_eq!(end.rest, "");
}

/// Half an upload is nobody's request: the upstream sees it break off, and gets no other.
#[test]
fn a_client_that_goes_away_during_its_upload_ends_that() {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let gateway = Gateway::before(&upstream.url(), &["--admin", "127.0.0.1:0"]);
    let mut socket = open(gateway.address, "PUT /", &["content-length: 20000"], "");
    socket.write_all(&[b'x'; 10_000]).unwrap();
    thread::sleep(Duration::from_millis(200));
    drop(socket);
    let log = gateway.log(1);
    assert_eq!((log[0]["status"].as_u64(), log[0]["attempts"].as_array().unwrap().len()), (Some(400), 1));
    upstream.wait_ends(1);
    thread::sleep(Duration::from_secs(1));
    assert_eq!((upstream.seen().len(), upstream.wait_ends(1).len()), (0, 1));
    let status = call(gateway.admin.expect("it was asked for"), "GET /status", &[], "").body;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["buffered_bytes"], 0);
    assert_eq!(status["upstreams"][0]["endpoints"][0]["load"], 0);
}

/// Who closed only one half of the connection reads that it was not the upstream's fault.
#[test]
fn a_body_that_its_client_broke_off_is_a_bad_request() {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let mut socket = open(gateway.address, "POST /", &["content-length: 20000"], "");
    socket.write_all(&[b'x'; 10_000]).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 400"), "{reply}");
    assert_eq!(gateway.log(1)[0]["status"].as_u64(), Some(400));
}

#[test]
fn it_stops_when_the_last_request_has_its_answer() {
    let upstream = Upstream::answering(vec![say(503, &["retry-after: 1"], ""), say(200, &[], "done")]);
    let mut gateway = Gateway::before(&upstream.url(), &[]);
    let mut socket = open(gateway.address, "GET /", &[], "");
    upstream.wait_seen(1);
    gateway.terminate();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with("done"), "{reply}");
    let status = gateway.ended(Duration::from_secs(10)).expect("it stops");
    assert!(status.success(), "{status}");
}

#[test]
fn one_that_hangs_does_not_hold_the_others() {
    let upstream = Upstream::start(|_, seen| match seen.head.contains("/hang") {
        true => Act::Hang,
        false => say(200, &[], ""),
    });
    let gateway = Gateway::before(&upstream.url(), &[]);
    let _hanging = open(gateway.address, "GET /hang", &[], "");
    for _ in 0..3 {
        assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    }
}
