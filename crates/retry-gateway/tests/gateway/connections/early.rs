//! Answers that come before the request has been sent.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use crate::configured::gateway;
use crate::upstream::refusing;

#[test]
fn an_answer_that_refuses_an_upload_always_arrives() {
    for (answer, line, status) in [
        ("HTTP/1.1 401 Said\r\ncontent-length: 4\r\nconnection: close\r\n\r\nlock", "POST /", 401),
        // A server that does not say that it closes.
        ("HTTP/1.1 413 Said\r\ncontent-length: 4\r\n\r\nmuch", "PUT /", 413),
        (
            "HTTP/1.1 429 Said\r\nretry-after: 9\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n4\r\nwait\r\n0\r\n\r\n",
            "DELETE /",
            429,
        ),
    ] {
        let gateway = gateway(&[format!("http://{}", refusing(answer, Duration::ZERO))], "", "", "");
        let body = "x".repeat(1_000_000);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..4 {
                        assert_eq!(refused(gateway.address, line, &body), status);
                    }
                });
            }
        });
    }
}

/// Sends an upload as a client does that reads when it cannot write on.
fn refused(gateway: SocketAddr, line: &str, body: &str) -> u16 {
    let mut socket = std::net::TcpStream::connect(gateway).unwrap();
    let head =
        format!("{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body.as_bytes()));
    let mut bytes = Vec::new();
    let mut piece = [0; 4_096];
    while let Ok(read @ 1..) = socket.read(&mut piece) {
        bytes.extend(&piece[..read]);
    }
    crate::client::parse(&bytes).status
}

/// A connection that breaks is not an answer that has ended.
#[test]
fn an_answer_without_a_length_that_is_reset_is_not_whole() {
    let answer = "HTTP/1.1 401 Said\r\nconnection: close\r\n\r\nlock";
    let gateway = gateway(&[format!("http://{}", refusing(answer, Duration::ZERO))], "", "", "");
    let whole = (0..10).filter(|_| {
        let mut socket = crate::client::open(gateway.address, "POST /", &[], &"x".repeat(600_000));
        let mut bytes = Vec::new();
        let _ = socket.read_to_end(&mut bytes);
        bytes.ends_with(b"0\r\n\r\n")
    });
    assert_eq!(whole.count(), 0);
}
