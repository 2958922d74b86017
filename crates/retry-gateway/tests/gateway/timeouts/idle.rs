//! `idle_timeout`: connections between two requests.

use std::io::Read;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use testkit::raw_http2::{DATA, DEFAULT_WINDOW, GOAWAY};

use super::{check_took, gateway};
use crate::client::call_over;
use crate::http2_client::Http2Client;
use crate::upstream::{Upstream, say};

/// No other timer wakes these connections: attempts have no timeout, and the others are an hour.
const OTHERS: &str = "header_timeout = \"1h\"\nbody_timeout = \"1h\"\nwrite_timeout = \"1h\"";
const RETRY: &str = "per_try_timeout = false";

#[test]
fn each_of_many_connections_is_closed_when_it_is_idle() {
    let upstream = Upstream::answering(vec![say(200, &[], "done")]);
    let limits = format!("idle_timeout = \"1500ms\"\n{OTHERS}");
    let gateway = gateway(&upstream.url(), &limits, "", "", RETRY);
    let opened = Instant::now();
    let http1 = (0..30).map(|number| {
        let mut socket = TcpStream::connect(gateway.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // Some ask more than once, and some send a head in two packets.
        for _ in 0..=number % 3 {
            assert_eq!(call_over(&mut socket, "GET /").status, 200);
        }
        socket
    });
    let http1: Vec<_> = http1.collect();
    let http2 = (0..20).map(|number| {
        let mut client = Http2Client::connect(gateway.address, DEFAULT_WINDOW);
        for _ in 0..number % 3 {
            let stream = client.send("GET", "/", None);
            assert_eq!(client.read_end(stream).expect("an answer").kind, DATA);
        }
        client
    });
    let http2: Vec<_> = http2.collect();
    let quiet = Instant::now();
    assert_eq!(gateway.metric("downstream_cx_active"), 50.0, "{:?}", opened.elapsed());
    for mut socket in http1 {
        assert_eq!(socket.read(&mut [0; 8]).unwrap_or(0), 0, "it stays open");
    }
    for mut client in http2 {
        while let Some(frame) = client.read() {
            assert!(frame.stream == 0, "{frame:?}");
        }
    }
    check_took(quiet, 300, 3_500);
    // Idle is no rejection, and takes nothing from others.
    assert_eq!(gateway.metric("downstream_rq_rejected_total{reason=\"header_timeout\"}"), 0.0);
}

/// The client learns that the connection closes, so it sends no request that gets lost. One that is on its way then is
/// answered.
#[test]
fn a_client_of_http2_is_told_before_its_connection_closes() {
    let upstream = Upstream::answering(vec![say(200, &[], "done")]);
    let gateway = gateway(&upstream.url(), &format!("idle_timeout = \"300ms\"\n{OTHERS}"), "", "", RETRY);
    for late in [false, true] {
        let mut client = Http2Client::connect(gateway.address, DEFAULT_WINDOW);
        let stream = client.send("GET", "/", None);
        assert_eq!(client.read_end(stream).expect("an answer").kind, DATA);
        let frame = client.read().expect("the connection is not closed without a word");
        assert!(frame.kind == GOAWAY && frame.payload[4..8] == [0; 4], "{frame:?}");
        // It has not answered the ping behind the GOAWAY yet.
        let last = if late { client.send("POST", "/", None) } else { stream };
        let frames: Vec<_> = std::iter::from_fn(|| client.read()).collect();
        let named = frames.iter().find(|frame| frame.kind == GOAWAY).expect("the last stream is named");
        assert_eq!(named.payload[..4], last.to_be_bytes(), "{frames:?}");
        let is_answered = frames.iter().any(|frame| frame.stream == last && frame.ends_stream());
        assert_eq!(is_answered, late, "{frames:?}");
    }
    assert_eq!(upstream.seen().len(), 3);
}

#[test]
fn a_connection_with_a_request_is_not_idle_however_long_that_takes() {
    let upstream = Upstream::start(|_, _| {
        thread::sleep(Duration::from_millis(1_500));
        say(200, &[], "done")
    });
    let gateway = gateway(&upstream.url(), &format!("idle_timeout = \"500ms\"\n{OTHERS}"), "", "", RETRY);
    let mut client = Http2Client::connect(gateway.address, DEFAULT_WINDOW);
    let stream = client.send("GET", "/", None);
    let mut socket = TcpStream::connect(gateway.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(call_over(&mut socket, "GET /").status, 200);
    assert_eq!(client.read_end(stream).expect("an answer").kind, DATA);
    // Each is idle from the end of its response on.
    let quiet = Instant::now();
    assert_eq!(socket.read(&mut [0; 8]).unwrap_or(0), 0);
    check_took(quiet, 300, 1_400);
    while client.read().is_some() {}
    check_took(quiet, 300, 2_400);
}
