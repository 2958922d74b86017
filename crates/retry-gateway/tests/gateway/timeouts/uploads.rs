//! `timeout` and `per_try_timeout`: their clock stands still exactly while the client's body is waited for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use testkit::raw_http2::HEADERS;

use super::{check_no_load, check_took, gateway};
use crate::client::{Reply, call, open, parse};
use crate::configured::attempts;
use crate::http2_client::Http2Client;
use crate::paced::{stop, wait_paced};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, nobody, response, say};

const TIMES: (&str, &str) = ("timeout = \"1s\"", "per_try_timeout = \"600ms\"");

/// Sends the rest of a body of so many bytes, evenly and in this time.
fn upload(socket: &mut TcpStream, bytes: usize, time: Duration) {
    let pieces = 10;
    for _ in 0..pieces {
        thread::sleep(time / pieces);
        let _ = socket.write_all(&vec![b'x'; bytes / pieces as usize]);
    }
}

#[track_caller]
fn read(socket: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    parse(&bytes)
}

/// Opens a request of a method whose body has so many bytes, none of which it sends.
#[track_caller]
fn begin(gateway: &Gateway, method: &str, bytes: usize) -> TcpStream {
    open(gateway.address, &format!("{method} /"), &[&format!("content-length: {bytes}")], "")
}

#[test]
fn an_upload_may_take_longer_than_every_timeout() {
    let upstream = Upstream::answering(vec![say(200, &[], "done")]);
    let other = Upstream::answering(vec![say(200, &[], "done")]);
    let gateway = Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [{:?}, {:?}]\n\
         outlier_detection = {{ consecutive_5xx = 1, max_ejection_percent = 100 }}\n\
         [[routes]]\nupstream = \"api\"\n{}\n[routes.retry]\n{}\n",
        upstream.url(),
        other.url(),
        TIMES.0,
        TIMES.1,
    ));
    thread::scope(|scope| {
        let gateway = &gateway;
        // A body that is not saved, one that is, and one of HTTP/2.
        for (method, bytes) in [("POST", 200_000), ("PUT", 40_000), ("PUT", 200_000)] {
            scope.spawn(move || {
                let mut socket = begin(gateway, method, bytes);
                upload(&mut socket, bytes, Duration::from_millis(2_500));
                assert_eq!(read(&mut socket).body, "done", "{method} {bytes}");
            });
        }
        scope.spawn(move || {
            let mut client = Http2Client::connect(gateway.address, 65_535);
            let stream = client.send("POST", "/", Some(b"x"));
            for _ in 0..5 {
                thread::sleep(Duration::from_millis(500));
                client.data(stream, &[b'x'; 1_000], false);
            }
            client.data(stream, b"", true);
            let frame = client.read().expect("an answer");
            // `:status: 200` is entry 8 of the static table (RFC 7541 appendix A).
            assert_eq!((frame.kind, frame.stream, frame.payload[0]), (HEADERS, stream, 0x88));
        });
    });
    assert!(gateway.log(4).iter().all(|line| attempts(line).len() == 1));
    assert_eq!(gateway.metric_of_api("outlier_detection_ejections_total"), 0.0);
}

/// Once the body is there, the upstream has what is left of its time, and no more.
#[test]
fn the_clock_goes_on_when_the_body_is_there() {
    let upstream = Upstream::answering(vec![Act::Hang]);
    for (route, retry) in [("timeout = \"600ms\"", "num_retries = 0"), ("", TIMES.1)] {
        let gateway = gateway(&upstream.url(), "", "", route, retry);
        let mut socket = begin(&gateway, "POST", 1_000);
        upload(&mut socket, 1_000, Duration::from_millis(1_500));
        let sent = Instant::now();
        assert_eq!(read(&mut socket).status, 504);
        check_took(sent, 400, 1_300);
        assert_eq!(attempts(&gateway.log(1)[0]).len(), 1);
    }
}

/// The time of the upload is none of the waits and resends, which have the whole timeout.
#[test]
fn a_slow_upload_is_resent_like_any_other() {
    let pace = "pace = true";
    for (lines, fallback) in
        [("", ""), (pace, ""), ("", "fallback = { upstreams = [\"other\"], after = \"300ms\" }")]
    {
        let busy = Act::Say(response(502, &["retry-after: 0"], "busy"));
        let upstream = Upstream::answering(vec![busy, say(200, &[], "done")]);
        let gateway = Gateway::by(&format!(
            "[upstreams.api]\nendpoints = [{:?}]\n{lines}\n[upstreams.other]\nendpoints = [\"{}\"]\n\
             [[routes]]\nupstream = \"api\"\ntimeout = \"1s\"\n{fallback}\n",
            upstream.url(),
            nobody(),
        ));
        let mut socket = begin(&gateway, "PUT", 10_000);
        upload(&mut socket, 10_000, Duration::from_millis(1_600));
        assert_eq!(read(&mut socket).body, "done", "{lines} {fallback}");
        let seen = upstream.seen();
        assert!(seen.len() == 2 && seen[0].body == seen[1].body, "{seen:?}");
    }
}

/// The time of an upload counts for no deadline of a resend, also where the first attempt has waited for the pace.
#[test]
fn a_slow_upload_that_waited_for_the_pace_is_resent_too() {
    let uploads = AtomicUsize::new(0);
    let upstream = Upstream::start(move |_, seen| match seen.head.starts_with("PUT") {
        true if uploads.fetch_add(1, Ordering::Relaxed) == 0 => say(502, &[], ""),
        true => say(200, &[], "done"),
        false => say(429, &["retry-after: 1"], ""),
    });
    let gateway = Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [{:?}]\npace = true\n\
         [[routes]]\npath_prefix = \"/refused\"\nupstream = \"api\"\nretry = false\n\
         [[routes]]\nupstream = \"api\"\ntimeout = \"2s\"\n",
        upstream.url()
    ));
    stop(&gateway, "GET /refused", &[]);
    let mut socket = begin(&gateway, "PUT", 10_000);
    wait_paced(&gateway, 1.0);
    wait_paced(&gateway, 0.0);
    upload(&mut socket, 10_000, Duration::from_millis(2_500));
    assert_eq!(read(&mut socket).body, "done");
}

/// An upstream that takes no bytes is on its own clock, and so is the endpoint to blame.
#[test]
fn an_upstream_that_does_not_read_an_upload_is_cut() {
    // It never reads, and the body exceeds all buffers between.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let gateway = gateway(&url, "", "", TIMES.0, TIMES.1);
    let mut socket = begin(&gateway, "POST", 64 << 20);
    let mut writer = socket.try_clone().unwrap();
    let began = Instant::now();
    let upload = thread::spawn(move || {
        let piece = vec![b'x'; 1 << 20];
        (0..64).take_while(|_| writer.write_all(&piece).is_ok()).count()
    });
    let mut bytes = [0; 12];
    socket.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"HTTP/1.1 504");
    check_took(began, 500, 1_500);
    // The gateway reads on for a while, so that the client gets the answer, and then closes the connection.
    upload.join().unwrap();
    assert!(socket.read_to_end(&mut Vec::new()).is_ok());
}

/// The client's time is bounded by limits of its own, and the endpoint is not to blame for it.
#[test]
fn a_body_that_stops_is_the_clients_fault_and_ejects_nobody() {
    let [upstream, other] = [0, 1].map(|_| Upstream::answering(vec![say(200, &[], "done")]));
    let gateway = Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[limits]\nbody_timeout = \"400ms\"\n[upstreams.api]\n\
         endpoints = [{:?}, {:?}]\noutlier_detection = {{ consecutive_5xx = 1, max_ejection_percent = 100 }}\n\
         [[routes]]\nupstream = \"api\"\n",
        upstream.url(),
        other.url(),
    ));
    // One stops, and one leaves.
    for method in ["PUT", "POST"] {
        let mut socket = begin(&gateway, method, 1_000);
        socket.write_all(&[b'x'; 10]).unwrap();
        let began = Instant::now();
        assert_eq!(read(&mut socket).status, 408, "{method}");
        check_took(began, 300, 2_000);
        let mut socket = begin(&gateway, method, 1_000);
        socket.write_all(&[b'x'; 10]).unwrap();
        thread::sleep(Duration::from_millis(100));
    }
    gateway.log(4);
    assert_eq!(gateway.metric_of_api("outlier_detection_ejections_total"), 0.0);
    check_no_load(&gateway);
}

/// While it waits for the pace, the gateway waits for nothing of the client.
#[test]
fn an_upload_that_waits_for_the_pace_keeps_its_deadline() {
    let upstream = Upstream::start(|_, seen| match seen.head.contains("/refused") {
        true => say(429, &["retry-after: 30"], ""),
        false => say(200, &[], "done"),
    });
    for (key, body) in [("upstream", 200_000), ("endpoint", 1_000)] {
        let pace = format!("pace = {{ key = \"{key}\" }}");
        let gateway = gateway(&upstream.url(), "", &pace, "timeout = \"1s\"", "num_retries = 0");
        // Enough refusals stop the key.
        for _ in 0..30 {
            call(gateway.address, "GET /refused", &[], "");
        }
        let sent = upstream.seen().len();
        let mut socket = begin(&gateway, "POST", body);
        let began = Instant::now();
        upload(&mut socket, body, Duration::from_millis(100));
        assert_eq!(read(&mut socket).status, 503, "{key}");
        assert!(began.elapsed() < Duration::from_millis(1_800), "{:?}", began.elapsed());
        assert_eq!(upstream.seen().len(), sent, "{key}");
    }
}
