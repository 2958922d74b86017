//! Trailers, both ways and over both versions.

use std::io::{Read, Write};

use testkit::raw_http2::DEFAULT_WINDOW;

use crate::client::{call, open, parse};
use crate::http2_client::Http2Client;
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

/// hyper asks for nothing behind the trailers. Clients that take none are no different.
#[test]
fn a_response_with_trailers_is_whole() {
    let upstream = Upstream::answering(vec![Act::Say(TRAILED.to_owned())]);
    let back = Gateway::before(&upstream.url(), &["--admin", "127.0.0.1:0"]);
    let front = front(&back);
    for gateway in [&back, &front] {
        call(gateway.address, "GET /", &["te: trailers", "connection: te, close"], "");
        call(gateway.address, "POST /", &[], "hello");
        let mut client = Http2Client::connect(gateway.address, DEFAULT_WINDOW);
        let stream = client.send("GET", "/", None);
        assert!(client.read_end(stream).expect("an answer").ends_stream());
    }
    for line in back.log(6).iter().chain(&front.log(3)) {
        assert_eq!((&line["response_end"], &line["response_bytes"]), (&"whole".into(), &5.into()), "{line}");
    }
    assert!(!back.ask("/metrics").body.contains("upstream_rq_response_cut_total{"));
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

/// A server may merge them into the headers, and believe them there.
#[test]
fn trailers_that_are_no_header_of_a_client_are_dropped() {
    let names = ["x-forwarded-for", "true-client-ip", "x_forwarded_for", "x-real-ip", "keep-alive", "x-sum"];
    let announcement = format!("trailer: {}", names.join(", "));
    let lines: String = names.iter().map(|name| format!("{name}: 6\r\n")).collect();
    for (config, expected) in [
        ("", &["x-sum"][..]),
        ("underscores_in_headers = true", &["x_forwarded_for", "x-sum"]),
        ("trusted_proxies = [\"127.0.0.1\"]", &["x-sum"]),
    ] {
        let upstream = Upstream::answering(vec![say(200, &[], "head"), say(503, &[], "body")]);
        let gateway = Gateway::by(&format!(
            "{config}\n[upstreams.api]\nendpoints = [{:?}]\n[[routes]]\nupstream = \"api\"\n",
            upstream.url()
        ));
        let headers = ["transfer-encoding: chunked", announcement.as_str()];
        let mut socket = open(gateway.address, "PUT /", &headers, "");
        socket.write_all(format!("5\r\nhello\r\n0\r\n{lines}\r\n").as_bytes()).unwrap();
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).unwrap();
        assert_eq!(parse(&bytes).status, 200);
        let seen = &upstream.wait_seen(2)[1].head;
        let found: Vec<_> =
            names.into_iter().filter(|name| seen.contains(&format!("{name}: 6\r\n"))).collect();
        assert_eq!(found, expected, "{config} {seen}");
    }
}
