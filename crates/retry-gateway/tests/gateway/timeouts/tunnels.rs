//! `tunnel_idle_timeout`: a tunnel through which nothing passes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::{check_took, gateway};
use crate::client::{head_bytes, open};
use crate::upstream::{Act, Upstream};

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

/// Opens a tunnel, and reads up to its first byte.
fn tunnel(gateway: std::net::SocketAddr) -> TcpStream {
    let mut socket = open(gateway, "GET /", &["connection: upgrade", "upgrade: echo"], "");
    let head = head_bytes(&mut socket).unwrap();
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    socket
}

#[test]
fn a_tunnel_through_which_nothing_passes_is_closed_on_both_sides() {
    let upstream = Upstream::start(|_, seen| match seen.head.starts_with("GET") {
        true => Act::Say(SWITCH.to_owned()),
        false => Act::Hang,
    });
    let gateway = gateway(&upstream.url(), "tunnel_idle_timeout = \"1s\"", "", "", "");
    let mut silent = tunnel(gateway.address);
    let mut busy = tunnel(gateway.address);
    let opened = Instant::now();
    let writer = thread::spawn(move || {
        // Each byte is one direction of the tunnel alone.
        for _ in 0..8 {
            thread::sleep(Duration::from_millis(300));
            busy.write_all(b"x").unwrap();
        }
        let quiet = Instant::now();
        assert_eq!(busy.read(&mut [0]).unwrap_or(0), 0);
        quiet
    });
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
    check_took(opened, 900, 2_200);
    let quiet = writer.join().unwrap();
    check_took(quiet, 900, 2_200);
    assert_eq!(upstream.wait_ends(2).len(), 2);
}
