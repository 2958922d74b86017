//! Requests that two readers could take for two different things.

use super::{OK, Recorder, exchange};
use crate::process::Gateway;

/// What comes of a request with these lines and this body: one at the upstream with this body, or, with `None`, a
/// refusal that ends the connection.
#[track_caller]
fn check(gateway: &Gateway, upstream: &Recorder, lines: &str, body: &str, expected: Option<&str>) {
    let before = upstream.messages().len();
    let sent = format!("POST /a HTTP/1.1\r\nhost: a\r\n{lines}\r\n{body}");
    let (said, is_closed) = exchange(gateway.address, sent.as_bytes());
    let seen = upstream.messages().split_off(before);
    match expected {
        None => {
            assert!(said.starts_with("HTTP/1.1 400 ") && is_closed, "{lines:?} {body:?}: {said}");
            assert_eq!(seen, [], "{lines:?} {body:?}");
        }
        Some(expected) => {
            assert!(said.starts_with("HTTP/1.1 200 "), "{lines:?} {body:?}: {said}");
            let bodies: Vec<_> = seen.iter().map(|seen| seen.body.as_str()).collect();
            assert_eq!(bodies, [expected], "{lines:?} {body:?}");
        }
    }
}

#[test]
fn a_request_has_one_end_or_none_is_sent() {
    let upstream = Recorder::start(OK);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let hidden = "GET /b HTTP/1.1\r\nhost: a\r\n\r\n";
    let length = format!("content-length: {}\r\n", hidden.len());
    let rows: &[(&str, &str, Option<&str>)] = &[
        (&length, hidden, Some(hidden)),
        ("content-length: 5\r\ncontent-length: 5\r\n", "hello", Some("hello")),
        ("content-length: 5\r\ncontent-length: 6\r\n", "hello!", None),
        ("content-length: 5, 6\r\n", "hello!", None),
        ("content-length: 5, 5\r\n", "hello", None),
        ("content-length: +5\r\n", "hello", None),
        ("content-length: -5\r\n", "hello", None),
        ("content-length: 0x5\r\n", "hello", None),
        ("content-length: 5 5\r\n", "hello", None),
        ("content-length:\r\n", "hello", None),
        ("content-length: 99999999999999999999\r\n", "hello", None),
        ("transfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", Some("hello")),
        ("transfer-encoding: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n", Some("hello")),
        ("transfer-encoding:   chunked\t\r\n", "5\r\nhello\r\n0\r\n\r\n", Some("hello")),
        // A coding decides over a length (RFC 9112 section 6.3), and the length goes no further.
        ("content-length: 3\r\ntransfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", Some("hello")),
        ("transfer-encoding: chunked\r\ncontent-length: 3\r\n", "5\r\nhello\r\n0\r\n\r\n", Some("hello")),
        ("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n", None),
        ("transfer-encoding: identity, chunked\r\n", "0\r\n\r\n", None),
        ("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n", None),
        ("transfer-encoding: identity\r\n", "0\r\n\r\n", None),
        ("transfer-encoding: xchunked\r\n", "0\r\n\r\n", None),
        ("transfer-encoding: \"chunked\"\r\n", "0\r\n\r\n", None),
        ("transfer-encoding: chunked;a=b\r\n", "0\r\n\r\n", None),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n", None),
        ("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", "0\r\n\r\n", None),
        ("transfer-encoding: \x0bchunked\r\n", "0\r\n\r\n", None),
        ("transfer-encoding : chunked\r\n", "0\r\n\r\n", None),
        (" transfer-encoding: chunked\r\n", "0\r\n\r\n", None),
        ("x: 1\r\n transfer-encoding: chunked\r\n", "0\r\n\r\n", None),
        ("x: 1\rtransfer-encoding: chunked\r\n", "0\r\n\r\n", None),
        ("x: 1\0\r\n", "", None),
        ("x\0: 1\r\n", "", None),
        ("x y: 1\r\n", "", None),
        (": 1\r\n", "", None),
        ("x\r\n", "", None),
    ];
    for (lines, body, expected) in rows {
        check(&gateway, &upstream, lines, body, *expected);
    }
}

/// It is on its way when its chunks turn out to be none, and so it breaks off on both sides.
#[test]
fn a_body_that_is_no_chunks_is_nobodys_request() {
    let chunked = "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
    ] {
        let upstream = Recorder::start(OK);
        let gateway = Gateway::before(&upstream.url(), &[]);
        let (said, _) = exchange(gateway.address, format!("{chunked}{body}").as_bytes());
        assert!(!said.contains(" 200 "), "{body:?}: {said}");
        assert_eq!(upstream.messages(), [], "{body:?}");
    }
    // An extension is for this connection.
    let upstream = Recorder::start(OK);
    let gateway = Gateway::before(&upstream.url(), &[]);
    check(
        &gateway,
        &upstream,
        "transfer-encoding: chunked\r\n",
        "5;a=\"b\"\r\nhello\r\n0\r\n\r\n",
        Some("hello"),
    );
}

#[test]
fn a_line_is_one_line() {
    let upstream = Recorder::start(OK);
    let gateway = Gateway::before(&upstream.url(), &[]);
    for start in [
        "GET /a\r\nx: 1 HTTP/1.1",
        "GET /a\nx: 1 HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /a\0 HTTP/1.1",
        "GET  /a HTTP/1.1",
        "GET /a\tHTTP/1.1",
        "G\0T /a HTTP/1.1",
        "GET a HTTP/1.1",
        "GET /a HTTP/1.2",
        "GET /a HTTP/1.1 ",
    ] {
        let (said, is_closed) = exchange(gateway.address, format!("{start}\r\nhost: a\r\n\r\n").as_bytes());
        assert!(said.starts_with("HTTP/1.1 4") && is_closed, "{start:?}: {said}");
    }
    assert_eq!(upstream.messages(), []);
    // What is escaped stays so.
    let sent = "GET /a%0d%0ax:%201?b=%0a%00 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    exchange(gateway.address, sent.as_bytes());
    let [seen] = &upstream.messages()[..] else { panic!("{:?}", upstream.messages()) };
    assert!(seen.head.starts_with("GET /a%0d%0ax:%201?b=%0a%00 HTTP/1.1\r\n"), "{}", seen.head);
}

#[test]
fn lines_that_end_in_a_line_feed_alone_are_made_right() {
    let upstream = Recorder::start(OK);
    let gateway = Gateway::before(&upstream.url(), &[]);
    exchange(gateway.address, b"POST /a HTTP/1.1\nhost: a\ncontent-length: 5\nconnection: close\n\nhello");
    let [seen] = &upstream.messages()[..] else { panic!("{:?}", upstream.messages()) };
    assert_eq!(seen.body, "hello");
}

/// An upstream that took it would be spoken to past the gateway.
#[test]
fn h2c_goes_no_further() {
    let upstream = Recorder::start(OK);
    let gateway = Gateway::before(&upstream.url(), &[]);
    for lines in [
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
        "connection: upgrade\r\nupgrade: websocket, H2C\r\n",
        "upgrade: websocket\r\n",
    ] {
        exchange(gateway.address, format!("GET /a HTTP/1.1\r\nhost: a\r\n{lines}\r\n").as_bytes());
        let seen = upstream.messages().pop().expect("it is an ordinary request");
        for name in ["upgrade:", "http2-settings:", "connection:"] {
            assert!(!seen.head.contains(name), "{lines:?}: {}", seen.head);
        }
    }
}
