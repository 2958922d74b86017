//! Logs that nobody reads: the gateway goes on, and counts the lines that it dropped.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::{call, call_over};
use crate::upstream::{Upstream, say};

/// A gateway whose standard output or error is a pipe that the test does not read.
struct Unread {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Unread {
    /// Starts it with a file that has these keys. The ports are free ones that the gateway did not choose, because the
    /// line that says them may be in the pipe that is not read.
    fn start(folder: &std::path::Path, upstream: &Upstream, stdout: Stdio, stderr: Stdio) -> Self {
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (address, admin) = (free(), free());
        let file = folder.join("gateway.toml");
        let text = format!(
            "listen = \"{address}\"\nadmin = \"{admin}\"\n[upstreams.api]\nendpoints = [\"{}\"]\n\
             [[routes]]\nupstream = \"api\"\n",
            upstream.url()
        );
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_retry-gateway"));
        let child = command.args(["serve", "--config", file.to_str().unwrap()]).stdout(stdout).stderr(stderr);
        let child = child.spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "it does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { child, address, admin }
    }

    fn metric(&self, name: &str) -> u64 {
        let metrics = call(self.admin, "GET /metrics", &[], "").body;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in {metrics}"))
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    #[track_caller]
    fn ends(&mut self) {
        self.signal("TERM");
        let end = Instant::now() + Duration::from_secs(10);
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "it does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_access_log_that_is_not_read_holds_no_request_and_no_stop() {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Unread::start(folder.path(), &upstream, Stdio::piped(), Stdio::null());
    let mut socket = TcpStream::connect(gateway.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The pipe takes 64 KiB, and the queue and the thread 4 MiB each.
    let path = format!("GET /{}", "x".repeat(30_000));
    for _ in 0..350 {
        assert_eq!(call_over(&mut socket, &path).status, 200);
    }
    assert_eq!(call(gateway.admin, "GET /healthz", &[], "").status, 200);
    let dropped = gateway.metric("access_log_dropped_total");
    assert!((1..=300).contains(&dropped), "{dropped}");
    gateway.ends();
    // The lines that the pipe holds are the first ones, and all but the last one are whole.
    let mut text = String::new();
    gateway.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["status"], 200);
}

#[test]
fn the_lines_of_the_last_requests_are_in_the_log_after_the_stop() {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Unread::start(folder.path(), &upstream, Stdio::piped(), Stdio::null());
    let lines = BufReader::new(gateway.child.stdout.take().unwrap()).lines();
    let mut socket = TcpStream::connect(gateway.address).unwrap();
    for number in 0..100 {
        assert_eq!(call_over(&mut socket, &format!("GET /{number}")).status, 200);
    }
    gateway.ends();
    assert_eq!(lines.count(), 100);
}

#[test]
fn a_standard_error_that_is_not_read_holds_no_request_and_no_stop() {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Unread::start(folder.path(), &upstream, Stdio::null(), Stdio::piped());
    // Each rejected reload prints its problem, and the names of the unknown keys with it.
    let keys: String = (0..10).map(|number| format!("{}{number} = 1\n", "x".repeat(2_000))).collect();
    std::fs::write(folder.path().join("gateway.toml"), keys).unwrap();
    let rejected = "config_reloads_total{outcome=\"rejected\"}";
    for number in 1..=8 {
        gateway.signal("HUP");
        let end = Instant::now() + Duration::from_secs(10);
        while !call(gateway.admin, "GET /metrics", &[], "").body.contains(&format!("{rejected} {number}")) {
            assert!(Instant::now() < end, "reload {number} does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    assert_eq!(gateway.metric("standard_error_dropped_total"), 0);
    gateway.ends();
}
