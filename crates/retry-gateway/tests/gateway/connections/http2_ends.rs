//! Upstreams of HTTP/2 that end each connection after one request.

use std::thread;

use testkit::raw_http2::{DEFAULT_WINDOW, RawHttp2Server, StreamDeed};

use crate::client::call;
use crate::connections::with_admin;
use crate::process::Gateway;

fn ending(deed: StreamDeed) -> (RawHttp2Server, Gateway) {
    let server = RawHttp2Server::start_blocking(DEFAULT_WINDOW, vec![deed; 1_000]);
    let gateway = with_admin(&server.url(), "protocol = \"http2\"", "");
    (server, gateway)
}

/// Sends requests from so many callers at once, each of which sends so many one after the other. Returns how many fail.
fn failures(gateway: &Gateway, line: &str, body: &str, callers: usize, each: usize) -> usize {
    thread::scope(|scope| {
        let send = || (0..each).filter(|_| call(gateway.address, line, &[], body).status != 200).count();
        let callers: Vec<_> = (0..callers).map(|_| scope.spawn(send)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    })
}

#[test]
fn requests_on_connections_that_end_after_one_are_sent_on_others() {
    for deed in [StreamDeed::AnswerAndGoAway, StreamDeed::AnswerAndClose] {
        let (server, gateway) = ending(deed);
        assert_eq!(failures(&gateway, "GET /", "", 8, 5), 0, "{deed:?}");
        let gets = server.sent();
        // It is known by now, so that none shares its connection, and none meets the end of one.
        assert_eq!(failures(&gateway, "POST /", "hello", 8, 5), 0, "{deed:?}");
        assert_eq!((gets, server.sent()), (40, 80), "{deed:?}");
    }
}

/// The GOAWAY says of all but one that they were not processed.
#[test]
fn a_goaway_is_exact_for_requests_that_were_sent_at_once() {
    let (server, gateway) = ending(StreamDeed::AnswerAndGoAway);
    assert_eq!(failures(&gateway, "POST /", "", 30, 1), 0);
    assert_eq!(server.sent(), 30);
}
