//! The heads and trailers of responses: what fits, and what becomes of the others.

use std::fmt::Write as _;
use std::io::Read;

use http::{HeaderMap, HeaderName, HeaderValue};
use testkit::http2::{Http2Script, Http2Server};

use crate::client::{call, open};
use crate::configured::{gateway, get};
use crate::connections::{state, with_admin};
use crate::upstream::{Act, Upstream, say};

fn lines(count: usize) -> String {
    (0..count).fold(String::new(), |mut lines, number| {
        write!(lines, "x-line-{number}: value\r\n").unwrap();
        lines
    })
}

fn with_lines(lines: &str) -> Act {
    Act::Say(format!("HTTP/1.1 200 Said\r\n{lines}content-length: 4\r\n\r\ndone"))
}

#[test]
fn a_head_of_many_lines_arrives_and_one_of_too_many_is_asked_for_once() {
    for (act, settings, expected) in [
        (with_lines(&lines(255)), "", 200),
        (with_lines(&lines(256)), "", 502),
        (with_lines(&lines(20)), "max_response_headers = 20", 502),
        (with_lines(&lines(256)), "max_response_headers = 300", 200),
        (with_lines(&format!("x-long: {}\r\n", "x".repeat(60_000))), "", 200),
        (with_lines(&format!("x-long: {}\r\n", "x".repeat(70_000))), "", 502),
        (
            with_lines(&format!("x-long: {}\r\n", "x".repeat(9_000))),
            "max_response_header_bytes = \"8KiB\"",
            502,
        ),
        (
            with_lines(&format!("x-long: {}\r\n", "x".repeat(70_000))),
            "max_response_header_bytes = \"80KiB\"",
            200,
        ),
    ] {
        let upstream = Upstream::answering(vec![act.clone()]);
        let gateway = with_admin(&upstream.url(), settings, "");
        let reply = get(&gateway);
        assert_eq!(reply.status, expected, "{settings}");
        if expected == 502 {
            assert!(reply.body.contains("max_response_header_bytes"), "{}", reply.body);
            assert_eq!(gateway.log(1)[0]["attempts"][0]["error"], "head too large");
        }
        // The next answer would be as large, so there is no second attempt, and the endpoint is not to blame.
        assert_eq!(upstream.seen().len(), 1, "{settings}");
        assert_eq!(state(&gateway), "healthy");
    }
}

#[test]
fn an_answer_that_is_not_http_is_asked_for_once() {
    for answer in
        ["HTTP/1.1 200 Said\r\nno colon\r\n\r\n", "HTTP/1.1 9 Said\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n"]
    {
        let upstream = Upstream::answering(vec![Act::Say(answer.to_owned()), say(200, &[], "done")]);
        let gateway = gateway(&[upstream.url()], "", "", "");
        let reply = get(&gateway);
        assert_eq!((reply.status, upstream.seen().len()), (502, 1), "{answer}: {}", reply.body);
        assert!(reply.body.contains("not valid HTTP"), "{}", reply.body);
        // The connection is of no use any more.
        assert_eq!(get(&gateway).body, "done");
    }
}

fn over_http2(script: Http2Script, settings: &str) -> (Http2Server, crate::process::Gateway) {
    let server = Http2Server::start(script);
    let gateway = gateway(&[server.url()], &format!("protocol = \"http2\"\n{settings}"), "", "");
    (server, gateway)
}

#[test]
fn the_limits_of_a_head_hold_over_http2() {
    for (count, settings, expected) in [
        (250, "", 200),
        (257, "", 502),
        (21, "max_response_headers = 20", 502),
        (150, "max_response_header_bytes = \"8KiB\"", 502),
    ] {
        let name = |number| HeaderName::try_from(format!("x-line-{number}")).unwrap();
        let value = HeaderValue::try_from("x".repeat(60)).unwrap();
        let headers: HeaderMap = (0..count).map(|number| (name(number), value.clone())).collect();
        let (server, gateway) = over_http2(Http2Script { headers, ..Http2Script::default() }, settings);
        let reply = get(&gateway);
        assert_eq!((reply.status, server.requests()), (expected, 1), "{count} {settings}: {}", reply.body);
    }
}

#[test]
fn trailers_over_http2_arrive_whole() {
    let details = "A".repeat(20_000);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status-details-bin", HeaderValue::try_from(&details).unwrap());
    trailers.insert("grpc-status", HeaderValue::from_static("8"));
    let headers = HeaderMap::from_iter([(
        HeaderName::from_static("trailer"),
        HeaderValue::from_static("grpc-status, grpc-status-details-bin"),
    )]);
    let (_server, gateway) = over_http2(Http2Script { headers, trailers, ..Http2Script::default() }, "");
    let reply = call(gateway.address, "POST /", &["te: trailers", "connection: te, close"], "hello");
    assert_eq!(reply.status, 200);
    assert!(reply.body.contains("grpc-status: 8\r\n"), "{} bytes", reply.body.len());
    assert!(
        reply.body.contains(&format!("grpc-status-details-bin: {details}\r\n")),
        "{} bytes",
        reply.body.len()
    );
}

/// A client that got a part of the trailers would take it for all of them.
#[test]
fn trailers_that_are_too_large_break_the_response_off() {
    for length in [70_000, 200_000, 270_000, 900_000, 1_100_000] {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-long", HeaderValue::try_from("A".repeat(length)).unwrap());
        trailers.insert("grpc-status", HeaderValue::from_static("8"));
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("trailer"),
            HeaderValue::from_static("grpc-status"),
        )]);
        let (_server, gateway) = over_http2(Http2Script { headers, trailers, ..Http2Script::default() }, "");
        let mut socket = open(gateway.address, "POST /", &["te: trailers", "connection: te, close"], "hello");
        let mut bytes = Vec::new();
        // The error of a connection that was reset is as good as its end.
        let _ = socket.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("HTTP/1.1 200") && text.contains("done"), "{length}: {text}");
        assert!(!text.contains("grpc-status: 8") && !text.ends_with("0\r\n\r\n"), "{length}: {text}");
    }
}
