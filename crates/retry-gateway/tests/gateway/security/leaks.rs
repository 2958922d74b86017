//! What is nobody else's business, and what is not ours to look into.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Upstream, say};

#[test]
fn no_secret_is_logged_or_told_to_operators() {
    let upstream = Upstream::answering(vec![say(503, &["x-answer: hunter2"], "hunter2"), say(200, &[], "")]);
    let gateway = Gateway::before(&upstream.url(), &["--admin", "127.0.0.1:0", "--profile", "llm"]);
    let lines = ["authorization: Bearer hunter2", "cookie: hunter2", "idempotency-key: hunter2"];
    assert_eq!(call(gateway.address, "POST /a?key=hunter2", &lines, "hunter2").status, 200);
    let mut told = serde_json::to_string(&gateway.log(1)).unwrap();
    assert!(told.contains("\"path\":\"/a\""), "{told}");
    for page in ["/metrics", "/status", "/healthz", "/readyz", "/?key=hunter2"] {
        told += &call(gateway.admin.unwrap(), &format!("GET {page}"), &[], "").body;
    }
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn a_password_in_a_url_is_refused_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let text = "listen = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [\"http://me:hunter2@h\"]\n[[routes]]\nupstream = \"api\"\n";
    std::fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();
    for arguments in [
        &["check", file][..],
        &["serve", "--config", file],
        &["explain", "--config", file, "--status", "503"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_retry-gateway")).args(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!output.status.success() && told.contains("a user or a password"), "{arguments:?}: {told}");
        assert!(!told.contains("hunter2"), "{arguments:?}: {told}");
    }
}

#[test]
fn operators_are_those_of_this_machine_unless_somebody_says_otherwise() {
    let serve = ["serve", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--admin"];
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:9090"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retry-gateway"));
        let output = command.args(serve).arg(address).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("--admin-public"), "{told}");
    }
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let gateway = Gateway::before(&upstream.url(), &["--admin", "0.0.0.0:0", "--admin-public"]);
    let port = gateway.admin.unwrap().port();
    assert_eq!(call(([127, 0, 0, 1], port).into(), "GET /healthz", &[], "").status, 200);
}

/// The first bytes of a gzip stream, which are not text.
const PACKED: &[u8] = &[0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0xff, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0];

#[test]
fn what_is_packed_is_not_unpacked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let upstream = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
        while !seen.ends_with(PACKED) {
            let length = socket.read(&mut piece).unwrap();
            seen.extend(&piece[..length]);
        }
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", PACKED.len());
        socket.write_all(&[head.as_bytes(), PACKED].concat()).unwrap();
        String::from_utf8_lossy(&seen).into_owned()
    });
    let gateway = Gateway::before(&url, &[]);
    let mut socket = TcpStream::connect(gateway.address).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\naccept-encoding: gzip;q=0.5, br\r\ncontent-encoding: gzip\r\n\
         content-length: {}\r\n\r\n",
        PACKED.len()
    );
    socket.write_all(&[head.as_bytes(), PACKED].concat()).unwrap();
    let mut said = Vec::new();
    socket.read_to_end(&mut said).unwrap();
    assert!(said.ends_with(PACKED) && String::from_utf8_lossy(&said).contains("content-encoding: gzip"));
    let seen = upstream.join().unwrap();
    assert!(
        seen.contains("accept-encoding: gzip;q=0.5, br\r\n") && seen.contains("content-encoding: gzip\r\n")
    );
}
