//! Clients of HTTP/2 that say what HTTP/1.1 would take for something else (RFC 9113 section 8), frame by frame.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use testkit::raw_http2::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame,
};

use super::{OK, Recorder};
use crate::client::header;
use crate::process::Gateway;

/// What became of the first stream.
#[derive(Debug, PartialEq)]
enum End {
    /// Answered with 200, or with 400.
    Ok,
    Bad,
    /// The stream was reset, or the connection was closed.
    Gone,
}

/// Sends one request, with a body or without.
#[track_caller]
fn send(gateway: SocketAddr, fields: &[(&str, &str)], body: Option<&str>) -> End {
    let mut socket = TcpStream::connect(gateway).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut block = Vec::new();
    for (name, value) in fields {
        // A literal that is not indexed (RFC 7541 section 6.2.2).
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    let ends = if body.is_none() { END_STREAM } else { 0 };
    bytes.extend(frame(HEADERS, END_HEADERS | ends, 1, &block));
    if let Some(body) = body {
        bytes.extend(frame(DATA, END_STREAM, 1, body.as_bytes()));
    }
    socket.write_all(&bytes).unwrap();
    loop {
        let mut head = [0; 9];
        if socket.read_exact(&mut head).is_err() {
            return End::Gone;
        }
        let [l0, l1, l2, kind, _, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        if socket.read_exact(&mut payload).is_err() {
            return End::Gone;
        }
        match (kind, u32::from_be_bytes(id)) {
            // Entries of the static table (RFC 7541 appendix A).
            (HEADERS, 1) if payload[0] == 0x88 => return End::Ok,
            (HEADERS, 1) if payload[0] == 0x8c => return End::Bad,
            (HEADERS, 1) => panic!("another status: {payload:?}"),
            (RST_STREAM, 1) | (GOAWAY, _) => return End::Gone,
            _ => {}
        }
    }
}

const USUAL: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":path", "/a"), (":authority", "a.example")];

#[test]
fn what_http1_would_read_otherwise_is_not_sent() {
    let upstream = Recorder::start(OK);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let hidden = "b\r\n\r\nGET /c HTTP/1.1\r\n";
    let more: &[&[(&str, &str)]] = &[
        &[("connection", "close")],
        &[("transfer-encoding", "chunked")],
        &[("upgrade", "websocket")],
        &[("keep-alive", "1")],
        &[("proxy-connection", "close")],
        &[("te", "gzip")],
        &[("X-Upper", "1")],
        &[("x", hidden)],
        &[("x", "a\nb")],
        &[("x", "a\0b")],
        &[("x\r\ny", "1")],
        &[("x: y", "1")],
        &[("x y", "1")],
        &[("", "1")],
        &[(":path", "/b")],
        &[(":status", "200")],
        &[(":other", "1")],
        &[("x", "1"), (":authority", "b.example")],
        &[("host", "b.example")],
        &[("host", "a.example"), ("host", "a.example")],
        &[("content-length", "5"), ("content-length", "6")],
        &[("content-length", "five")],
    ];
    for more in more {
        let end = send(gateway.address, &[&USUAL, *more].concat(), None);
        assert_ne!(end, End::Ok, "{more:?}");
    }
    for (place, value) in [
        (0, "GET /c HTTP/1.1\r\nx:"),
        (0, "G T"),
        (0, ""),
        (2, "/a b"),
        (2, "/a\r\nx: 1"),
        (2, ""),
        (2, "a"),
        (3, "u@a.example"),
        (3, "a.example/b"),
        (3, "a.example, b.example"),
        (3, "a.example\r\nx: 1"),
    ] {
        let mut fields = USUAL;
        fields[place].1 = value;
        assert_ne!(send(gateway.address, &fields, None), End::Ok, "{} {value:?}", fields[place].0);
    }
    for missing in [":method", ":scheme", ":path"] {
        let fields: Vec<_> = USUAL.into_iter().filter(|(name, _)| *name != missing).collect();
        assert_ne!(send(gateway.address, &fields, None), End::Ok, "without {missing}");
    }
    assert_eq!(upstream.messages(), []);
}

#[test]
fn a_length_is_that_of_the_body() {
    let upstream = Recorder::start(OK);
    let gateway = Gateway::before(&upstream.url(), &[]);
    for (length, body, expected) in [
        ("5", Some("hello"), End::Ok),
        ("4", Some("hello"), End::Gone),
        ("6", Some("hello"), End::Gone),
        ("5", None, End::Gone),
        ("0", Some("GET /c HTTP/1.1\r\nhost: a\r\n\r\n"), End::Gone),
    ] {
        let fields = [&USUAL[..], &[("content-length", length)]].concat();
        let end = send(gateway.address, &fields, body);
        assert_eq!(end == End::Ok, expected == End::Ok, "{length} {body:?}: {end:?}");
    }
    let seen = upstream.messages();
    assert!(seen.iter().all(|seen| seen.head.starts_with("POST /a")), "{seen:?}");
    assert_eq!(seen.iter().filter(|seen| seen.body == "hello").count(), 1, "{seen:?}");
}

#[test]
fn what_is_right_arrives() {
    let upstream = Recorder::start(OK);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let fields = [&USUAL[..], &[("te", "trailers"), ("x", "1"), ("host", "a.example")]].concat();
    assert_eq!(send(gateway.address, &fields, Some("hello")), End::Ok);
    let [seen] = &upstream.messages()[..] else { panic!("{:?}", upstream.messages()) };
    assert_eq!((seen.body.as_str(), header(&seen.head, "x")), ("hello", Some("1")));
    assert_eq!(header(&seen.head, "x-forwarded-host"), Some("a.example"));
}
