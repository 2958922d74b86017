//! `tunnel_idle_timeout`: a tunnel through which nothing passes; and `tcp_user_timeout`, which does not hold for one.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use testkit::listener::listen;

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

/// The server takes no byte for much longer than `tcp_user_timeout`, and then all.
#[test]
fn a_server_may_read_nothing_for_long_within_a_tunnel() {
    const BYTES: usize = 12 << 20;
    let endpoint = listen(|_, mut socket| {
        head_bytes(&mut socket).unwrap();
        socket.write_all(SWITCH.as_bytes()).unwrap();
        thread::sleep(Duration::from_secs(5));
        let mut bytes = Vec::new();
        let _ = socket.read_to_end(&mut bytes);
        let _ = socket.write_all(format!("{} bytes", bytes.len()).as_bytes());
    });
    let gateway = gateway(&format!("http://{endpoint}"), "", "tcp_user_timeout = \"500ms\"", "", "");
    let mut socket = tunnel(gateway.address);
    socket.write_all(&vec![b'x'; BYTES]).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    assert_eq!(reply, format!("{BYTES} bytes"));
}
