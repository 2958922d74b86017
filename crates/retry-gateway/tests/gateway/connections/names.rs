//! Names with several addresses, which change.
//!
//! The test runs itself again with a hosts file and a network of its own, so no file of the machine changes.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use crate::client::call;
use crate::configured::{attempts, gateway};
use crate::connections::namespace::{self, ip};

#[test]
fn each_address_of_a_name_is_an_endpoint() {
    namespace::run("-rmn", "connections::names::in_a_namespace");
}

/// A server at an address of its own, which counts its requests. It answers 503 for `/bad`.
fn serve(address: &'static str, refuses: bool) -> Arc<AtomicUsize> {
    let count = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&count);
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (socket, count) = (socket.unwrap(), Arc::clone(&counted));
            thread::spawn(move || {
                let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
                let mut is_bad = false;
                while let Some(Ok(line)) = lines.next() {
                    is_bad |= line.starts_with("GET /bad");
                    if line.is_empty() {
                        count.fetch_add(1, Ordering::SeqCst);
                        let status = if is_bad && refuses { 503 } else { 200 };
                        let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n\r\n");
                        (&socket).write_all(answer.as_bytes()).unwrap();
                        is_bad = false;
                    }
                }
            });
        }
    });
    count
}

#[test]
#[ignore = "it needs a namespace of its own, which another test makes"]
fn in_a_namespace() {
    ip("link set lo up");
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    let names = |addresses: &[&str]| {
        let lines = addresses.iter().map(|address| format!("{address} api.test\n")).collect::<String>();
        // The mount is of this file, so it is written and not replaced.
        fs::write(&hosts, lines).unwrap();
    };
    names(&["127.0.0.2", "127.0.0.3"]);
    let mounted = Command::new("mount").arg("--bind").arg(&hosts).arg("/etc/hosts").status();
    assert!(mounted.unwrap().success());
    let counts = [serve("127.0.0.2:80", true), serve("127.0.0.3:80", false), serve("127.0.0.4:80", false)];
    let requests = || counts.each_ref().map(|count| count.load(Ordering::SeqCst));
    let settings = "dns_refresh = \"300ms\"\noutlier_detection = false";
    let gateway = gateway(&["http://api.test".to_owned()], settings, "", "");
    let get = |path: &str| call(gateway.address, &format!("GET {path}"), &[], "").status;

    // Both get requests, and a resend goes to the other.
    let start = Instant::now();
    while requests()[..2].iter().any(|count| *count < 5) {
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", requests());
        assert_eq!(get("/"), 200);
    }
    for _ in 0..10 {
        assert_eq!(get("/bad"), 200);
    }
    let log = gateway.log(gateway.logged());
    let tried = attempts(log.iter().rfind(|line| attempts(line).len() == 2).expect("a resend"));
    assert_eq!(tried[0]["endpoint"], "http://api.test (127.0.0.2)");
    assert_eq!(tried[1]["endpoint"], "http://api.test (127.0.0.3)");

    // The name moves, and the requests follow it.
    names(&["127.0.0.4"]);
    let start = Instant::now();
    while requests()[2] == 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", requests());
        assert_eq!(get("/"), 200);
        thread::sleep(Duration::from_millis(20));
    }
    let before = requests();
    for _ in 0..10 {
        assert_eq!(get("/"), 200);
    }
    assert_eq!(requests(), [before[0], before[1], before[2] + 10]);

    // A look-up that fails changes nothing.
    names(&[]);
    thread::sleep(Duration::from_millis(1_000));
    assert_eq!(get("/"), 200);
    assert_eq!(requests()[2], before[2] + 11);

    // A name has an address of a family on which nobody listens.
    names(&["::1", "127.0.0.3"]);
    let start = Instant::now();
    while requests()[1] == before[1] {
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", requests());
        assert_eq!(get("/"), 200);
        thread::sleep(Duration::from_millis(20));
    }
    let lines = gateway.log(gateway.logged());
    let failed = lines.iter().flat_map(attempts).find(|attempt| attempt["error"] == "connect failed");
    assert_eq!(failed, None);
}
