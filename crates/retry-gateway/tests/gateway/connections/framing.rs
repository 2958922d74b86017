//! The body of a request arrives, whatever its method.

use std::io::{Read, Write};

use crate::client::{header, open, parse};
use crate::configured::gateway;
use crate::process::Gateway;
use crate::upstream::{Upstream, say};

/// Sends `hello` in chunks, and returns the head and all that follows it as the upstream got them.
fn arrives(front: &Gateway, upstream: &Upstream, line: &str) -> (String, String) {
    let mut socket = open(front.address, line, &["transfer-encoding: chunked"], "");
    socket.write_all(b"5\r\nhello\r\n0\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    assert_eq!(parse(&bytes).status, 200, "{line}");
    // The scripted upstream reads no chunks, so it takes them for a second request.
    let seen = upstream.wait_seen(2);
    (seen[0].head.clone(), seen[1].head.clone())
}

#[test]
fn a_body_of_unknown_length_arrives_in_chunks_whatever_the_method() {
    for line in ["GET /", "HEAD /", "DELETE /", "OPTIONS /", "POST /"] {
        let upstream = || Upstream::answering(vec![say(200, &[], "")]);
        let (plain, over_http2) = (upstream(), upstream());
        let back = gateway(&[over_http2.url()], "", "", "");
        let fronts = [
            (gateway(&[plain.url()], "", "", ""), plain),
            // The gateway behind gets a stream without a length.
            (gateway(&[format!("http://{}", back.address)], "protocol = \"http2\"", "", ""), over_http2),
        ];
        for (front, upstream) in &fronts {
            let (head, body) = arrives(front, upstream, line);
            assert_eq!(header(&head, "transfer-encoding"), Some("chunked"), "{line}: {head}");
            assert_eq!(header(&head, "content-length"), None, "{line}: {head}");
            assert_eq!(body, "5\r\nhello\r\n0\r\n\r\n", "{line}");
        }
    }
}

#[test]
fn a_body_of_known_length_keeps_it_whatever_the_method() {
    for line in ["GET /", "HEAD /", "DELETE /"] {
        let upstream = Upstream::answering(vec![say(200, &[], "")]);
        let gateway = gateway(&[upstream.url()], "", "", "");
        assert_eq!(crate::client::call(gateway.address, line, &[], "hello").status, 200, "{line}");
        let seen = &upstream.seen()[0];
        assert_eq!((seen.header("content-length"), seen.body.as_str()), (Some("5"), "hello"), "{line}");
        assert_eq!(seen.header("transfer-encoding"), None, "{line}");
    }
}

#[test]
fn a_request_without_a_body_says_none() {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let gateway = gateway(&[upstream.url()], "", "", "");
    assert_eq!(crate::client::call(gateway.address, "GET /", &[], "").status, 200);
    let seen = &upstream.seen()[0];
    assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), (None, None));
}
