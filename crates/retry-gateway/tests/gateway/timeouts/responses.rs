//! `response_idle_timeout`: the pause between two pieces of a response.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use testkit::raw_http2::{DEFAULT_WINDOW, RST_STREAM};

use super::{check_no_load, check_took, gateway};
use crate::client::{call, open};
use crate::http2_client::Http2Client;
use crate::upstream::{Act, Upstream, response, say};

const TIMES: &str = "max_requests = 3\nresponse_idle_timeout = \"700ms\"";

/// Answers in pieces with this pause between two of them.
fn slow(pieces: &[&str], pause: u64) -> Act {
    Act::Slowly(pieces.iter().map(|piece| (*piece).to_owned()).collect(), Duration::from_millis(pause))
}

fn upstream() -> Upstream {
    Upstream::start(|_, seen| match seen.head.split(' ').nth(1) {
        Some("/stall") => slow(&["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", "never"], 4_000),
        Some("/head") => slow(&["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "0\r\n\r\n"], 4_000),
        Some("/steady") => {
            let mut pieces = vec!["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"];
            pieces.extend(["1\r\nx\r\n"; 7]);
            pieces.push("0\r\n\r\n");
            slow(&pieces, 250)
        }
        Some("/large") => Act::Say(response(200, &[], &"x".repeat(16 << 20))),
        _ => say(200, &[], "done"),
    })
}

fn read_all(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_response_that_stalls_is_cut_and_gives_back_its_permit() {
    let upstream = upstream();
    let gateway = gateway(&upstream.url(), "", TIMES, "", "");
    let began = Instant::now();
    let mut stalled = ["/stall", "/head"].map(|path| open(gateway.address, &format!("GET {path}"), &[], ""));
    let mut client = Http2Client::connect(gateway.address, DEFAULT_WINDOW);
    let stream = client.send("GET", "/stall", None);
    assert_eq!(client.read_end(stream).expect("the connection stays").kind, RST_STREAM);
    check_took(began, 600, 2_500);
    let replies = stalled.each_mut().map(read_all);
    check_took(began, 600, 2_500);
    assert!(replies[0].starts_with("HTTP/1.1 200") && replies[0].ends_with("hello"), "{replies:?}");
    // The last chunk would say that the body is complete.
    assert!(replies[1].starts_with("HTTP/1.1 200") && !replies[1].ends_with("0\r\n\r\n"), "{replies:?}");
    check_no_load(&gateway);
    // The connection serves other streams.
    let stream = client.send("GET", "/", None);
    assert!(client.read_end(stream).expect("an answer").ends_stream());
}

#[test]
fn each_piece_starts_the_time_anew_and_a_slow_client_is_no_pause_of_the_upstream() {
    let upstream = upstream();
    let gateway = gateway(&upstream.url(), "", TIMES, "", "");
    let mut large = open(gateway.address, "GET /large", &[], "");
    let began = Instant::now();
    let reply = call(gateway.address, "GET /steady", &[], "");
    assert!(reply.body.ends_with("0\r\n\r\n"), "{}", reply.body);
    check_took(began, 1_500, 8_000);
    assert!(read_all(&mut large).len() > 16 << 20);
    check_no_load(&gateway);
}
