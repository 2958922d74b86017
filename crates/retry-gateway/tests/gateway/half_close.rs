//! Clients that close their sending side after the request, and read on; and those that go while nobody reads their body.

mod pauses;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use testkit::listener::LateListener;

use crate::broken_uploads::reset;
use crate::client::{call_over, open};
use crate::process::Gateway;
use crate::shutdown::with_certificate;
use crate::upstream::{Act, Upstream, response, say};

/// Answers after a while, but for `/fast` and for the first request to `/busy`.
fn upstream() -> Upstream {
    Upstream::start(|number, seen| {
        let path = seen.head.split(' ').nth(1).unwrap_or_default().to_owned();
        if path == "/hang" {
            return Act::Hang;
        }
        if path != "/fast" {
            thread::sleep(Duration::from_millis(150));
        }
        match path.as_str() {
            "/busy" if number == 0 => say(503, &["retry-after: 1"], "busy"),
            "/large" => Act::Say(response(200, &[], &"x".repeat(3 << 20))),
            "/parts" => Act::Slowly(
                vec![response(200, &[], "").replace(": 0", ": 4"), "done".to_owned()],
                Duration::from_millis(150),
            ),
            _ => say(200, &[], "done"),
        }
    })
}

#[track_caller]
fn read_all(socket: &mut TcpStream) -> String {
    let mut reply = String::new();
    socket.read_to_string(&mut reply).expect("the whole response");
    reply
}

#[test]
fn a_client_that_reads_on_gets_its_response() {
    let body = "x".repeat(50_000);
    thread::scope(|scope| {
        for (line, body) in [
            ("GET /", ""),
            ("GET /fast", ""),
            ("GET /parts", ""),
            ("GET /large", ""),
            ("GET /busy", ""),
            ("DELETE /", ""),
            ("PUT /", "body"),
            ("POST /", body.as_str()),
        ] {
            scope.spawn(move || {
                let upstream = upstream();
                let gateway = Gateway::before(&upstream.url(), &[]);
                for connection in ["close", "keep-alive"] {
                    let header = format!("connection: {connection}");
                    let mut socket = open(gateway.address, line, &[&header], body);
                    socket.shutdown(Shutdown::Write).unwrap();
                    let reply = read_all(&mut socket);
                    assert!(reply.starts_with("HTTP/1.1 200 "), "{line}: {reply:.40}");
                    assert!(reply.ends_with("done") || reply.len() > 3 << 20, "{line}");
                }
                assert!(gateway.log(2).iter().all(|line| line["status"] == 200));
            });
        }
    });
}

/// The end of the client's bytes comes with its second request, or long after its first.
#[test]
fn a_later_request_of_a_connection_is_answered_too() {
    let upstream = upstream();
    let gateway = Gateway::before(&upstream.url(), &[]);
    let mut socket = TcpStream::connect(gateway.address).unwrap();
    assert_eq!(call_over(&mut socket, "GET /fast").body, "done");
    socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    thread::sleep(Duration::from_millis(50));
    socket.shutdown(Shutdown::Write).unwrap();
    assert!(read_all(&mut socket).starts_with("HTTP/1.1 200"));
    let mut socket = TcpStream::connect(gateway.address).unwrap();
    let both = b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n";
    socket.write_all(both).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut socket).matches("HTTP/1.1 200").count(), 2);
}

/// A client may read on at first, and go then. Nothing is sent to the upstream after that.
#[test]
fn a_client_that_goes_after_that_ends_its_request() {
    let upstream = upstream();
    let gateway = Gateway::before(&upstream.url(), &["--admin", "127.0.0.1:0"]);
    let began = Instant::now();
    for pause in [0, 300] {
        let socket = open(gateway.address, "PUT /hang", &[], "body");
        socket.shutdown(Shutdown::Write).unwrap();
        upstream.wait_seen(1);
        thread::sleep(Duration::from_millis(pause));
        drop(socket);
    }
    assert!(gateway.log(2).iter().all(|line| line["status"] == 499));
    assert_eq!(upstream.wait_ends(2).len(), 2);
    assert!(began.elapsed() < Duration::from_millis(3_500), "{:?}", began.elapsed());
    assert_eq!(gateway.status()["upstreams"][0]["endpoints"][0]["load"], 0);
}

/// A gateway whose requests wait for an upstream that is not there yet.
fn gateway_that_waits(listener: &LateListener, lines: &str) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n{lines}\n[upstreams.api]\nendpoints = [\"http://{}\"]\nwait_while_down = \"30s\"\n\
         [[routes]]\nupstream = \"api\"\ntimeout = \"30s\"\n",
        listener.address()
    ))
}

fn wait_pending(gateway: &Gateway, count: u64) {
    let end = Instant::now() + Duration::from_secs(10);
    while gateway.status()["upstreams"][0]["pending"] != count {
        assert!(Instant::now() < end, "not {count} wait: {}", gateway.status()["upstreams"][0]);
        thread::sleep(Duration::from_millis(20));
    }
}

/// The rest of their bodies stays in the socket, in front of the end of the bytes.
#[test]
fn a_client_that_goes_while_its_body_waits_ends_its_request() {
    let listener = LateListener::new();
    let gateway = gateway_that_waits(&listener, "");
    let body = "x".repeat(200_000);
    let open_with = |headers: &[&str]| open(gateway.address, "POST /gone", headers, &body);
    let gone = [open_with(&[]), open_with(&["connection: keep-alive"]), open_with(&[]), open_with(&[])];
    // Its body is not complete.
    let unfinished = open(gateway.address, "PUT /gone", &["content-length: 300000"], "");
    (&unfinished).write_all(body.as_bytes()).unwrap();
    let mut stays = open(gateway.address, "POST /", &[], &body);
    stays.shutdown(Shutdown::Write).unwrap();
    wait_pending(&gateway, 6);
    thread::sleep(Duration::from_millis(600));
    let [closed, kept_alive, aborted, half_closed] = gone;
    half_closed.shutdown(Shutdown::Write).unwrap();
    drop((closed, kept_alive, unfinished));
    reset(aborted);
    thread::sleep(Duration::from_millis(300));
    drop(half_closed);
    assert!(gateway.log(5).iter().all(|line| line["status"] == 499 && line["path"] == "/gone"));
    wait_pending(&gateway, 1);
    let back = Upstream::start_late(listener);
    let reply = read_all(&mut stays);
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply:.40}");
    assert_eq!(back.seen().len(), 1);
}

#[test]
fn a_client_of_tls_that_goes_while_its_body_waits_ends_its_request() {
    let (listener, folder) = (LateListener::new(), tempfile::tempdir().unwrap());
    let gateway = gateway_that_waits(&listener, &with_certificate(folder.path()));
    let request = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 200000\r\n\r\n".to_owned();
    let mut clients: Vec<_> = (0..2)
        .map(|_| {
            let mut client = Command::new("openssl")
                .args(["s_client", "-quiet", "-connect", &gateway.address.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("`openssl` is there");
            client
                .stdin
                .as_mut()
                .unwrap()
                .write_all((request.clone() + &"x".repeat(200_000)).as_bytes())
                .unwrap();
            client
        })
        .collect();
    wait_pending(&gateway, 2);
    thread::sleep(Duration::from_millis(600));
    for client in &mut clients {
        client.kill().unwrap();
        client.wait().unwrap();
    }
    assert!(gateway.log(2).iter().all(|line| line["status"] == 499));
    wait_pending(&gateway, 0);
}
