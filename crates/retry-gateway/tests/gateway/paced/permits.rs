//! The queue of a pace and `max_requests`: who waits holds no permit, and shuts nobody out.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use super::{Refusing, stop, wait_paced, watched};
use crate::client::{call, open, parse};
use crate::upstream::{Act, Upstream, say};

#[test]
fn a_full_queue_of_one_key_does_not_shut_out_the_others() {
    let refusing = Refusing::only("x-key: a", "retry-after: 3");
    // A quarter of the waiters may be of one key.
    let lines = "max_requests = 1\npace = { key = \"header:x-key\", waiters = 8 }";
    let gateway = watched(&refusing.upstream, "", lines, "timeout = \"60s\"");
    let a: &[&str] = &["x-key: a"];
    stop(&gateway, "GET /", a);
    let mut held = Vec::new();
    for count in [1.0, 2.0] {
        held.push(open(gateway.address, "GET /", a, ""));
        wait_paced(&gateway, count);
    }
    let reply = call(gateway.address, "GET /", a, "");
    let seconds = reply.header("retry-after").unwrap().parse::<u64>().unwrap();
    assert!(reply.status == 503 && (1..=4).contains(&seconds), "{}", reply.head);
    assert!(reply.body.contains("the waiters limit of the upstream's pace is reached"), "{}", reply.body);
    assert_eq!(gateway.metric("pace_rejected_total{upstream=\"api\",reason=\"full\"}"), 1.0);
    // Who waits holds no permit.
    assert_eq!(gateway.status()["upstreams"][0]["in_flight"], 0);
    for _ in 0..5 {
        assert_eq!(call(gateway.address, "GET /", &["x-key: b"], "").status, 200);
    }
    assert_eq!(gateway.paced_of_api(), 2.0);
    refusing.open();
    for socket in &mut held {
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).unwrap();
        assert!(
            [200, 503].contains(&parse(&bytes).status),
            "the second may come when the first has the permit"
        );
    }
}

#[test]
fn a_client_that_leaves_the_queue_makes_room() {
    let refusing = Refusing::start("retry-after: 5");
    let gateway = watched(&refusing.upstream, "", "pace = { waiters = 4 }", "timeout = \"60s\"");
    stop(&gateway, "GET /", &[]);
    for _ in 0..3 {
        let held = open(gateway.address, "GET /", &[], "");
        wait_paced(&gateway, 1.0);
        drop(held);
        wait_paced(&gateway, 0.0);
    }
}

/// The permit is taken when the pace admits the request, which is at once here.
#[test]
fn a_request_that_is_admitted_while_max_requests_is_reached_is_rejected() {
    for key in ["upstream", "endpoint", "credential"] {
        let upstream =
            Upstream::start(
                |_, seen| if seen.head.contains("/hang") { Act::Hang } else { say(200, &[], "done") },
            );
        let lines = format!("max_requests = 1\npace.key = \"{key}\"");
        let gateway = watched(&upstream, "", &lines, "");
        let held = open(gateway.address, "GET /hang", &[], "");
        upstream.wait_seen(1);
        assert_eq!(gateway.status()["upstreams"][0]["in_flight"], 1, "{key}");
        let reply = call(gateway.address, "GET /", &[], "");
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")), "{key}");
        assert!(reply.body.contains("the upstream's max_requests limit is reached"), "{key}: {}", reply.body);
        assert_eq!(gateway.metric("downstream_rq_rejected_total{reason=\"overflow\"}"), 1.0, "{key}");
        let line = &gateway.log(1)[0];
        assert_eq!((line["rejected"].as_str(), upstream.seen().len()), (Some("overflow"), 1), "{key}");
        drop(held);
        let end = Instant::now() + Duration::from_secs(5);
        while call(gateway.address, "GET /", &[], "").status != 200 {
            assert!(Instant::now() < end, "{key}: the permit is not back");
        }
    }
}

/// A response holds its permit until its end, and not for longer, also over a connection that stays open.
#[test]
fn a_permit_returns_with_the_end_of_the_response() {
    let slow = || {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndo".to_owned();
        Act::Slowly(vec![head, "ne".to_owned()], Duration::from_millis(500))
    };
    for act in [slow(), say(200, &[], ""), say(200, &[], "done")] {
        let upstream = Upstream::answering(vec![act]);
        let gateway = watched(&upstream, "", "max_requests = 1\npace = true", "");
        let mut first = open(gateway.address, "GET /", &["connection: keep-alive"], "");
        upstream.wait_seen(1);
        let mut bytes = [0; 4_096];
        let mut said = String::new();
        while !said.contains("\r\n\r\n") || said.contains("length: 4") && !said.ends_with("done") {
            if said.ends_with("\r\n\r\ndo") {
                assert_eq!(gateway.status()["upstreams"][0]["in_flight"], 1);
            }
            let read = first.read(&mut bytes).unwrap();
            said += std::str::from_utf8(&bytes[..read]).unwrap();
        }
        let end = Instant::now() + Duration::from_secs(5);
        while gateway.status()["upstreams"][0]["in_flight"] != 0 {
            assert!(Instant::now() < end, "{said}");
        }
    }
}

/// The refused request waits for its hint in the queue of the pace, and holds no permit meanwhile.
#[test]
fn a_request_that_waits_for_its_resend_holds_no_permit() {
    for body in ["", "busy"] {
        let upstream = Upstream::start(move |number, seen| match (number, seen.head.contains("/refused")) {
            (0, true) => say(429, &["retry-after: 2"], body),
            _ => say(200, &[], "done"),
        });
        let gateway = crate::process::Gateway::by(&format!(
            "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [{:?}]\nmax_requests = 1\npace = true\n\
             [[routes]]\nupstream = \"api\"\n",
            upstream.url()
        ));
        let mut refused = open(gateway.address, "GET /refused", &[], "");
        wait_paced(&gateway, 1.0);
        assert_eq!(gateway.status()["upstreams"][0]["in_flight"], 0);
        for _ in 0..5 {
            assert_eq!(call(gateway.address, "GET /", &[], "").status, 200, "{body}");
        }
        thread::sleep(Duration::from_millis(100));
        let mut bytes = Vec::new();
        refused.read_to_end(&mut bytes).unwrap();
        assert_eq!(parse(&bytes).status, 200, "{body}");
        let seen = upstream.seen();
        let waited = seen[seen.len() - 1].at - seen[0].at;
        assert!(waited >= Duration::from_secs(2), "{body}: {waited:?}");
    }
}
