//! `write_timeout` of an HTTP/1.1 connection: a client that takes a little at a time.

use std::io::Read;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::{check_no_load, gateway};
use crate::client::open;
use crate::upstream::{Act, Upstream, response};

fn rejected(gateway: &crate::process::Gateway) -> f64 {
    gateway.metric("downstream_rq_rejected_total{reason=\"write_timeout\"}")
}

/// Takes so many bytes each 100 ms, for so many seconds.
fn read_slowly(socket: &mut TcpStream, bytes: usize, seconds: usize) {
    let mut piece = vec![0; bytes];
    for _ in 0..seconds * 10 {
        socket.read_exact(&mut piece).expect("the gateway goes on");
        thread::sleep(Duration::from_millis(100));
    }
}

/// The kernel has room for megabytes, which such a client takes a minute for.
#[test]
fn a_client_that_reads_slowly_is_not_cut_and_one_that_stops_is() {
    let upstream = Upstream::start(|_, _| Act::Say(response(200, &[], &"x".repeat(32 << 20))));
    let gateway = gateway(&upstream.url(), "write_timeout = \"2s\"", "", "", "");
    let mut socket = open(gateway.address, "GET /", &[], "");
    // More than the receive buffer has at first, so that the gateway waits for the client.
    read_slowly(&mut socket, 8_000, 10);
    assert_eq!(rejected(&gateway), 0.0);
    let end = Instant::now() + Duration::from_secs(10);
    while rejected(&gateway) != 1.0 {
        assert!(Instant::now() < end, "the client is not cut");
        thread::sleep(Duration::from_millis(20));
    }
    check_no_load(&gateway);
}
