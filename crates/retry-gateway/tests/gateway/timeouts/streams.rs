//! `write_timeout` of an HTTP/2 stream: a client that opens no window for it.

use std::thread;
use std::time::{Duration, Instant};

use testkit::raw_http2::{CANCEL, DATA, DEFAULT_WINDOW, RST_STREAM};

use super::{check_no_load, check_took, gateway};
use crate::client::call;
use crate::http2_client::Http2Client;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, response, say};

fn upstream() -> Upstream {
    Upstream::start(|_, seen| match seen.head.split(' ').nth(1) {
        Some("/large") => Act::Say(response(200, &[], &"x".repeat(1 << 20))),
        Some("/late") => Act::Slowly(
            vec![response(200, &[], "").replace(": 0", ": 1"), "x".to_owned()],
            Duration::from_millis(2_500),
        ),
        _ => say(200, &[], "done"),
    })
}

#[track_caller]
fn with_timeout(upstream: &Upstream, lines: &str) -> Gateway {
    gateway(&upstream.url(), "write_timeout = \"1s\"", lines, "", "")
}

fn rejected(gateway: &Gateway) -> f64 {
    gateway.metric("downstream_rq_rejected_total{reason=\"write_timeout\"}")
}

#[test]
fn a_stream_without_window_is_reset_and_gives_back_its_permit() {
    let upstream = upstream();
    let gateway = with_timeout(&upstream, "max_requests = 12");
    let began = Instant::now();
    let mut client = Http2Client::connect(gateway.address, 0);
    let mut streams: Vec<_> =
        ["/", "/large"].iter().cycle().take(10).map(|path| client.send("GET", path, None)).collect();
    // A body of which the client takes the start alone.
    streams.push(client.send("GET", "/large", None));
    client.grow(streams[10], 20_000);
    for _ in 0..11 {
        let reset = loop {
            let frame = client.read().expect("the connection stays");
            if frame.kind == RST_STREAM {
                break frame;
            }
        };
        assert!(streams.contains(&reset.stream) && reset.payload == CANCEL.to_be_bytes(), "{reset:?}");
        streams.retain(|stream| *stream != reset.stream);
    }
    check_took(began, 900, 2_800);
    check_no_load(&gateway);
    assert_eq!((streams.len(), rejected(&gateway)), (0, 11.0));
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    // The connection serves further streams.
    let stream = client.send("GET", "/", None);
    client.grow(stream, 100);
    assert_eq!(client.read_end(stream).expect("an answer").kind, DATA);
}

#[test]
fn a_stream_whose_client_takes_a_little_now_and_then_is_not_reset() {
    let upstream = upstream();
    let gateway = with_timeout(&upstream, "");
    let mut client = Http2Client::connect(gateway.address, 0);
    let (tiny, small) = (client.send("GET", "/", None), client.send("GET", "/large", None));
    // Of the large one, far less than a piece fits into the window at a time.
    for _ in 0..4 {
        client.grow(tiny, 1);
        client.grow(small, 100);
        thread::sleep(Duration::from_millis(600));
    }
    assert_eq!(rejected(&gateway), 0.0);
    client.grow(small, 2 << 20);
    let mut taken = 0;
    loop {
        let frame = client.read().expect("the connection stays");
        assert_eq!(u32::from(frame.kind == RST_STREAM), 0, "{frame:?}");
        if frame.stream == small && frame.kind == DATA {
            taken += frame.payload.len();
        }
        if frame.stream == small && frame.ends_stream() {
            break;
        }
    }
    assert_eq!(taken, 1 << 20);
}

/// What the upstream has not sent, no client can take.
#[test]
fn a_stream_that_waits_for_its_upstream_is_not_reset() {
    let upstream = upstream();
    let gateway = with_timeout(&upstream, "");
    let mut client = Http2Client::connect(gateway.address, DEFAULT_WINDOW);
    let stream = client.send("GET", "/late", None);
    let frame = client.read_end(stream).expect("the connection stays");
    assert_eq!((frame.kind, frame.payload), (DATA, b"x".to_vec()));
    assert_eq!(rejected(&gateway), 0.0);
}
