//! Answers that come before the request has been sent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use testkit::listener::listen;

use crate::client::{call, head_bytes, open, parse};
use crate::configured::gateway;
use crate::upstream::{Act, Upstream, refusing, response};

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
    let mut socket = TcpStream::connect(gateway).unwrap();
    let head =
        format!("{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body.as_bytes()));
    let mut bytes = Vec::new();
    let mut piece = [0; 4_096];
    while let Ok(read @ 1..) = socket.read(&mut piece) {
        bytes.extend(&piece[..read]);
    }
    parse(&bytes).status
}

/// A connection that breaks is not an answer that has ended.
#[test]
fn an_answer_without_a_length_that_is_reset_is_not_whole() {
    let answer = "HTTP/1.1 401 Said\r\nconnection: close\r\n\r\nlock";
    let gateway = gateway(&[format!("http://{}", refusing(answer, Duration::ZERO))], "", "", "");
    let whole = (0..10).filter(|_| {
        let mut socket = open(gateway.address, "POST /", &[], &"x".repeat(600_000));
        let mut bytes = Vec::new();
        let _ = socket.read_to_end(&mut bytes);
        bytes.ends_with(b"0\r\n\r\n")
    });
    assert_eq!(whole.count(), 0);
}

/// The server may close the connection at any moment, because it never asked for the rest of the upload.
#[test]
fn a_connection_whose_upload_was_answered_early_takes_no_other_request() {
    let head = "HTTP/1.1 413 Said\r\ncontent-length: 4\r\n\r\n";
    for (early, late) in [
        (format!("{head}much"), ""),
        (head.replace("413", "200") + "much", ""),
        // The upload ends before the answer does.
        (head.to_owned(), "much"),
        (head.replace("413", "200"), "much"),
    ] {
        let (tell, told) = mpsc::channel();
        let answer = early.clone();
        let upstream = listen(move |number, mut socket| {
            let mut body = [0; 10];
            while let Ok(head) = head_bytes(&mut socket) {
                let is_first = head.starts_with(b"POST /first");
                if is_first {
                    socket.write_all(answer.as_bytes()).unwrap();
                }
                socket.read_exact(&mut body).unwrap();
                let rest = if is_first { late } else { "HTTP/1.1 204 Said\r\n\r\n" };
                socket.write_all(rest.as_bytes()).unwrap();
            }
            tell.send(number).unwrap();
        });
        let gateway = gateway(&[format!("http://{upstream}")], "", "", "");
        let mut first = open(gateway.address, "POST /first", &["content-length: 10"], "");
        first.write_all(b"hello").unwrap();
        head_bytes(&mut first).unwrap();
        first.write_all(b"world").unwrap();
        let closed = told.recv_timeout(Duration::from_secs(10));
        assert_eq!(closed, Ok(0), "the gateway closes the connection: {early}");
        let mut rest = String::new();
        first.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "much", "{early}");
        assert_eq!(call(gateway.address, "POST /", &[], "helloworld").status, 204, "{early}");
    }
}

/// A server that asked for the upload has not answered early.
#[test]
fn a_connection_whose_upload_was_asked_for_takes_another_request() {
    let upstream = Upstream::answering(vec![Act::Ask(response(200, &[], "done"))]);
    let gateway = gateway(&[upstream.url()], "", "", "");
    for _ in 0..3 {
        let mut socket = open(gateway.address, "POST /", &["expect: 100-continue", "content-length: 5"], "");
        assert!(head_bytes(&mut socket).unwrap().starts_with(b"HTTP/1.1 100"));
        socket.write_all(b"hello").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("done"), "{answer}");
    }
    let connections: Vec<_> = upstream.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 0]);
}
