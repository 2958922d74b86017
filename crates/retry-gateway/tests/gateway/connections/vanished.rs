//! Hosts that vanish. They close nothing, so only the system's probes and timeouts notice it.
//!
//! The test runs itself again in a network namespace, with the endpoint in another one, and cuts the cable between them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::call;
use crate::configured::gateway;
use crate::connections::namespace::{self, ip};

const SETTINGS: &str =
    "tcp_keepalive = { idle = \"1s\", interval = \"1s\", probes = 2 }\ntcp_user_timeout = \"2s\"";

#[test]
fn a_host_that_vanished_is_noticed() {
    namespace::run("-rn", "connections::vanished::in_a_namespace");
}

/// An endpoint in a namespace of its own.
struct Host(Child);

impl Host {
    /// Starts the endpoint, and connects it by a cable.
    fn start() -> Self {
        let test = std::env::current_exe().unwrap();
        let server = Command::new("unshare")
            .arg("-n")
            .arg(test)
            .args(["--exact", "connections::vanished::endpoint", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(300));
        ip(&format!("link add near type veth peer name far netns {}", server.id()));
        ip("addr add 10.99.0.1/24 dev near");
        ip("link set near up");
        let mut host = Self(server);
        // The endpoint waits for the cable.
        host.0.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        thread::sleep(Duration::from_millis(500));
        host
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "it needs a network namespace of its own, which another test makes"]
fn in_a_namespace() {
    ip("link set lo up");
    let host = Host::start();
    let endpoint = ["http://10.99.0.2:80".to_owned()];
    let retry = "[routes.retry]\nper_try_timeout = false\nnum_retries = 0";
    let gateway = gateway(&endpoint, SETTINGS, "timeout = \"40s\"", retry);
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);

    // One connection is idle, and on another one an answer is waited for.
    let address = gateway.address;
    let waiting = thread::spawn(move || (call(address, "POST /hang", &[], "hello").status, Instant::now()));
    thread::sleep(Duration::from_millis(300));
    assert_eq!(call(address, "GET /", &[], "").status, 200);
    ip("link set near down");
    let cut = Instant::now();
    // An upload on the idle connection, which nobody acknowledges.
    let sending = thread::spawn(move || (call(address, "POST /", &[], "hello").status, Instant::now()));
    for attempt in [waiting, sending] {
        let (status, end) = attempt.join().unwrap();
        assert!([502, 503, 504].contains(&status), "{status}");
        assert!(end - cut < Duration::from_secs(15), "{:?}", end - cut);
    }
    drop(host);
    let _ = Command::new("ip").args(["link", "del", "near"]).output();

    // A connection that was idle when its host vanished serves no request of the next host.
    let host = Host::start();
    assert_eq!(call(address, "GET /", &[], "").status, 200);
    ip("link set near down");
    thread::sleep(Duration::from_secs(5));
    drop(host);
    let _ = Command::new("ip").args(["link", "del", "near"]).output();
    let _host = Host::start();
    assert_eq!(call(address, "POST /", &[], "hello").status, 200);
}

#[test]
#[ignore = "it is the endpoint of another test"]
fn endpoint() {
    std::io::stdin().read_exact(&mut [0; 3]).unwrap();
    ip("link set lo up");
    ip("addr add 10.99.0.2/24 dev far");
    ip("link set far up");
    let listener = TcpListener::bind("10.99.0.2:80").unwrap();
    for socket in listener.incoming() {
        let mut socket = socket.unwrap();
        thread::spawn(move || {
            let mut piece = [0; 4_096];
            while let Ok(read @ 1..) = socket.read(&mut piece) {
                if piece[..read].starts_with(b"POST /hang") {
                    thread::sleep(Duration::from_secs(60));
                }
                let _ = socket.write_all(b"HTTP/1.1 200 Said\r\ncontent-length: 0\r\n\r\n");
            }
        });
    }
}
