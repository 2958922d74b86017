//! Upgrades: after 101 the gateway only passes bytes.

use std::io::{Read, Write};

use crate::client::open;
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
