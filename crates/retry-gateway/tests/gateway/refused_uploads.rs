//! Uploads that are refused while their clients still send, and do not read before they have sent all.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Reply, call_over, open, parse};
use crate::configured::gateway;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, refusing, say};

/// More than the buffers of all sockets hold.
const LENGTH: usize = 12_000_000;

/// Sends all of an upload before it reads.
fn upload(gateway: SocketAddr, framing: &str) -> Reply {
    let mut socket = TcpStream::connect(gateway).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(format!("POST / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n").as_bytes()).unwrap();
    let mut piece = vec![b'x'; 60_000];
    if framing.ends_with("chunked") {
        piece = [b"ea60\r\n", &piece[..], b"\r\n"].concat();
    }
    for _ in 0..LENGTH / 60_000 {
        socket.write_all(&piece).expect("the gateway reads on");
    }
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).expect("the gateway closes in order");
    parse(&bytes)
}

fn check(gateway: &Gateway, status: u16) {
    for framing in [&format!("content-length: {LENGTH}"), "transfer-encoding: chunked"] {
        let reply = upload(gateway.address, framing);
        assert_eq!(reply.status, status, "{framing}");
        // The gateway cannot know yet if a client that it refuses itself has more to send than fits into one read.
        if reply.header("content-type") != Some("application/problem+json") {
            assert_eq!(reply.header("connection"), Some("close"), "{framing}");
        }
    }
}

#[test]
fn a_client_that_still_sends_gets_the_upstreams_refusal() {
    for (answer, status) in [
        ("HTTP/1.1 413 Said\r\ncontent-length: 4\r\nconnection: close\r\n\r\nmuch", 413),
        ("HTTP/1.1 302 Said\r\nlocation: /\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 302),
    ] {
        check(
            &gateway(&[format!("http://{}", refusing(answer, Duration::from_millis(200)))], "", "", ""),
            status,
        );
    }
}

#[test]
fn a_client_that_still_sends_gets_the_gateways_refusal() {
    let upstream = Upstream::answering(vec![Act::Hang]);
    check(&gateway(&[upstream.url()], "", "path_prefix = \"/only\"", ""), 404);
    let gateway = gateway(&[upstream.url()], "max_requests = 1", "", "");
    let _first = open(gateway.address, "GET /", &[], "");
    upstream.wait_seen(1);
    check(&gateway, 503);
}

/// A connection whose request was read is kept, and one that is closed is not waited for.
#[test]
fn an_upload_that_was_read_lingers_for_nothing() {
    let upstream = Upstream::answering(vec![say(404, &[], "gone")]);
    let gateway = gateway(&[upstream.url()], "", "", "");
    let mut socket = TcpStream::connect(gateway.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let chunked = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nx-reads: chunks";
    for line in ["PUT / HTTP/1.1\r\ncontent-length: 5", chunked] {
        let body = if line == chunked { "5\r\nhello\r\n0\r\n\r\n" } else { "hello" };
        socket.write_all(format!("{line}\r\nhost: a\r\n\r\n{body}").as_bytes()).unwrap();
        let mut bytes = vec![0; 4_096];
        let read = socket.read(&mut bytes).unwrap();
        let reply = parse(&bytes[..read]);
        assert_eq!((reply.status, reply.header("connection")), (404, None));
    }
    assert_eq!(call_over(&mut socket, "GET /").status, 404);
    let mut socket = open(gateway.address, "POST /", &["connection: close"], "hello");
    let began = Instant::now();
    socket.read_to_end(&mut Vec::new()).unwrap();
    // The socket is gone, so that it answers with a reset.
    let end = began + Duration::from_secs(4);
    while socket.write_all(b"more").is_ok() {
        assert!(Instant::now() < end, "the gateway still reads");
        thread::sleep(Duration::from_millis(20));
    }
}
