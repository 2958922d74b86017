//! Upgrades: after 101 the gateway only passes bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{call, head_bytes, open, parse};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream};

#[test]
fn an_upgrade_is_passed_on_with_all_that_follows() {
    let switch =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello from behind";
    let upstream = Upstream::answering(vec![Act::Say(switch.to_owned()), Act::Close]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let mut socket = open(gateway.address, "GET /socket", &["connection: upgrade", "upgrade: echo"], "");
    let mut bytes = [0; 1_024];
    let mut told = String::new();
    while !told.ends_with("hello from behind") {
        let count = socket.read(&mut bytes).unwrap();
        assert_ne!(count, 0, "{told}");
        told += &String::from_utf8_lossy(&bytes[..count]);
    }
    assert!(told.starts_with("HTTP/1.1 101") && told.contains("upgrade: echo"), "{told}");
    assert_eq!(upstream.seen()[0].header("upgrade"), Some("echo"));
    // What the upstream takes for its next request is no HTTP of ours any more.
    socket.write_all(b"anything\r\n\r\n").unwrap();
    assert_eq!(socket.read(&mut bytes).unwrap(), 0, "the upstream closes");
    assert!(upstream.seen()[1].head.starts_with("anything"));
}

/// An upstream that switches protocols, and then echoes.
fn echo() -> SocketAddr {
    testkit::listener::listen(|_, mut socket| {
        let Ok(head) = head_bytes(&mut socket) else { return };
        if String::from_utf8_lossy(&head).contains("/slow") {
            thread::sleep(Duration::from_millis(700));
        }
        let _ = socket.write_all(b"HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
        let mut bytes = [0; 64];
        while let Ok(count @ 1..) = socket.read(&mut bytes) {
            let _ = socket.write_all(&bytes[..count]);
        }
    })
}

/// Opens a tunnel, and returns it with the status of the answer.
fn open_tunnel(gateway: &Gateway, path: &str) -> (TcpStream, u16) {
    let mut socket =
        open(gateway.address, &format!("GET {path}"), &["connection: upgrade", "upgrade: echo"], "");
    let status = parse(&head_bytes(&mut socket).unwrap()).status;
    (socket, status)
}

#[track_caller]
fn check_echo(socket: &mut TcpStream) {
    socket.write_all(b"hello").unwrap();
    let mut bytes = [0; 5];
    socket.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
}

/// Waits until the first upstream has these requests in flight, and its endpoint this load.
#[track_caller]
fn wait_in_flight(gateway: &Gateway, count: u64) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let upstream = gateway.status()["upstreams"][0].clone();
        let (in_flight, load) = (&upstream["in_flight"], &upstream["endpoints"][0]["load"]);
        if *in_flight == count && *load == count {
            return;
        }
        assert!(Instant::now() < end, "in flight {in_flight}, load {load}, and not {count}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_tunnel_is_a_request_in_flight_until_it_ends() {
    let address = echo();
    for (upstream, route) in [
        ("", ""),
        ("pace = true", ""),
        ("pace = { key = \"endpoint\" }", ""),
        ("", "fallback = { upstreams = [\"other\"] }"),
    ] {
        let gateway = Gateway::by(&format!(
            "admin = \"127.0.0.1:0\"\n[upstreams.api]\nmax_requests = 3\nendpoints = [\"http://{address}\"]\n{upstream}\n\
             [upstreams.other]\nendpoints = [\"http://{address}\"]\nmax_requests = 1\n[[routes]]\n\
             path_prefix = \"/other\"\nupstream = \"other\"\n[[routes]]\nupstream = \"api\"\n{route}\n"
        ));
        // With a fallback, this takes the only permit of the second upstream.
        let (other, status) = open_tunnel(&gateway, "/other");
        assert_eq!(status, 101);
        let mut tunnels: Vec<_> = (0..3).map(|_| open_tunnel(&gateway, "/")).collect();
        assert!(tunnels.iter().all(|(_, status)| *status == 101), "{upstream} {route}: {tunnels:?}");
        wait_in_flight(&gateway, 3);
        assert_eq!(open_tunnel(&gateway, "/").1, 503, "{upstream} {route}");
        assert_eq!(call(gateway.address, "GET /", &[], "").status, 503);
        check_echo(&mut tunnels[1].0);
        // One client resets its tunnel, and the others close theirs.
        drop(tunnels.pop());
        wait_in_flight(&gateway, 2);
        let (mut again, status) = open_tunnel(&gateway, "/");
        assert_eq!(status, 101, "{upstream} {route}");
        check_echo(&mut again);
        drop((tunnels, again, other));
        wait_in_flight(&gateway, 0);
        assert_eq!(gateway.metric("downstream_cx_active"), 0.0);
    }
}

#[test]
fn a_stop_lets_tunnels_go_on_and_ends_with_the_last_of_them() {
    let mut gateway = Gateway::before(&format!("http://{}", echo()), &[]);
    let (mut first, _) = open_tunnel(&gateway, "/");
    let (mut second, _) = open_tunnel(&gateway, "/");
    gateway.terminate();
    thread::sleep(Duration::from_millis(500));
    check_echo(&mut first);
    drop(first);
    assert_eq!(gateway.ended(Duration::from_millis(300)), None);
    check_echo(&mut second);
    drop(second);
    assert!(gateway.ended(Duration::from_secs(10)).expect("it stops with its last tunnel").success());
}

#[test]
fn a_tunnel_that_begins_during_a_stop_goes_on_too() {
    let mut gateway = Gateway::before(&format!("http://{}", echo()), &[]);
    let mut socket = open(gateway.address, "GET /slow", &["connection: upgrade", "upgrade: echo"], "");
    thread::sleep(Duration::from_millis(200));
    gateway.terminate();
    let head = head_bytes(&mut socket).unwrap();
    assert_eq!(&head[..12], b"HTTP/1.1 101");
    check_echo(&mut socket);
    drop(socket);
    assert!(gateway.ended(Duration::from_secs(10)).expect("it stops").success());
}

#[test]
fn a_stop_cuts_the_tunnels_that_outlast_the_drain_timeout() {
    let mut gateway = Gateway::by(&format!(
        "drain_timeout = \"500ms\"\n[upstreams.api]\nendpoints = [\"http://{}\"]\n[[routes]]\nupstream = \"api\"\n",
        echo()
    ));
    let (mut socket, _) = open_tunnel(&gateway, "/");
    gateway.terminate();
    assert_eq!(gateway.ended(Duration::from_millis(200)), None);
    assert!(gateway.ended(Duration::from_secs(10)).expect("it stops").success());
    assert!(socket.read(&mut [0]).is_ok_and(|count| count == 0), "the tunnel is closed");
}
