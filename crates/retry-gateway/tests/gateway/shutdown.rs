//! The end of the process: no request that has arrived is lost, and nobody who sends none holds it up.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use testkit::raw_http2::{END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, frame};

use crate::client::open;
use crate::http2_client::Http2Client;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, response, say};

/// The line of a configuration that has a gateway speak TLS, with a certificate of its own.
pub(crate) fn with_certificate(folder: &Path) -> String {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    format!("tls = {{ cert = {cert:?}, key = {key:?} }}")
}

/// A gateway that speaks TLS, with a certificate of its own.
#[track_caller]
pub(crate) fn with_tls(folder: &Path, upstream: &Upstream) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n{}\n[upstreams.api]\nendpoints = [{:?}]\n[[routes]]\nupstream = \"api\"\n",
        with_certificate(folder),
        upstream.url()
    ))
}

/// The connections are established by the kernel, and the gateway learns of them after SIGTERM.
#[test]
fn requests_that_wait_to_be_accepted_are_answered() {
    let upstream = Upstream::answering(vec![say(200, &[], "done")]);
    let mut gateway = Gateway::before(&upstream.url(), &[]);
    gateway.signal("STOP");
    let clients: Vec<_> = (0..50)
        .map(|number| match number % 2 {
            0 => open(gateway.address, "GET /", &["connection: keep-alive"], ""),
            _ => {
                let block = [&[0x82, 0x86, 0x84, 0x41, 1][..], b"a"].concat();
                let mut socket = TcpStream::connect(gateway.address).unwrap();
                let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block);
                socket.write_all(&[&PREFACE[..], &frame(SETTINGS, 0, 0, &[]), &request].concat()).unwrap();
                socket
            }
        })
        .collect();
    gateway.terminate();
    gateway.signal("CONT");
    for (number, mut socket) in clients.into_iter().enumerate() {
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (mut bytes, mut more) = (Vec::<u8>::new(), [0; 1_024]);
        // A client of HTTP/2 closes the connection itself, after the gateway's GOAWAY.
        while !bytes.windows(4).any(|part| part == b"done") {
            let count = socket.read(&mut more).unwrap_or_else(|error| panic!("{number}: {error}"));
            assert_ne!(count, 0, "{number}: {bytes:?}");
            bytes.extend(&more[..count]);
        }
    }
    assert!(gateway.ended(Duration::from_secs(10)).expect("it stops").success());
    assert_eq!(upstream.seen().len(), 50);
}

#[test]
fn a_client_that_has_just_connected_may_still_send() {
    let upstream = Upstream::answering(vec![say(200, &[], "done")]);
    let mut gateway = Gateway::before(&upstream.url(), &[]);
    let mut socket = TcpStream::connect(gateway.address).unwrap();
    thread::sleep(Duration::from_millis(50));
    gateway.terminate();
    thread::sleep(Duration::from_millis(200));
    socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("connection: close"), "{reply}");
    assert!(gateway.ended(Duration::from_secs(10)).expect("it stops").success());
}

/// A client may have sent its next request before it sees that the gateway has closed the connection.
#[test]
fn a_client_that_has_just_got_a_response_may_still_send() {
    let upstream = Upstream::answering(vec![say(200, &[], "done")]);
    let mut gateway = Gateway::before(&upstream.url(), &[]);
    let mut socket = TcpStream::connect(gateway.address).unwrap();
    let request = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";
    socket.write_all(request).unwrap();
    let mut first = Vec::new();
    while !first.ends_with(b"done") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        first.push(byte[0]);
    }
    gateway.terminate();
    thread::sleep(Duration::from_millis(200));
    socket.write_all(request).unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("connection: close"), "{reply:?}");
    assert!(gateway.ended(Duration::from_secs(10)).expect("it stops").success());
    assert_eq!(upstream.seen().len(), 2);
}

#[test]
fn a_connection_that_was_idle_for_longer_is_closed_at_once() {
    let upstream = Upstream::answering(vec![say(200, &[], "done")]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let mut socket = open(gateway.address, "GET /", &["connection: keep-alive"], "");
    thread::sleep(Duration::from_millis(1_200));
    let began = Instant::now();
    gateway.terminate();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    assert!(began.elapsed() < Duration::from_millis(700), "{:?}", began.elapsed());
    assert!(reply.ends_with("done"), "{reply:?}");
}

/// Each would otherwise hold it for the ten seconds of its own timeout.
#[test]
fn a_client_that_sends_nothing_holds_no_stop_up() {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let folder = tempfile::tempdir().unwrap();
    for mut gateway in [Gateway::before(&upstream.url(), &[]), with_tls(folder.path(), &upstream)] {
        let _silent = TcpStream::connect(gateway.address).unwrap();
        let mut partial = TcpStream::connect(gateway.address).unwrap();
        partial.write_all(&[22, 3, 1, 2]).unwrap();
        thread::sleep(Duration::from_millis(100));
        let began = Instant::now();
        gateway.terminate();
        assert!(gateway.ended(Duration::from_secs(8)).expect("it stops").success());
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    }
}

/// It has vanished, or does not answer the ping behind the GOAWAY.
#[test]
fn an_idle_client_of_http2_holds_no_stop_up() {
    let upstream = Upstream::answering(vec![say(200, &[], "done")]);
    let mut gateway = Gateway::before(&upstream.url(), &[]);
    let mut idle = Http2Client::connect(gateway.address, 1 << 16);
    let stream = idle.send("GET", "/", None);
    assert!(idle.read_end(stream).unwrap().ends_stream());
    let _unused = Http2Client::connect(gateway.address, 1 << 16);
    let began = Instant::now();
    gateway.terminate();
    assert!(gateway.ended(Duration::from_secs(10)).expect("it stops").success());
    assert!(began.elapsed() >= Duration::from_millis(900), "a request may be on its way");
}

/// A client that is slow to take its response does not answer pings meanwhile.
#[test]
fn a_response_over_http2_is_served_to_its_end() {
    let upstream = Upstream::start(|_, seen| match seen.head.contains("/late") {
        true => Act::Slowly(vec![response(200, &[], "").replace(": 0", ": 4"), "late".to_owned()], PAUSE),
        false => say(200, &[], &"x".repeat(1_000)),
    });
    let mut gateway = Gateway::before(&upstream.url(), &[]);
    let mut late = Http2Client::connect(gateway.address, 1 << 16);
    let late_stream = late.send("GET", "/late", None);
    let mut slow = Http2Client::connect(gateway.address, 10);
    let slow_stream = slow.send("GET", "/", None);
    upstream.wait_seen(2);
    thread::sleep(Duration::from_millis(200));
    gateway.terminate();
    thread::sleep(PAUSE);
    slow.grow(slow_stream, 1_000);
    for (client, stream) in [(&mut slow, slow_stream), (&mut late, late_stream)] {
        assert!(client.read_end(stream).expect("the whole response").ends_stream());
    }
    assert!(gateway.ended(Duration::from_secs(10)).expect("it stops").success());
}

/// Longer than a client has to answer a ping.
const PAUSE: Duration = Duration::from_millis(2_500);

#[test]
fn a_failed_tls_handshake_is_counted_and_logged_with_its_reason() {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let folder = tempfile::tempdir().unwrap();
    let gateway = with_tls(folder.path(), &upstream);
    let plain = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    // A fatal alert that says that the certificate's authority is unknown.
    let alert = [21, 3, 3, 0, 2, 2, 48];
    for (number, (bytes, reason, count)) in
        [(&plain[..], "not_tls", 1), (&alert, "alert", 1), (&[], "closed", 1), (&[22, 3, 1], "closed", 2)]
            .into_iter()
            .enumerate()
    {
        let mut socket = TcpStream::connect(gateway.address).unwrap();
        socket.write_all(bytes).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let line = &gateway.log(number + 1)[number];
        assert_eq!((&line["rejected"], &line["client"]), (&"tls_handshake".into(), &"127.0.0.1".into()));
        assert!(line["error"].is_string() && line["status"].is_null(), "{line}");
        let series = format!("downstream_tls_handshake_failed_total{{reason=\"{reason}\"}}");
        assert_eq!(gateway.metric(&series), f64::from(count), "{line}");
    }
}
