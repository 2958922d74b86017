//! How the body of a response ended, in the log and in the metrics, and what its client sees of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::client::{Reply, call, open, parse};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, say};

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [{:?}]\n\
         response_idle_timeout = \"1s\"\n[[routes]]\nupstream = \"api\"\n",
        upstream.url()
    ))
}

/// Says this to each request, and closes the connection.
fn part(piece: &str) -> Upstream {
    Upstream::answering(vec![Act::Part(piece.to_owned(), Duration::from_millis(20))])
}

/// The end and the bytes of each body in the log, after so many lines.
fn ends(gateway: &Gateway, lines: usize) -> Vec<(String, u64)> {
    let end = |line: &serde_json::Value| {
        let end = line["response_end"].as_str().unwrap_or("none").to_owned();
        (end, line["response_bytes"].as_u64().unwrap_or(0))
    };
    gateway.log(lines).iter().map(end).collect()
}

/// How many responses were cut, by this word.
fn cut(gateway: &Gateway, word: &str) -> f64 {
    gateway.metric(&format!("upstream_rq_response_cut_total{{upstream=\"api\",reason=\"{word}\"}}"))
}

/// Sends a request as it is, and reads what comes until the gateway closes the connection.
fn raw(gateway: &Gateway, request: &str) -> Reply {
    let mut socket = TcpStream::connect(gateway.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).expect("the gateway closes the connection");
    parse(&bytes)
}

#[test]
fn a_whole_body_is_whole() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let upstream = Upstream::start(move |_, seen| match () {
        () if seen.head.starts_with("GET /chunked") => Act::Say(chunked.to_owned()),
        () if seen.head.starts_with("HEAD") => {
            Act::Say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_owned())
        }
        () if seen.head.starts_with("GET /none") => Act::Say("HTTP/1.1 204 No\r\n\r\n".to_owned()),
        () => say(200, &[], "hello"),
    });
    let gateway = gateway(&upstream);
    for (line, bytes) in [("GET /", 5), ("GET /chunked", 5), ("GET /none", 0), ("HEAD /", 0), ("POST /", 5)] {
        call(gateway.address, line, &[], "");
        let ends = ends(&gateway, upstream.seen().len());
        assert_eq!(ends.last().unwrap(), &("whole".to_owned(), bytes), "{line}");
    }
    assert!(!gateway.ask("/metrics").body.contains("upstream_rq_response_cut_total{"));
}

#[test]
fn a_body_that_the_upstream_cuts_is_told_and_counted() {
    for piece in [
        "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nnot a size\r\n",
    ] {
        let upstream = part(piece);
        let gateway = gateway(&upstream);
        for (line, requests) in [("GET /", 1), ("POST /", 2)] {
            let reply = call(gateway.address, line, &[], "");
            assert_eq!(reply.status, 200, "{piece}");
            assert!(reply.body.contains("hello") && !reply.body.ends_with("0\r\n\r\n"), "{piece}: {reply:?}");
            assert_eq!(
                ends(&gateway, requests).last().unwrap(),
                &("cut-by-upstream".to_owned(), 5),
                "{piece}"
            );
        }
        assert_eq!(cut(&gateway, "cut-by-upstream"), 2.0, "{piece}");
        assert_eq!(gateway.log(2)[0]["status"], 200);
    }
}

#[test]
fn a_body_that_stalls_is_told_and_counted() {
    let pieces = ["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", "world"].map(str::to_owned);
    let upstream = Upstream::answering(vec![Act::Slowly(pieces.into(), Duration::from_secs(5))]);
    let gateway = gateway(&upstream);
    assert_eq!(call(gateway.address, "GET /", &[], "").body, "hello");
    assert_eq!(ends(&gateway, 1), [("timed-out".to_owned(), 5)]);
    assert_eq!((cut(&gateway, "timed-out"), cut(&gateway, "cut-by-upstream")), (1.0, 0.0));
}

#[test]
fn a_body_that_the_client_cuts_is_told_and_counted() {
    let pieces =
        ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(), "5\r\nhello\r\n".to_owned()];
    let script = move |_: usize, _: &crate::upstream::Seen| {
        Act::Slowly(
            pieces.iter().cloned().chain((0..100).map(|_| "1\r\nx\r\n".to_owned())).collect(),
            Duration::from_millis(100),
        )
    };
    let upstream = Upstream::start(script);
    let gateway = gateway(&upstream);
    let mut socket = open(gateway.address, "GET /", &[], "");
    let mut read = [0; 1_024];
    assert!(socket.read(&mut read).unwrap() > 0);
    drop(socket);
    let ends = ends(&gateway, 1);
    assert_eq!(ends[0].0, "cut-by-client");
    assert!(ends[0].1 < 100, "{ends:?}");
    assert_eq!((cut(&gateway, "cut-by-client"), cut(&gateway, "cut-by-upstream")), (1.0, 0.0));
}

#[test]
fn the_head_gets_through_before_a_chunk_that_is_none() {
    let upstream = part("HTTP/1.1 200 OK\r\nx-is: head\r\ntransfer-encoding: chunked\r\n\r\nzzzz\r\n");
    let gateway = gateway(&upstream);
    for line in ["GET /", "POST /"] {
        let reply = call(gateway.address, line, &[], "");
        assert_eq!((reply.status, reply.header("x-is")), (200, Some("head")));
        assert!(!reply.body.contains("0\r\n\r\n"), "the end is not promised: {reply:?}");
    }
}

#[test]
fn a_response_of_http_1_0_goes_out_as_http_1_1_with_an_end_that_can_be_seen() {
    let upstream = part("HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nhello");
    let gateway = gateway(&upstream);
    let reply = call(gateway.address, "GET /", &[], "");
    assert!(reply.head.starts_with("HTTP/1.1 200"), "{}", reply.head);
    assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
    assert_eq!(reply.body, "5\r\nhello\r\n0\r\n\r\n");
    // The connection of the client is kept, although that of the upstream was not.
    let mut socket = TcpStream::connect(gateway.address).unwrap();
    for _ in 0..2 {
        socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let mut text = String::new();
        while !text.ends_with("0\r\n\r\n") {
            let mut bytes = [0; 1_024];
            let read = socket.read(&mut bytes).unwrap();
            assert!(read > 0, "{text}");
            text += std::str::from_utf8(&bytes[..read]).unwrap();
        }
    }
}

/// Only the end of the connection tells such a client the end of the body, so an orderly end would say that it is whole.
#[test]
fn a_client_of_http_1_0_sees_that_a_body_is_cut() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let stalls = Act::Slowly(vec![format!("{head}5\r\nhello\r\n"), String::new()], Duration::from_secs(5));
    let large = format!("{head}{:x}\r\n{}\r\n", 3 << 20, "x".repeat(3 << 20));
    let cuts = |piece: String| Act::Part(piece, Duration::from_millis(20));
    for (act, length) in [
        (cuts(format!("{head}5\r\nhello\r\n")), 5),
        (cuts(format!("{head}5\r\nhello\r\nnot a size\r\n")), 5),
        (cuts(large), 3 << 20),
        (stalls, 5),
    ] {
        let upstream = Upstream::answering(vec![act]);
        let gateway = gateway(&upstream);
        for line in ["", "connection: keep-alive\r\n"] {
            let mut socket = TcpStream::connect(gateway.address).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            socket.write_all(format!("GET / HTTP/1.0\r\nhost: a\r\n{line}\r\n").as_bytes()).unwrap();
            let mut bytes = Vec::new();
            let error = socket.read_to_end(&mut bytes).expect_err("the end is not orderly");
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            assert_eq!(parse(&bytes).body.len(), length, "all that came before is read");
        }
    }
}

#[test]
fn a_client_of_http_1_0_is_promised_no_connection_that_is_then_closed() {
    let request = "GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n";
    for piece in [
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let upstream = part(piece);
        let reply = raw(&gateway(&upstream), request);
        assert!(reply.head.starts_with("HTTP/1.0 200"), "{}", reply.head);
        assert_eq!(
            (reply.header("connection"), reply.header("transfer-encoding")),
            (None, None),
            "{}",
            reply.head
        );
        assert_eq!(reply.body, "hello");
    }
    // A length lets the client see the end, so its connection is kept.
    let upstream = Upstream::answering(vec![say(200, &[], "hello")]);
    let gateway = gateway(&upstream);
    let mut socket = TcpStream::connect(gateway.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for _ in 0..2 {
        socket.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        while !text.ends_with("hello") {
            let mut bytes = [0; 1_024];
            let read = socket.read(&mut bytes).unwrap();
            assert!(read > 0, "{text}");
            text += std::str::from_utf8(&bytes[..read]).unwrap();
        }
        assert!(text.to_ascii_lowercase().contains("connection: keep-alive\r\n"), "{text}");
    }
}
