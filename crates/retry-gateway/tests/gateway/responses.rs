//! Responses that come in pieces, in part, or in too many bytes.

use std::time::{Duration, Instant};

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, response, say};

/// How often a request reaches an upstream that answers so the first time and 200 the second, and what the client
/// gets.
#[track_caller]
fn check(line: &str, first: Act, expected: (usize, u16)) {
    let upstream = Upstream::answering(vec![first.clone(), say(200, &[], "done")]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let body = if line.starts_with("POST") { "hello" } else { "" };
    let reply = call(gateway.address, line, &[], body);
    assert_eq!((upstream.seen().len(), reply.status), expected, "{line} {first:?}");
}

/// Says this, and closes.
fn part(text: &str) -> Act {
    Act::Part(text.to_owned(), Duration::ZERO)
}

#[test]
fn a_word_in_advance_commits_to_nothing() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
    let busy = response(503, &[], "busy");
    let pause = Duration::from_millis(200);
    check("GET /", Act::Say(format!("{hints}{busy}")), (2, 200));
    check("GET /", Act::Slowly(vec![hints.to_owned(), busy.clone()], pause), (2, 200));
    check("GET /", part(hints), (2, 200));
    check("POST /", Act::Say(format!("{hints}{busy}")), (1, 503));
    check("POST /", part(hints), (1, 502));
}

#[test]
fn half_a_head_is_no_response() {
    for half in ["H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nx-half"] {
        check("GET /", part(half), (2, 200));
        check("POST /", part(half), (1, 502));
    }
}

/// The client has its head, so that nothing can be done but to let it see that the body is not whole.
#[test]
fn half_a_body_stays_half_a_body() {
    let half = "x".repeat(500);
    let sized = format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{half}");
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1f4\r\n{half}\r\n");
    for part in [sized, chunked] {
        // At once, and when the client has had its head for a while.
        for pause in [Duration::ZERO, Duration::from_millis(300)] {
            let upstream = Upstream::answering(vec![Act::Part(part.clone(), pause), say(200, &[], "done")]);
            let gateway = Gateway::before(&upstream.url(), &[]);
            let reply = call(gateway.address, "GET /", &[], "");
            assert_eq!((reply.status, upstream.seen().len()), (200, 1));
            let sizes = (reply.header("content-length"), reply.header("transfer-encoding"));
            assert!(matches!(sizes, (Some("1000"), None) | (None, Some("chunked"))), "{}", reply.head);
            assert!(reply.body.len() < 1_000 && !reply.body.ends_with("0\r\n\r\n"), "{}", reply.body);
        }
    }
}

#[test]
fn a_small_refusal_is_read_and_its_connection_used_again() {
    let chunked = "HTTP/1.1 503 Said\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n";
    for first in [say(503, &[], &"x".repeat(10_000)), Act::Say(chunked.to_owned())] {
        let upstream = Upstream::answering(vec![first, say(200, &[], "done")]);
        let gateway = Gateway::before(&upstream.url(), &[]);
        assert_eq!(call(gateway.address, "GET /", &[], "").body, "done");
        let [first, second] = &upstream.seen()[..] else { panic!("{:?}", upstream.seen()) };
        assert_eq!(first.connection, second.connection);
    }
}

/// The wait is long enough for the rest of it.
#[test]
fn a_refusal_that_comes_in_pieces_is_read_during_the_wait() {
    let whole = response(503, &["retry-after: 1"], "busy");
    let (head, late) = whole.split_at(whole.len() - 2);
    let first = Act::Slowly(vec![head.to_owned(), late.to_owned()], Duration::from_millis(200));
    for (time, is_kept) in [("10s", true), ("10ms", false)] {
        let upstream = Upstream::answering(vec![first.clone(), say(200, &[], "done")]);
        let gateway = Gateway::by(&format!(
            "[upstreams.api]\nendpoints = [{:?}]\n[[routes]]\nupstream = \"api\"\n\
             [routes.retry]\nerror_body_drain = {{ time = \"{time}\" }}\n",
            upstream.url()
        ));
        assert_eq!(call(gateway.address, "GET /", &[], "").body, "done", "{time}");
        let [first, second] = &upstream.seen()[..] else { panic!("{:?}", upstream.seen()) };
        assert_eq!(first.connection == second.connection, is_kept, "{time}");
    }
}

#[test]
fn a_large_refusal_is_not_read() {
    let body = "x".repeat(5 * 1024 * 1024);
    let sized = response(503, &[], &body);
    let chunked =
        format!("HTTP/1.1 503 Said\r\ntransfer-encoding: chunked\r\n\r\n500000\r\n{body}\r\n0\r\n\r\n");
    for refusal in [sized, chunked] {
        let upstream = Upstream::answering(vec![Act::Say(refusal), say(200, &[], "done")]);
        let gateway = Gateway::before(&upstream.url(), &[]);
        assert_eq!(call(gateway.address, "GET /", &[], "").body, "done");
        let [first, second] = &upstream.seen()[..] else { panic!("{:?}", upstream.seen()) };
        assert_ne!(first.connection, second.connection);
        assert!(second.at - first.at < Duration::from_secs(2), "{:?}", second.at - first.at);
        let end = &upstream.wait_ends(1)[0];
        assert!(end.cut && end.connection == first.connection, "{end:?}");
    }
}

/// One that does not end holds nobody up.
#[test]
fn a_refusal_that_trickles_is_not_waited_for() {
    let head = "HTTP/1.1 503 Said\r\ncontent-length: 8\r\n\r\nbusy";
    let trickle = Act::Slowly(vec![head.to_owned(), "busy".to_owned()], Duration::from_secs(5));
    let upstream = Upstream::answering(vec![trickle, say(200, &[], "done")]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let began = Instant::now();
    assert_eq!(call(gateway.address, "GET /", &[], "").body, "done");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let [first, second] = &upstream.seen()[..] else { panic!("{:?}", upstream.seen()) };
    assert_ne!(first.connection, second.connection);
}
