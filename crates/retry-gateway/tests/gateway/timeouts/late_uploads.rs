//! `body_timeout` after the response has begun: it then holds no stream in both directions to a pace, but bounds
//! an upload that outlasts its response.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use testkit::raw_http2::{
    DATA, DEFAULT_WINDOW, END_HEADERS, END_STREAM, Frames, HEADERS, RawHttp2Server, StreamDeed,
};

use super::{check_took, gateway};
use crate::client::open;
use crate::http2_client::Http2Client;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, say};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const PIECES: usize = 15;

/// Answers with a piece every 100 ms.
fn ticking() -> Upstream {
    let pieces = (0..PIECES).map(|_| "4\r\ntick\r\n".to_owned());
    let script: Vec<_> =
        [CHUNKED.to_owned()].into_iter().chain(pieces).chain(["0\r\n\r\n".to_owned()]).collect();
    Upstream::start(move |_, _| Act::Slowly(script.clone(), Duration::from_millis(100)))
}

/// A gateway, and one in front of it that speaks HTTP/2 to it.
fn gateways(upstream: &Upstream) -> [Gateway; 2] {
    let limits = "body_timeout = \"300ms\"";
    let back = gateway(&upstream.url(), limits, "", "", "");
    let url = format!("http://{}", back.address);
    let front = gateway(&url, limits, "protocol = \"http2\"", "", "");
    [back, front]
}

#[test]
fn a_stream_in_both_directions_may_be_silent() {
    let upstream = ticking();
    let gateways = gateways(&upstream);
    thread::scope(|scope| {
        for gateway in &gateways {
            scope.spawn(move || {
                let mut socket = open(gateway.address, "POST /", &["transfer-encoding: chunked"], "");
                socket.write_all(b"5\r\nhello\r\n").unwrap();
                let mut text = String::new();
                socket.read_to_string(&mut text).unwrap();
                assert_eq!(text.matches("tick").count(), PIECES, "{text}");
                assert!(text.ends_with("0\r\n\r\n"), "{text}");
            });
            scope.spawn(move || {
                let mut client = Http2Client::connect(gateway.address, DEFAULT_WINDOW);
                let stream = client.send("POST", "/", Some(b"hello"));
                let mut pieces = 0;
                loop {
                    let frame = client.read().expect("the connection stays");
                    assert!(matches!(frame.kind, HEADERS | DATA), "{frame:?}");
                    pieces += usize::from(frame.payload == b"tick");
                    if frame.ends_stream() {
                        break;
                    }
                }
                assert_eq!((pieces, stream), (PIECES, 1));
            });
        }
    });
    for (gateway, lines) in gateways.iter().zip([4, 2]) {
        assert!(gateway.log(lines).iter().all(|line| line["response_end"] == "whole"));
    }
}

/// The upstream has answered in full and still waits for the rest of the body.
#[test]
fn an_upload_that_outlasts_its_response_is_bounded_again() {
    let upstream = Upstream::answering(vec![say(200, &[], "done")]);
    let [gateway, _] = gateways(&upstream);
    let began = Instant::now();
    let mut client = Http2Client::connect(gateway.address, DEFAULT_WINDOW);
    let stream = client.send("POST", "/", Some(b"hello"));
    assert_eq!(client.read_end(stream).expect("an answer").payload, b"done");
    let mut socket =
        open(gateway.address, "POST /", &["transfer-encoding: chunked", "connection: keep-alive"], "");
    socket.write_all(b"5\r\nhello\r\n").unwrap();
    assert_eq!(upstream.wait_ends(2).len(), 2);
    check_took(began, 0, 5_000);
}

/// The upstream has answered in full, and takes no more of the body: the client's next request would wait for ever.
#[test]
fn an_upload_that_nobody_takes_after_its_response_ends_with_its_connection() {
    // `:status: 200` is entry 8 of the static table (RFC 7541 appendix A).
    const ANSWER: Frames = &[(HEADERS, END_STREAM | END_HEADERS, &[0x88])];
    let upstream = RawHttp2Server::start_blocking(DEFAULT_WINDOW, vec![StreamDeed::Send(ANSWER)]);
    let gateway = gateway(&upstream.url(), "idle_timeout = \"500ms\"", "protocol = \"http2\"", "", "");
    let headers = ["content-length: 10000000", "connection: keep-alive"];
    let mut socket = open(gateway.address, "POST /", &headers, "");
    let mut writer = socket.try_clone().unwrap();
    let began = Instant::now();
    let upload = thread::spawn(move || writer.write_all(&vec![b'x'; 10_000_000]));
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    check_took(began, 400, 5_000);
    assert!(bytes.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&bytes));
    assert!(upload.join().unwrap().is_err());
}
