//! Clients that read nothing of large responses, and the memory that the gateway keeps for them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use testkit::listener::listen;

use crate::http2_client::Http2Client;
use crate::process::Gateway;

/// Each of these processes has the machine for itself, or their upstreams would be too slow to fill buffers.
static ALONE: Mutex<()> = Mutex::new(());

/// A response that no buffer can hold.
const LENGTH: usize = 5_000_000;

/// Answers each connection's request with a large response, of which it writes what is taken.
fn upstream() -> SocketAddr {
    listen(|_, mut socket: TcpStream| {
        let mut head = [0; 4_096];
        while matches!(socket.read(&mut head), Ok(1..)) {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n");
            let piece = [b'x'; 50_000];
            if socket.write_all(head.as_bytes()).is_err() {
                return;
            }
            for _ in 0..LENGTH / piece.len() {
                if socket.write_all(&piece).is_err() {
                    return;
                }
            }
        }
    })
}

/// The requests have time, because a busy machine answers hundreds at once slowly.
fn gateway(upstream: SocketAddr) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\naccess_log = {{ enabled = false }}\n[upstreams.api]\n\
         endpoints = [\"http://{upstream}\"]\n[[routes]]\nupstream = \"api\"\ntimeout = \"60s\"\n[routes.retry]\nper_try_timeout = false\n"
    ))
}

/// Checks that `requests` that are under way without being read take at most so many MB.
#[track_caller]
fn check_growth(gateway: &Gateway, requests: u64, before: usize, limit: usize) {
    let end = Instant::now() + Duration::from_secs(20);
    while gateway.status()["upstreams"][0]["in_flight"] != requests {
        assert!(Instant::now() < end, "{}", gateway.status());
        thread::sleep(Duration::from_millis(20));
    }
    // The buffers are full when the process no longer grows.
    let (mut last, mut quiet) = (gateway.memory(), 0);
    while quiet < 5 {
        thread::sleep(Duration::from_millis(100));
        let now = gateway.memory();
        quiet = if now > last { 0 } else { quiet + 1 };
        last = last.max(now);
    }
    let growth = last.saturating_sub(before) / 1_000_000;
    assert!(growth <= limit, "{requests} requests take {growth} MB, and {limit} are allowed");
}

fn check_http2(connections: usize, streams: usize, limit: usize) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let gateway = gateway(upstream());
    let before = gateway.memory();
    let clients = (0..connections).map(|_| {
        let mut client = Http2Client::connect(gateway.address, (1 << 31) - 1);
        for _ in 0..streams {
            client.send("GET", "/", None);
        }
        client
    });
    let clients: Vec<_> = clients.collect();
    check_growth(&gateway, (connections * streams) as u64, before, limit);
    drop(clients);
}

#[test]
fn a_hundred_streams_that_are_not_read() {
    check_http2(1, 100, 40);
}

#[test]
fn three_connections_of_two_hundred_streams_that_are_not_read() {
    check_http2(3, 200, 70);
}

/// hyper reads each piece into a buffer of many times its size.
#[test]
fn streams_of_small_pieces_that_are_not_read() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let upstream = listen(|_, mut socket: TcpStream| {
        socket.set_nodelay(true).unwrap();
        let _ = socket.read(&mut [0; 4_096]);
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
        while socket.write_all(&[b'x'; 200]).is_ok() {
            thread::sleep(Duration::from_millis(2));
        }
    });
    let gateway = gateway(upstream);
    let before = gateway.memory();
    let mut client = Http2Client::connect(gateway.address, (1 << 31) - 1);
    for _ in 0..30 {
        client.send("GET", "/", None);
    }
    check_growth(&gateway, 30, before, 6);
    drop(client);
}

#[test]
fn three_hundred_connections_that_are_not_read() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let gateway = gateway(upstream());
    let before = gateway.memory();
    let sockets = (0..300).map(|_| {
        let mut socket = TcpStream::connect(gateway.address).unwrap();
        socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        socket
    });
    let sockets: Vec<_> = sockets.collect();
    check_growth(&gateway, 300, before, 40);
    drop(sockets);
}
