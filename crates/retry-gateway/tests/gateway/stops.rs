//! Clients that go away, and the gateway that is asked to.

use std::io::Read;
use std::thread;
use std::time::Duration;

use crate::client::{call, open};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, say};

#[test]
fn a_client_that_goes_away_during_the_wait_ends_it() {
    let upstream = Upstream::answering(vec![say(503, &["retry-after: 1"], ""), say(200, &[], "")]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let socket = open(gateway.address, "GET /", &[], "");
    while upstream.seen().is_empty() {
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(200));
    drop(socket);
    assert_eq!(gateway.log(1)[0]["status"].as_u64(), Some(499));
    thread::sleep(Duration::from_secs(2));
    assert_eq!(upstream.seen().len(), 1, "{:?}", upstream.seen());
}

#[test]
fn it_stops_when_the_last_request_has_its_answer() {
    let upstream = Upstream::answering(vec![say(503, &["retry-after: 1"], ""), say(200, &[], "done")]);
    let mut gateway = Gateway::before(&upstream.url(), &[]);
    let mut socket = open(gateway.address, "GET /", &[], "");
    while upstream.seen().is_empty() {
        thread::sleep(Duration::from_millis(10));
    }
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
