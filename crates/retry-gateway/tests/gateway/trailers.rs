//! Trailers, both ways and over both versions.

use std::io::{Read, Write};

use crate::client::{call, open, parse};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, say};

const TRAILED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
                       5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n";

/// A gateway that speaks HTTP/2 to another.
fn front(back: &Gateway) -> Gateway {
    Gateway::by(&format!(
        "[upstreams.back]\nendpoints = [\"http://{}\"]\nprotocol = \"http2\"\n[[routes]]\nupstream = \"back\"\n",
        back.address
    ))
}

#[test]
fn trailers_of_a_response_reach_a_client_that_takes_them() {
    let upstream = Upstream::answering(vec![say(503, &[], ""), Act::Say(TRAILED.to_owned())]);
    let back = Gateway::before(&upstream.url(), &[]);
    let front = front(&back);
    for gateway in [&back, &front] {
        let reply = call(gateway.address, "GET /", &["te: trailers", "connection: te, close"], "");
        assert_eq!((reply.status, reply.header("trailer")), (200, Some("x-sum")));
        assert!(reply.body.ends_with("0\r\nx-sum: 1\r\n\r\n"), "{:?}", reply.body);
        assert_eq!(upstream.seen().last().unwrap().header("te"), Some("trailers"));
    }
}

#[test]
fn trailers_of_a_request_reach_the_upstream() {
    // What the upstream takes for a second request is the first one's body.
    let upstream = Upstream::answering(vec![say(200, &[], "head"), say(503, &[], "body")]);
    let back = Gateway::before(&upstream.url(), &[]);
    let mut socket = open(back.address, "PUT /", &["transfer-encoding: chunked", "trailer: x-sum"], "");
    socket.write_all(b"5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    assert_eq!(parse(&bytes).status, 200);
    let seen = upstream.wait_seen(2);
    assert_eq!(
        (seen[0].header("transfer-encoding"), seen[0].header("trailer")),
        (Some("chunked"), Some("x-sum"))
    );
    assert_eq!(seen[1].head, "5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n");
}
