//! Responses that two readers could take for two different things.

use testkit::raw_http2::{
    DEFAULT_WINDOW, END_HEADERS, END_STREAM, Frames, HEADERS, RawHttp2Server, StreamDeed,
};

use crate::client::call;
use crate::configured::gateway;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, say};

use super::{Recorder, exchange};

#[test]
fn an_answer_has_one_end_or_it_is_none() {
    for lines in [
        "content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        "content-length: 5, 6\r\n\r\nhello!",
        "content-length: five\r\n\r\nhello",
        "transfer-encoding: identity\r\n\r\nhello",
        "x: 1\r\n y: 2\r\ncontent-length: 5\r\n\r\nhello",
        "x: 1\0\r\ncontent-length: 5\r\n\r\nhello",
        "x : 1\r\ncontent-length: 5\r\n\r\nhello",
    ] {
        let upstream = Upstream::answering(vec![Act::Say(format!("HTTP/1.1 200 OK\r\n{lines}"))]);
        let gateway = Gateway::before(&upstream.url(), &[]);
        let twice = [(); 2].map(|()| call(gateway.address, "POST /", &[], "a").status);
        assert_eq!(twice, [502, 502], "{lines:?}");
        let connections: Vec<_> = upstream.seen().iter().map(|seen| seen.connection).collect();
        assert_eq!(connections, [0, 1], "{lines:?}");
    }
}

/// Its chunks end where they say, so the next answer begins there; nothing of this one is passed on.
#[test]
fn an_answer_with_two_lengths_is_none() {
    for lines in [
        "content-length: 3\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 3",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: gzip, chunked",
    ] {
        let chunked = format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        let upstream = Upstream::answering(vec![Act::Say(chunked), say(200, &[], "well")]);
        let gateway = Gateway::before(&upstream.url(), &[]);
        let replies = [(); 2].map(|()| call(gateway.address, "POST /", &[], "a"));
        assert_eq!((replies[0].status, replies[1].body.as_str()), (502, "well"), "{lines:?}");
        assert!(!replies[0].body.contains("hello"), "{lines:?}");
    }
}

/// What follows an answer was not asked for.
#[test]
fn a_second_answer_is_for_nobody() {
    const TWO: &str =
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let upstream = Recorder::start(TWO);
    let gateway = Gateway::before(&upstream.url(), &[]);
    for _ in 0..3 {
        let (said, _) = exchange(gateway.address, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        assert!(said.ends_with("\r\n\r\nok"), "{said}");
    }
    assert_eq!(upstream.connections(), 3);
}

#[test]
fn the_same_length_twice_is_said_once() {
    let twice = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok";
    let upstream = Upstream::answering(vec![Act::Say(twice.to_owned())]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let reply = call(gateway.address, "GET /", &[], "");
    assert_eq!((reply.status, reply.body.as_str()), (200, "ok"));
    assert_eq!(reply.head.matches("content-length").count(), 1, "{}", reply.head);
}

/// It would be malformed the next time too, and the endpoint lives.
#[test]
fn a_malformed_answer_is_not_asked_for_again() {
    let once = |gateway: &Gateway| {
        let reply = call(gateway.address, "GET /", &[], "");
        let record = &gateway.log(1)[0];
        assert!(reply.status == 502 && reply.body.contains("not valid HTTP"), "{}{record}", reply.body);
        let attempts = record["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 1, "{record}");
        assert_eq!(attempts[0]["error"], "malformed response", "{record}");
    };
    let ejecting = "outlier_detection = { consecutive_5xx = 1 }";
    for lines in ["content-length: 3\r\ntransfer-encoding: chunked", "transfer-encoding: xx"] {
        let said = format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        let upstream = Upstream::answering(vec![Act::Say(said), say(200, &[], "well")]);
        let gateway = gateway(&[upstream.url()], ejecting, "", "");
        once(&gateway);
        assert_eq!(call(gateway.address, "GET /", &[], "").body, "well");
    }
    // Literals without a name of the table: `x-a: 1` without a status, `connection: close`, `X: 1`.
    let no_status: Frames = &[(HEADERS, END_HEADERS | END_STREAM, b"\x10\x03x-a\x011")];
    let connection: Frames = &[(HEADERS, END_HEADERS | END_STREAM, b"\x88\x10\x0aconnection\x05close")];
    let upper_case: Frames = &[(HEADERS, END_HEADERS | END_STREAM, b"\x88\x10\x01X\x011")];
    // `content-length: 5` without any content.
    let no_content: Frames = &[(HEADERS, END_HEADERS | END_STREAM, b"\x88\x0f\x0d\x015")];
    for frames in [no_status, connection, upper_case, no_content] {
        let server = RawHttp2Server::start_blocking(DEFAULT_WINDOW, vec![StreamDeed::Send(frames)]);
        let lines = format!("protocol = \"http2\"\n{ejecting}");
        let gateway = gateway(&[server.url()], &lines, "", "");
        once(&gateway);
        assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    }
}

/// It would take the client's next bytes for something else.
#[test]
fn nobody_switches_who_was_not_asked_to() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: evil\r\n\r\n";
    let upstream = Upstream::answering(vec![Act::Say(switch.to_owned())]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let (said, _) = exchange(gateway.address, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(!said.starts_with("HTTP/1.1 101"), "{said}");
    // It is a response that is not valid, and the log says so.
    assert!(said.starts_with("HTTP/1.1 502") && said.contains("not valid HTTP"), "{said}");
    let record = &gateway.log(1)[0];
    assert_eq!(record["attempts"][0]["error"], "malformed response", "{record}");
}
