//! Clients that close their sending side, or go, while a response that has begun pauses.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::broken_uploads::reset;
use crate::client::open;
use crate::connections::namespace::{self, ip};
use crate::half_close::read_all;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream};

const EVENTS: &str = "HTTP/1.1 200 Said\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
const PART_OF_TEN: &str = "HTTP/1.1 200 Said\r\ncontent-length: 10\r\n\r\nhello";

fn before(upstream: &Upstream) -> Gateway {
    Gateway::before(&upstream.url(), &["--admin", "127.0.0.1:0"])
}

/// Opens a request, and reads the part of its response that there is.
fn open_response(gateway: &Gateway) -> TcpStream {
    let mut socket = open(gateway.address, "GET /", &["connection: keep-alive"], "");
    let mut part = Vec::new();
    while !part.windows(5).any(|bytes| bytes == b"hello") {
        let mut piece = [0; 1_024];
        let read = socket.read(&mut piece).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&part));
        part.extend_from_slice(&piece[..read]);
    }
    socket
}

/// The pause is without end, so nothing but the watch over the client ends the request.
#[test]
fn a_client_that_goes_within_a_pause_ends_its_request() {
    let upstream = Upstream::answering(vec![Act::Say(EVENTS.to_owned())]);
    let gateway = before(&upstream);
    let [closed, aborted, half_closed] = [(); 3].map(|()| open_response(&gateway));
    half_closed.shutdown(Shutdown::Write).unwrap();
    drop(closed);
    reset(aborted);
    assert_eq!(upstream.wait_ends(2).len(), 2);
    // It has read nothing of what was sent since.
    drop(half_closed);
    assert_eq!(upstream.wait_ends(3).len(), 3);
    let status = gateway.status();
    assert_eq!(status["upstreams"][0]["in_flight"], 0, "{status}");
}

/// Its response goes on after five seconds. The zero ahead of the size of a chunk is a part of that size.
#[test]
fn a_client_that_reads_on_after_a_pause_gets_all_of_it() {
    let rest = ["5\r\nworld\r\n", "1\r\n!\r\n0\r\n\r\n"];
    let pieces = [EVENTS, rest[0], rest[1]].map(str::to_owned).to_vec();
    let pause = Duration::from_secs(5);
    let upstream = Upstream::start(move |_, _| Act::Slowly(pieces.clone(), pause));
    let gateway = before(&upstream);
    let mut socket = open_response(&gateway);
    let began = Instant::now();
    socket.shutdown(Shutdown::Write).unwrap();
    let rest = read_all(&mut socket);
    assert_eq!(rest.trim_start(), "05\r\nworld\r\n1\r\n!\r\n0\r\n\r\n");
    assert!(began.elapsed() >= pause);
    assert_eq!(gateway.log(1)[0]["status"], 200);
}

/// There is no byte that could be sent ahead of the rest of a response with a length.
#[test]
fn the_system_finds_out_that_a_client_has_gone() {
    namespace::run("-rn", "half_close::pauses::in_a_namespace");
}

#[test]
#[ignore = "it needs a network namespace of its own, which another test makes"]
fn in_a_namespace() {
    ip("link set lo up");
    // The system of the client forgets the connection so soon.
    std::fs::write("/proc/sys/net/ipv4/tcp_fin_timeout", "2").unwrap();
    let upstream = Upstream::answering(vec![Act::Say(PART_OF_TEN.to_owned())]);
    let gateway = before(&upstream);
    drop(open_response(&gateway));
    let mut stays = open_response(&gateway);
    stays.shutdown(Shutdown::Write).unwrap();
    assert_eq!(upstream.wait_ends(1).len(), 1);
    // It still answers the probes.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(gateway.status()["upstreams"][0]["in_flight"], 1);
    stays.set_nonblocking(true).unwrap();
    assert_eq!(stays.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}
