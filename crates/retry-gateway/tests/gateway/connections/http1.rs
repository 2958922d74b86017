//! The idle connections of HTTP/1.1.

use std::collections::HashSet;
use std::io::Read;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{call, open};
use crate::configured::{attempts, gateway, get};
use crate::upstream::{Act, Upstream, nobody, response, say};

/// The connection of each request, in the order of the requests.
fn connections(upstream: &Upstream) -> Vec<usize> {
    upstream.seen().iter().map(|seen| seen.connection).collect()
}

#[test]
fn an_idle_connection_is_used_again_until_its_time_is_over() {
    let upstream = Upstream::answering(vec![say(200, &[], "done")]);
    let gateway = gateway(&[upstream.url()], "pool_idle_timeout = \"1s\"", "", "");
    for _ in 0..3 {
        assert_eq!(get(&gateway).status, 200);
    }
    assert_eq!(connections(&upstream), [0, 0, 0]);
    // Nobody asks for it, and it is closed all the same.
    assert_eq!(upstream.wait_ends(1)[0].connection, 0);
    assert_eq!(call(gateway.address, "POST /", &[], "hello").status, 200);
    assert_eq!(connections(&upstream), [0, 0, 0, 1]);
}

/// The first of them sets the time of the look at all.
#[test]
fn each_idle_connection_is_closed_when_its_own_time_is_over() {
    let upstream = Upstream::start(|number, _| {
        if number > 0 {
            thread::sleep(Duration::from_millis(300));
        }
        say(200, &[], "done")
    });
    let gateway = gateway(&[upstream.url()], "pool_idle_timeout = \"3s\"", "", "");
    assert_eq!(get(&gateway).status, 200);
    thread::sleep(Duration::from_millis(800));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(get(&gateway).status, 200));
        }
    });
    let idle_since = Instant::now();
    upstream.wait_ends(6);
    assert!(idle_since.elapsed() < Duration::from_millis(4_500), "{:?}", idle_since.elapsed());
}

/// The server closes an idle connection after this time, so the gateway must not use it until then.
#[test]
fn a_connection_is_idle_no_longer_than_its_server_says() {
    for (keep_alive, pause, expected) in [
        ("keep-alive: timeout=2", 1_100, [0, 1]),
        ("keep-alive: max=9, timeout=3", 600, [0, 0]),
        ("keep-alive: timeout=1", 0, [0, 1]),
    ] {
        let upstream = Upstream::answering(vec![say(200, &[keep_alive], "done")]);
        let gateway = gateway(&[upstream.url()], "", "", "");
        for method in ["GET /", "POST /"] {
            assert_eq!(call(gateway.address, method, &[], "").status, 200);
            thread::sleep(Duration::from_millis(pause));
        }
        assert_eq!(connections(&upstream), expected, "{keep_alive}");
    }
}

#[test]
fn the_connection_that_was_used_last_is_used_first() {
    let upstream = Upstream::start(|_, seen| match seen.head.starts_with("GET /slow") {
        true => Act::Slowly(
            vec![String::new(), "HTTP/1.1 204 Said\r\n\r\n".to_owned()],
            Duration::from_millis(700),
        ),
        false => say(200, &[], "done"),
    });
    let gateway = gateway(&[upstream.url()], "", "", "");
    let address = gateway.address;
    let slow = thread::spawn(move || call(address, "GET /slow", &[], "").status);
    upstream.wait_seen(1);
    assert_eq!(get(&gateway).status, 200);
    assert_eq!(slow.join().unwrap(), 204);
    // Both are idle now. The slow one came back last.
    for _ in 0..4 {
        assert_eq!(get(&gateway).status, 200);
    }
    assert_eq!(connections(&upstream), [0, 1, 0, 0, 0, 0]);
}

/// A firewall has forgotten them, or their host has restarted: each answers the next request with a reset.
#[test]
fn a_connection_that_died_while_it_was_idle_speaks_for_the_older_ones() {
    for (method, statuses) in [("GET /", [200, 200]), ("POST /", [502, 200])] {
        let used = Mutex::new(HashSet::new());
        let upstream = Upstream::start(move |_, seen| match used.lock().unwrap().insert(seen.connection) {
            true => Act::Slowly(vec![String::new(), response(200, &[], "done")], Duration::from_millis(300)),
            false => Act::Close,
        });
        let gateway = gateway(&[upstream.url()], "", "", "");
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| assert_eq!(get(&gateway).status, 200));
            }
        });
        thread::sleep(Duration::from_millis(200));
        let replies = statuses.map(|_| call(gateway.address, method, &[], "").status);
        assert_eq!(replies, statuses, "{method}");
    }
}

#[test]
fn a_connection_that_is_too_old_takes_no_request() {
    let upstream = Upstream::answering(vec![say(200, &[], "done")]);
    let gateway = gateway(&[upstream.url()], "max_connection_age = \"1s\"", "", "");
    assert_eq!(get(&gateway).status, 200);
    assert_eq!(get(&gateway).status, 200);
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(get(&gateway).status, 200);
    assert_eq!(connections(&upstream), [0, 0, 1]);
}

/// What is left of a response must not be taken for the next one.
#[test]
fn a_response_that_was_read_in_part_ends_its_connection() {
    let part = "HTTP/1.1 200 Said\r\ncontent-length: 9000000\r\n\r\n".to_owned() + &"x".repeat(1_000_000);
    let upstream = Upstream::answering(vec![Act::Part(part, Duration::from_secs(5)), say(200, &[], "done")]);
    let gateway = gateway(&[upstream.url()], "", "", "");
    let mut client = open(gateway.address, "GET /", &[], "");
    client.read_exact(&mut [0; 1_000]).unwrap();
    drop(client);
    let reply = get(&gateway);
    assert_eq!((reply.status, reply.body.as_str()), (200, "done"));
    assert_eq!(connections(&upstream), [0, 1]);
}

/// Nothing was sent to the endpoint that refuses, so the other one gets the handshake.
#[test]
fn a_handshake_goes_to_the_endpoint_that_takes_it() {
    let switching = "HTTP/1.1 101 Said\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n".to_owned();
    let upstream = Upstream::answering(vec![Act::Part(switching, Duration::from_millis(10))]);
    let settings = "outlier_detection = false";
    let gateway = gateway(&[nobody(), upstream.url()], settings, "", "");
    for protocol in ["websocket", "tcp"] {
        for _ in 0..8 {
            let upgrade = format!("upgrade: {protocol}");
            let reply = call(gateway.address, "GET /chat", &["connection: upgrade", &upgrade], "");
            assert_eq!(reply.status, 101, "{}", reply.body);
        }
    }
    assert_eq!(upstream.seen().len(), 16);
    assert!(upstream.seen().iter().all(|seen| seen.header("connection") == Some("upgrade")));
    let log = gateway.log(16);
    let failed = log.iter().flat_map(attempts).filter(|attempt| attempt["error"] == "connect failed");
    assert!(failed.count() > 0, "the endpoint that refuses was drawn");
}

/// An upgrade that an endpoint has got is not sent again.
#[test]
fn a_handshake_that_breaks_off_is_sent_once() {
    let upstreams = [Upstream::answering(vec![Act::Close]), Upstream::answering(vec![Act::Close])];
    let urls = [upstreams[0].url(), upstreams[1].url()];
    let gateway = gateway(&urls, "outlier_detection = false", "", "");
    let headers = ["connection: upgrade, close", "upgrade: websocket"];
    assert_eq!(call(gateway.address, "GET /chat", &headers, "").status, 502);
    assert_eq!(upstreams.iter().map(|upstream| upstream.seen().len()).sum::<usize>(), 1);
}
