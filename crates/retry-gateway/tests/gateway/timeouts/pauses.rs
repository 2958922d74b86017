//! A process that is stopped for a while, as a virtual machine is that moves to another host.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use super::gateway;
use crate::client::{call, open};
use crate::upstream::{Upstream, say};

#[test]
fn what_came_while_the_process_was_stopped_counts_before_its_timeouts() {
    let upstream = Upstream::start(|_, _| {
        thread::sleep(Duration::from_millis(300));
        say(200, &[], "done")
    });
    let limits = "body_timeout = \"1s\"\nwrite_timeout = \"1s\"\nidle_timeout = \"1s\"";
    let retry = "num_retries = 0\nper_try_timeout = \"1s\"";
    let gateway = gateway(&upstream.url(), limits, "", "", retry);
    let gateway = &gateway;
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| assert_eq!(call(gateway.address, "POST /", &[], "body").status, 200));
            scope.spawn(|| {
                let headers = ["content-length: 4", "connection: close"];
                let mut socket = open(gateway.address, "POST /", &headers, "");
                thread::sleep(Duration::from_millis(300));
                socket.write_all(b"body").unwrap();
                let mut text = String::new();
                socket.read_to_string(&mut text).unwrap();
                assert!(text.starts_with("HTTP/1.1 200"), "{text}");
            });
        }
        thread::sleep(Duration::from_millis(150));
        gateway.signal("STOP");
        thread::sleep(Duration::from_millis(2_000));
        gateway.signal("CONT");
    });
}
