//! Clients that wait to be asked for their body (`Expect: 100-continue`).

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use testkit::raw_http2::{DEFAULT_WINDOW, REFUSED_STREAM, RawHttp2Server, StreamDeed};

use crate::client::{Reply, open, parse};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, response, say};

/// How it went with a request.
#[derive(Debug)]
struct Told {
    /// How often the client was asked for its body, and when that was for the first time.
    asked: usize,
    asked_after: Duration,
    reply: Reply,
}

/// Sends a request whose body waits to be asked for.
#[track_caller]
fn call(gateway: SocketAddr, line: &str, headers: &[&str], body: &str) -> Told {
    converse(gateway, line, &[&["expect: 100-continue"], headers].concat(), body, false)
}

#[track_caller]
fn converse(gateway: SocketAddr, line: &str, headers: &[&str], body: &str, is_eager: bool) -> Told {
    let length = format!("content-length: {}", body.len());
    let mut socket = open(gateway, line, &[&[length.as_str()], headers].concat(), "");
    let began = Instant::now();
    if is_eager {
        socket.write_all(body.as_bytes()).unwrap();
    }
    let (mut bytes, mut asked_after) = (Vec::new(), Duration::ZERO);
    let mut buffer = [0; 4_096];
    loop {
        // Whoever sends at once may be cut off while it does.
        let count = socket.read(&mut buffer).unwrap_or_else(|error| panic!("{error}: {}", text(&bytes)));
        if count == 0 {
            break;
        }
        bytes.extend(&buffer[..count]);
        if asked_after.is_zero() && bytes.starts_with(ASK) {
            asked_after = began.elapsed();
            if !is_eager {
                socket.write_all(body.as_bytes()).unwrap();
            }
        }
    }
    let _ = socket.shutdown(Shutdown::Both);
    let mut rest = &bytes[..];
    let mut asked = 0;
    while let Some(after) = rest.strip_prefix(ASK) {
        (rest, asked) = (after, asked + 1);
    }
    assert!(!text(rest).contains("100 Continue"), "{}", text(rest));
    Told { asked, asked_after, reply: parse(rest) }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// How often the client is asked by a gateway whose upstream does this in turn, how often that gets the request, and
/// what the client gets. What the upstream read of it is whole.
#[track_caller]
fn check(line: &str, acts: &[Act], expected: (usize, usize, u16)) {
    let upstream = Upstream::answering(acts.to_vec());
    let gateway = Gateway::before(&upstream.url(), &[]);
    let body = "x".repeat(20_000);
    let told = call(gateway.address, line, &[], &body);
    let seen = upstream.seen();
    assert_eq!((told.asked, seen.len(), told.reply.status), expected, "{line} {acts:?}: {}", told.reply.body);
    for (seen, act) in seen.iter().zip(acts) {
        assert_eq!(seen.header("expect"), Some("100-continue"));
        let is_read = matches!(act, Act::Ask(_) | Act::Await(_));
        assert!(
            seen.body == if is_read { body.as_str() } else { "" },
            "{line} {act:?}: {} bytes",
            seen.body.len()
        );
    }
}

fn ask() -> Act {
    Act::Ask(response(200, &[], "done"))
}

#[test]
fn who_answers_early_gets_no_body() {
    let whole = response(503, &["retry-after: 7"], "busy");
    let (head, late) = whole.split_at(whole.len() - 2);
    // The end of it comes when patience would be over.
    let slow = Act::Slowly(vec![head.to_owned(), late.to_owned()], Duration::from_millis(1_500));
    for first in [Act::Say(whole.clone()), slow] {
        for is_eager in [false, true] {
            let upstream = Upstream::answering(vec![first.clone(), ask()]);
            let gateway = Gateway::before(&upstream.url(), &[]);
            let headers = ["expect: 100-continue", "connection: keep-alive"];
            let told = converse(gateway.address, "POST /", &headers, "hello", is_eager);
            assert_eq!((told.asked, told.reply.status, told.reply.body.as_str()), (0, 503, "busy"));
            assert_eq!(told.reply.header("retry-after"), Some("7"));
            // What follows on this connection would be the body.
            assert_eq!(told.reply.header("connection"), Some("close"));
            assert_eq!(upstream.seen().len(), 1);
            let end = &upstream.wait_ends(1)[0];
            assert_eq!((end.rest.as_str(), end.cut), ("", false), "eager: {is_eager}");
        }
    }
}

#[test]
fn the_client_is_asked_once_whatever_the_attempts() {
    check("POST /", &[ask()], (1, 1, 200));
    check("PUT /", &[ask()], (1, 1, 200));
    check("PUT /", &[say(503, &[], ""), ask()], (1, 2, 200));
    check("PUT /", &[say(503, &[], "busy"), say(503, &[], "busy"), ask()], (1, 3, 200));
    check("PUT /", &[Act::Close, ask()], (1, 2, 200));
    check("PUT /", &[Act::Ask(response(503, &[], "busy")), ask()], (1, 2, 200));
    check("PUT /", &[Act::Ask(response(503, &[], "")), say(503, &[], ""), ask()], (1, 3, 200));
    check("PUT /", &[say(503, &[], ""), say(503, &[], ""), say(503, &[], "")], (0, 3, 503));
    check("POST /", &[say(413, &[], "")], (0, 1, 413));
}

#[test]
fn a_server_that_asks_gets_the_body_at_once() {
    let upstream = Upstream::answering(vec![ask()]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    // On a busy machine one of them may take long, and not all.
    let fast = (0..5).any(|_| {
        let told = call(gateway.address, "POST /", &[], "hello");
        assert_eq!((told.asked, told.reply.status), (1, 200));
        told.asked_after < GRACE
    });
    assert!(fast);
}

#[test]
fn a_server_that_waits_without_asking_gets_the_body_after_a_while() {
    let waits = Act::Await(response(200, &[], "done"));
    check("POST /", std::slice::from_ref(&waits), (1, 1, 200));
    let upstream = Upstream::answering(vec![waits]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let told = call(gateway.address, "PUT /", &[], "hello");
    assert!(told.asked == 1 && told.asked_after >= GRACE, "{told:?}");
    assert_eq!((upstream.seen().len(), upstream.seen()[0].body.as_str()), (1, "hello"));
    // Early enough for a try that may not take long.
    let gateway = Gateway::by(&format!(
        "[upstreams.api]\nendpoints = [{:?}]\n[[routes]]\nupstream = \"api\"\n\
         [routes.retry]\nper_try_timeout = \"1s\"\nnum_retries = 0\n",
        upstream.url()
    ));
    assert_eq!(call(gateway.address, "PUT /", &[], "hello").reply.status, 200);
}

#[test]
fn a_client_that_does_not_expect_to_be_asked_is_not() {
    let upstream = Upstream::answering(vec![say(200, &[], "done")]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let fast = (0..5).any(|_| {
        let began = Instant::now();
        let told = converse(gateway.address, "POST /", &["expect: nothing"], "hello", true);
        assert_eq!((told.asked, told.reply.status), (0, 200));
        began.elapsed() < GRACE
    });
    assert!(fast);
}

/// An expectation that cannot be met is met without (protocol row 20), with any method.
#[test]
fn who_cannot_be_expected_to_ask_is_not() {
    for line in ["PUT /", "POST /"] {
        let upstream = Upstream::answering(vec![say(417, &[], ""), say(200, &[], "done")]);
        let gateway = Gateway::before(&upstream.url(), &[]);
        let told = call(gateway.address, line, &[], "hello");
        assert_eq!((told.asked, told.reply.status), (1, 200), "{line}");
        let [first, second] = &upstream.seen()[..] else { panic!("{:?}", upstream.seen()) };
        assert_eq!((first.header("expect"), first.body.as_str()), (Some("100-continue"), ""));
        assert_eq!((second.header("expect"), second.body.as_str()), (None, "hello"));
    }
}

/// Over HTTP/2 nobody hears the upstream ask, but who refuses early gets no body there, either.
#[test]
fn over_http2_a_refusal_is_waited_for_too() {
    let body = "x".repeat(3 * 1024 * 1024);
    for first in [StreamDeed::ResetStream(REFUSED_STREAM), StreamDeed::GoAwayBefore] {
        let upstream = RawHttp2Server::start_blocking(DEFAULT_WINDOW, vec![first]);
        let gateway = Gateway::by(&format!(
            "[upstreams.api]\nendpoints = [{:?}]\nprotocol = \"http2\"\n[[routes]]\nupstream = \"api\"\n",
            upstream.url()
        ));
        let told = call(gateway.address, "POST /", &[], &body);
        assert_eq!((told.asked, told.reply.status), (1, 200), "{first:?}: {}", told.reply.body);
        let streams = upstream.streams();
        assert_eq!((streams.len(), streams[1].body == body.as_bytes()), (2, true), "{first:?}");
    }
}

const ASK: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// How long the upstream may think about it.
const GRACE: Duration = Duration::from_secs(1);
