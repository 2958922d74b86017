//! Streams of a shared HTTP/2 connection that end oddly, or whose clients read nothing, beside others.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use testkit::http2::{Http2Script, Http2Server};
use testkit::raw_http2::{
    DATA, DEFAULT_WINDOW, END_HEADERS, END_STREAM, Frames, HEADERS, RST_STREAM, RawHttp2Server, StreamDeed,
};

use crate::client::{call, open, parse};
use crate::configured::{gateway, get};
use crate::http2_client::Http2Client;
use crate::process::Gateway;

fn before(url: &str) -> Gateway {
    gateway(&[url.to_owned()], "protocol = \"http2\"", "", "")
}

fn raw(deeds: Vec<StreamDeed>) -> (RawHttp2Server, Gateway) {
    let server = RawHttp2Server::start_blocking(DEFAULT_WINDOW, deeds);
    let gateway = before(&server.url());
    (server, gateway)
}

/// `:status: 200` (RFC 7541 appendix A).
const OK: (u8, u8, &[u8]) = (HEADERS, END_HEADERS, &[0x88]);
/// The reset without an error.
const NO_ERROR: (u8, u8, &[u8]) = (RST_STREAM, 0, &[0; 4]);
/// `content-length: 5`, as a literal with the name of entry 28, behind `:status: 200`.
const OK_OF_FIVE: (u8, u8, &[u8]) = (HEADERS, END_HEADERS, &[0x88, 0x0f, 0x0d, 1, b'5']);
/// The same behind `:status: 304`.
const NOT_MODIFIED_OF_FIVE: (u8, u8, &[u8]) = (HEADERS, END_HEADERS, &[0x8b, 0x0f, 0x0d, 1, b'5']);
const NO_CONTENT: (u8, u8, &[u8]) = (HEADERS, END_HEADERS, &[0x89]);
const EMPTY_END: (u8, u8, &[u8]) = (DATA, END_STREAM, &[]);

/// Reads the whole answer to a request, and whether the connection broke.
fn read(gateway: &Gateway, line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = open(gateway.address, line, &["connection: close"], "").read_to_end(&mut bytes);
    bytes
}

#[test]
fn a_stream_that_is_reset_without_an_error_is_not_whole() {
    let part: Frames = &[OK, (DATA, 0, b"part"), NO_ERROR];
    let part_of_five: Frames = &[OK_OF_FIVE, (DATA, 0, b"part"), NO_ERROR];
    let nothing: Frames = &[OK, NO_ERROR];
    for frames in [part, part_of_five, nothing] {
        let (_server, gateway) = raw(vec![StreamDeed::Send(frames); 2]);
        let bytes = read(&gateway, "POST /");
        assert!(!bytes.ends_with(b"0\r\n\r\n"), "{:?}", String::from_utf8_lossy(&bytes));
        let mut client = Http2Client::connect(gateway.address, 1 << 20);
        let stream = client.send("POST", "/", None);
        let last = client.read_end(stream).expect("the connection stays");
        assert_eq!(last.kind, RST_STREAM, "{last:?}");
        for record in gateway.log(2) {
            assert_eq!(record["response_end"], "cut-by-upstream", "{record}");
        }
    }
}

#[test]
fn a_stream_that_is_reset_without_an_error_after_its_end_is_whole() {
    let ended: Frames = &[OK, (DATA, 0, b"whole"), EMPTY_END, NO_ERROR];
    let counted: Frames = &[OK_OF_FIVE, (DATA, 0, b"whole"), NO_ERROR];
    for frames in [ended, counted] {
        let (_server, gateway) = raw(vec![StreamDeed::Send(frames)]);
        let bytes = read(&gateway, "POST /");
        assert!(parse(&bytes).body.contains("whole"), "{:?}", String::from_utf8_lossy(&bytes));
        assert_ne!(gateway.log(1)[0]["response_end"], "cut-by-upstream");
    }
}

#[test]
fn a_response_without_content_ends_with_its_head() {
    let late: Frames = &[NOT_MODIFIED_OF_FIVE];
    for (method, frames) in [
        ("GET", &[NOT_MODIFIED_OF_FIVE, EMPTY_END][..]),
        ("GET", &[NO_CONTENT, EMPTY_END]),
        ("HEAD", &[OK_OF_FIVE, EMPTY_END]),
        ("GET", late),
    ] {
        let (server, gateway) = raw(vec![StreamDeed::Send(frames); 2]);
        let mut client = Http2Client::connect(gateway.address, 1 << 20);
        let began = Instant::now();
        let stream = client.send(method, "/", None);
        let last = client.read_end(stream).expect("the connection stays");
        assert!(last.ends_stream(), "{method} {frames:?}: {last:?}");
        let status = parse(&read(&gateway, &format!("{method} /"))).status;
        assert!([200, 204, 304].contains(&status), "{status}");
        assert!(began.elapsed() < Duration::from_secs(10));
        for record in gateway.log(2) {
            assert_eq!(record["response_end"], "whole", "{record}");
        }
        assert_eq!(server.streams()[1].connection, 0);
    }
}

/// hyper asks for nothing behind the bytes of a length, and many servers end a stream by an empty frame of its own.
#[test]
fn a_response_whose_end_comes_behind_its_last_byte_is_not_cancelled() {
    let counted: Frames = &[OK_OF_FIVE, (DATA, 0, b"whole")];
    let (server, gateway) = raw(vec![StreamDeed::Send(counted); 2]);
    for line in ["GET /", "POST /"] {
        assert_eq!(parse(&read(&gateway, line)).body, "whole", "{line}");
    }
    for record in gateway.log(2) {
        assert_eq!(record["response_end"], "whole", "{record}");
    }
    let resets = || server.streams().iter().filter(|stream| stream.is_reset).count();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(resets(), 0);
    // A stream that goes on is left after a second.
    let end = Instant::now() + Duration::from_secs(10);
    while resets() < 2 {
        assert!(Instant::now() < end, "{:?}", server.streams());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Clients leave, and what the endpoint had sent until then still arrives (RFC 9113 section 5.1).
#[test]
fn late_frames_of_cancelled_streams_do_not_end_the_connection() {
    const ROUNDS: usize = 8;
    const STREAMS: usize = 150;
    let late: Frames = &[OK, (DATA, 0, b"late"), (DATA, END_STREAM, b"later")];
    let (server, gateway) = raw(vec![StreamDeed::SendAfterReset(late); ROUNDS * STREAMS]);
    for round in 1..=ROUNDS {
        let mut client = Http2Client::connect(gateway.address, 1 << 20);
        for _ in 0..STREAMS {
            client.send("GET", "/", None);
        }
        let end = Instant::now() + Duration::from_secs(20);
        while server.sent() < round * STREAMS {
            assert!(Instant::now() < end, "{} of round {round}", server.sent());
            thread::sleep(Duration::from_millis(10));
        }
        drop(client);
        // Streams that are left are in use until then, and those of two rounds need two connections.
        while server.streams().iter().any(|stream| !stream.is_reset) {
            assert!(Instant::now() < end, "not all streams of round {round} are reset");
            thread::sleep(Duration::from_millis(10));
        }
    }
    assert_eq!(call(gateway.address, "POST /", &[], "hello").status, 200);
    let streams = server.streams();
    assert!(streams.iter().all(|stream| stream.connection == 0), "{:?}", streams.last());
}

/// Each stream may hold its window of what the connection may bring.
#[test]
fn clients_that_read_nothing_do_not_hold_up_the_others() {
    let server = Http2Server::start(Http2Script::default());
    let gateway = before(&server.url());
    assert_eq!(get(&gateway).body, "done");
    let clients = (0..3).map(|_| {
        let mut client = Http2Client::connect(gateway.address, 0);
        for _ in 0..180 {
            client.send("GET", "/bytes/200000", None);
        }
        client
    });
    let clients: Vec<_> = clients.collect();
    let end = Instant::now() + Duration::from_secs(20);
    while server.requests() < 541 {
        assert!(Instant::now() < end, "{}", server.requests());
        thread::sleep(Duration::from_millis(10));
    }
    // The windows are full after some time.
    thread::sleep(Duration::from_millis(700));
    for line in ["GET /bytes/30000", "POST /bytes/30000"] {
        assert_eq!(call(gateway.address, line, &[], "").body.len(), 30_000);
    }
    assert_eq!(server.connections(), 2);
    drop(clients);
}
