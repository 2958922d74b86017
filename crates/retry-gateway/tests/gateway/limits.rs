//! What clients may take, and that others are served all the same.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use testkit::raw_http2::{DEFAULT_WINDOW, RawHttp2Server};

use crate::client::{Reply, call, call_over, open, parse};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, response, say};

/// A gateway with these limits, and lines of its upstream and its route.
#[track_caller]
fn gateway(url: &str, limits: &str, lines: &str, route: &str) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[limits]\n{limits}\n[upstreams.api]\nendpoints = [{url:?}]\n{lines}\n\
         [[routes]]\nupstream = \"api\"\n{route}\n"
    ))
}

fn answering() -> Upstream {
    Upstream::answering(vec![say(200, &[], "done")])
}

#[track_caller]
fn check_others(gateway: &Gateway) {
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
}

fn rejected(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metric(&format!("downstream_rq_rejected_total{{reason=\"{reason}\"}}"))
}

/// How many were rejected, once there are so many.
#[track_caller]
fn wait_rejected(gateway: &Gateway, reason: &str, count: f64) {
    let end = Instant::now() + Duration::from_secs(10);
    while rejected(gateway, reason) < count {
        assert!(Instant::now() < end, "{reason}: {} of {count}", rejected(gateway, reason));
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(rejected(gateway, reason), count, "{reason}");
}

/// What comes until the gateway closes the connection, and how long that takes.
#[track_caller]
fn until_closed(socket: &mut TcpStream) -> (String, Duration) {
    let began = Instant::now();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut bytes = Vec::new();
    match socket.read_to_end(&mut bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("it stays open"),
        _ => (String::from_utf8(bytes).unwrap(), began.elapsed()),
    }
}

#[test]
fn a_connection_too_many_is_told_so_and_there_is_room_again_when_one_is_closed() {
    let upstream = answering();
    let gateway = gateway(&upstream.url(), "connections = 20", "", "");
    let mut held: Vec<_> = (0..20).map(|_| TcpStream::connect(gateway.address).unwrap()).collect();
    assert_eq!(call_over(&mut held[19], "GET /").status, 200);
    for _ in 0..100 {
        let reply = call(gateway.address, "GET /", &[], "");
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
        assert!(reply.body.contains("the gateway's limit of connections is reached"), "{}", reply.body);
    }
    // Those who are in are served.
    assert_eq!(call_over(&mut held[0], "GET /").status, 200);
    wait_rejected(&gateway, "connections", 100.0);
    held.pop();
    let end = Instant::now() + Duration::from_secs(5);
    while call(gateway.address, "GET /", &[], "").status != 200 {
        assert!(Instant::now() < end, "there is no room");
    }
}

#[test]
fn many_who_come_at_once_wait_in_the_kernel_and_none_has_to_knock_again() {
    let upstream = answering();
    let gateway = gateway(&upstream.url(), "", "", "");
    let largest = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
    let largest = largest.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(128);
    // It takes nobody in meanwhile, as where the machine has more to do than it can.
    gateway.signal("STOP");
    // Whoever finds no room asks again after 1 s, and then after 2 s.
    let connect = |_| TcpStream::connect_timeout(&gateway.address, Duration::from_millis(900));
    let sockets: Result<Vec<_>, _> = (0..largest.min(300)).map(connect).collect();
    gateway.signal("CONT");
    for mut socket in sockets.expect("there is room for all") {
        assert_eq!(call_over(&mut socket, "GET /").status, 200);
    }
}

#[test]
fn many_who_are_slow_with_their_heads_hold_nobody_up_and_are_cut_off() {
    let upstream = answering();
    let gateway = gateway(&upstream.url(), "header_timeout = \"3s\"", "", "");
    let slow = |number: usize| {
        let mut socket = TcpStream::connect(gateway.address).unwrap();
        // Some say nothing, some a piece of HTTP/2, some a piece of a head.
        let said: &[u8] = [&b""[..], b"PRI * HT", b"G", b"GET / HTTP/1.1\r\nhost: a\r\nx-a"][number % 4];
        socket.write_all(said).unwrap();
        socket
    };
    let mut sockets: Vec<_> = (0..200).map(slow).collect();
    check_others(&gateway);
    assert_eq!(rejected(&gateway, "header_timeout"), 0.0, "others waited until these were gone");
    let began = Instant::now();
    for socket in &mut sockets {
        until_closed(socket);
    }
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    wait_rejected(&gateway, "header_timeout", 150.0);
    let log = gateway.log(151);
    let lines = log.iter().filter(|line| line["rejected"] == "header_timeout" && line["status"] == 408);
    assert_eq!(lines.count(), 150);
}

#[test]
fn a_head_that_trickles_is_late_and_a_pause_between_two_requests_is_not() {
    let upstream = answering();
    let gateway = gateway(&upstream.url(), "header_timeout = \"500ms\"\nidle_timeout = \"3s\"", "", "");
    let mut client = TcpStream::connect(gateway.address).unwrap();
    for _ in 0..2 {
        assert_eq!(call_over(&mut client, "GET /").status, 200);
        thread::sleep(Duration::from_millis(1_000));
    }
    let began = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nx-header: 12345678901234567890" {
        let _ = client.write_all(&[*byte]);
        thread::sleep(Duration::from_millis(25));
    }
    until_closed(&mut client);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    wait_rejected(&gateway, "header_timeout", 1.0);
    // Who only says nothing does no harm.
    let mut client = TcpStream::connect(gateway.address).unwrap();
    assert_eq!(call_over(&mut client, "GET /").status, 200);
    let (_, took) = until_closed(&mut client);
    assert!(took > Duration::from_millis(2_500) && took < Duration::from_secs(10), "{took:?}");
    wait_rejected(&gateway, "header_timeout", 1.0);
}

/// What a head is answered with, and as what it is counted.
#[track_caller]
fn check_head(limits: &str, lines: &[String], status: u16, reason: &str) -> Reply {
    let upstream = answering();
    let gateway = gateway(&upstream.url(), limits, "", "");
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let reply = call(gateway.address, "GET /", &lines, "");
    assert_eq!(reply.status, status, "{limits}");
    if status == 200 {
        return reply;
    }
    wait_rejected(&gateway, reason, 1.0);
    let line = &gateway.log(1)[0];
    assert_eq!((line["status"].as_u64(), line["rejected"].as_str()), (Some(u64::from(status)), Some(reason)));
    check_others(&gateway);
    assert_eq!(upstream.seen().len(), 1, "{limits}");
    reply
}

#[test]
fn a_head_that_is_too_large_gets_no_further() {
    let many = |count: usize| (0..count).map(|number| format!("x-{number}: 1")).collect::<Vec<_>>();
    let long = |bytes: usize| vec![format!("x-long: {}", "x".repeat(bytes))];
    let reply = check_head("headers = 10", &many(20), 431, "head_too_large");
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    // There is a host, and a word on the connection.
    check_head("headers = 12", &many(10), 200, "");
    check_head("", &many(98), 200, "");
    check_head("", &many(99), 431, "head_too_large");
    check_head("headers = 200", &many(198), 200, "");
    check_head("headers = 200", &many(199), 431, "head_too_large");
    check_head("header_bytes = \"8KiB\"", &long(7_000), 200, "");
    check_head("header_bytes = \"8KiB\"", &long(9_000), 431, "head_too_large");
    check_head("", &long(50_000), 200, "");
    check_head("", &long(80_000), 431, "head_too_large");
    check_head("", &["x y: 1".to_owned()], 400, "bad_head");
}

/// The client of a gateway that speaks HTTP/2 is another one, which leaves the limits to it.
#[track_caller]
fn before(back: &Gateway) -> Gateway {
    Gateway::by(&format!(
        "[limits]\nheaders = 1000\nheader_bytes = \"1MiB\"\n[upstreams.back]\nendpoints = [\"http://{}\"]\n\
         protocol = \"http2\"\n[[routes]]\nupstream = \"back\"\n",
        back.address
    ))
}

#[test]
fn limits_hold_for_requests_over_http2_and_the_connection_lives_on() {
    let upstream = answering();
    let back =
        gateway(&upstream.url(), "headers = 20\nheader_bytes = \"8KiB\"\nbody_timeout = \"500ms\"", "", "");
    let front = before(&back);
    check_others(&front);
    let many: Vec<_> = (0..30).map(|number| format!("x-{number}: 1")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let reply = call(front.address, "GET /", &many, "");
    assert_eq!((reply.status, reply.header("content-type")), (431, Some("application/problem+json")));
    wait_rejected(&back, "head_too_large", 1.0);
    let long = format!("x-long: {}", "x".repeat(9_000));
    assert_eq!(call(front.address, "GET /", &[&long], "").status, 431);

    let mut client = open(front.address, "PUT /", &["content-length: 100"], "");
    client.write_all(b"x").unwrap();
    check_others(&front);
    let (said, took) = until_closed(&mut client);
    assert_eq!(parse(said.as_bytes()).status, 408);
    assert!(took < Duration::from_secs(5), "{took:?}");
    wait_rejected(&back, "body_timeout", 1.0);
    check_others(&front);
    assert_eq!(back.metric("downstream_cx_active"), 1.0);
}

#[test]
fn a_body_that_does_not_go_on_ends_its_request_whatever_the_upstream_speaks() {
    for (method, protocol) in [("PUT", "http1"), ("POST", "http1"), ("PUT", "http2")] {
        let http2 = RawHttp2Server::start_blocking(DEFAULT_WINDOW, Vec::new());
        let url = if protocol == "http2" { http2.url() } else { answering().url() };
        let gateway = gateway(&url, "body_timeout = \"500ms\"", &format!("protocol = \"{protocol}\""), "");
        let mut client = open(gateway.address, &format!("{method} /"), &["content-length: 100"], "");
        // One that trickles is not late.
        for _ in 0..5 {
            client.write_all(b"x").unwrap();
            thread::sleep(Duration::from_millis(250));
        }
        let began = Instant::now();
        check_others(&gateway);
        let (said, _) = until_closed(&mut client);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        let reply = parse(said.as_bytes());
        assert_eq!((reply.status, reply.header("content-type")), (408, Some("application/problem+json")));
        wait_rejected(&gateway, "body_timeout", 1.0);
        let log = gateway.log(2);
        let line = log.iter().find(|line| line["method"] == method).unwrap();
        assert_eq!((line["status"].as_u64(), line["rejected"].as_str()), (Some(408), Some("body_timeout")));
        // Nobody has sent it again.
        assert_eq!(line["attempts"].as_array().unwrap().len(), 1, "{line}");
    }
}

#[test]
fn a_client_that_does_not_take_its_answer_is_left() {
    let large = "x".repeat(32 * 1024 * 1024);
    let upstream = Upstream::start(move |_, seen| match seen.head.contains("/large") {
        true => Act::Say(response(200, &[], &large)),
        false => say(200, &[], ""),
    });
    let gateway = gateway(&upstream.url(), "write_timeout = \"500ms\"", "", "");
    let _client = open(gateway.address, "GET /large", &[], "");
    check_others(&gateway);
    wait_rejected(&gateway, "write_timeout", 1.0);
    let end = Instant::now() + Duration::from_secs(5);
    while gateway.status()["upstreams"][0]["in_flight"] != 0 {
        assert!(Instant::now() < end, "{}", gateway.status());
    }
}

#[test]
fn an_upstream_gets_as_many_requests_at_a_time_as_it_may() {
    // One hangs, and one still gets its body. One waits for its resend, and takes no place.
    let upstream = Upstream::start(|_, seen| match seen.head.split(' ').nth(1) {
        Some("/hang") => Act::Hang,
        Some("/busy") => say(503, &["retry-after: 10"], ""),
        Some("/slow") => {
            Act::Slowly(vec![response(200, &[], "").replace(": 0", ": 1"), "x".to_owned()], SLOW)
        }
        _ => say(200, &[], ""),
    });
    let gateway = gateway(
        &upstream.url(),
        "",
        "max_requests = 2",
        "timeout = \"60s\"\nretry = { per_try_timeout = false }",
    );
    let held: Vec<_> = ["hang", "busy", "slow"]
        .into_iter()
        .enumerate()
        .map(|(before, path)| {
            let socket = open(gateway.address, &format!("GET /{path}"), &[], "");
            upstream.wait_seen(before + 1);
            // The busy one gives its place back once its answer is there.
            thread::sleep(Duration::from_millis(200));
            socket
        })
        .collect();
    let reply = call(gateway.address, "GET /", &[], "");
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert_eq!((rejected(&gateway, "overflow"), upstream.seen().len()), (1.0, 3));
    assert!(gateway.log(2).iter().any(|line| line["rejected"] == "overflow" && line["status"] == 503));
    // A place is free when a client goes, whatever it waited for.
    for socket in held {
        drop(socket);
        let end = Instant::now() + Duration::from_secs(5);
        while call(gateway.address, "GET /", &[], "").status != 200 {
            assert!(Instant::now() < end, "there is no place");
        }
    }
}

#[test]
fn a_limit_counts_from_when_it_is_read_again() {
    let upstream = answering();
    let config = |limits: &str| {
        let url = upstream.url();
        format!("{limits}\n[upstreams.api]\nendpoints = [{url:?}]\n[[routes]]\nupstream = \"api\"\n")
    };
    let gateway = Gateway::by(&config(""));
    check_others(&gateway);
    gateway.reload(&config("limits = { headers = 1 }"));
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 431);
}

const SLOW: Duration = Duration::from_secs(10);
