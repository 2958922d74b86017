//! Requests that wait hold no permit of `max_requests`, and have a limit of their own, `max_pending_requests`.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use testkit::listener::LateListener;

use crate::client::{Reply, call, open, parse};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, say};

#[track_caller]
fn gateway(upstream: &str, route: &str) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\n{upstream}\n[[routes]]\nupstream = \"api\"\n{route}\n"
    ))
}

/// Waits until so many requests are in flight, and so many wait, as the status and the gauges say. They are asked one after the
/// other, and a request that has just come may change its place between them.
#[track_caller]
fn wait_for(gateway: &Gateway, in_flight: u64, pending: u64) {
    let end = Instant::now() + Duration::from_secs(10);
    let expected = [in_flight as f64, pending as f64];
    loop {
        let upstream = &gateway.status()["upstreams"][0];
        let status = ["in_flight", "pending"].map(|key| upstream[key].as_f64().unwrap());
        let gauges = ["active", "pending_active"]
            .map(|name| gateway.metric(&format!("upstream_rq_{name}{{upstream=\"api\"}}")));
        if [status, gauges] == [expected, expected] {
            return;
        }
        assert!(Instant::now() < end, "not {in_flight} and {pending}: {gauges:?}, {upstream}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn reply_of(mut socket: TcpStream) -> Reply {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    parse(&bytes)
}

/// An upstream that asks for a wait of `/busy`, and serves everything else.
fn busy(wait: &'static str) -> Upstream {
    Upstream::start(move |_, seen| match seen.head.split(' ').nth(1) {
        Some("/busy") => say(503, &[wait], "busy"),
        Some("/slow") => Act::Slowly(
            vec!["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndo".to_owned(), "ne".to_owned()],
            Duration::from_secs(2),
        ),
        _ => say(200, &[], "done"),
    })
}

#[test]
fn a_request_that_waits_for_its_resend_leaves_its_place_to_others() {
    for (method, retry) in [("GET", ""), ("PUT", "retry = { per_try_timeout = false }")] {
        let upstream = busy("retry-after: 10");
        let gateway = gateway(
            &format!("endpoints = [{:?}]\nmax_requests = 1", upstream.url()),
            &format!("timeout = \"60s\"\n{retry}"),
        );
        let held: Vec<_> = (0..3)
            .map(|count| {
                let socket = open(gateway.address, &format!("{method} /busy"), &[], "");
                wait_for(&gateway, 0, count + 1);
                socket
            })
            .collect();
        for _ in 0..5 {
            assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
        }
        // Clients that go leave nothing behind.
        drop(held);
        wait_for(&gateway, 0, 0);
    }
}

#[test]
fn a_resend_takes_the_next_place_and_is_not_turned_away() {
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let upstream = Upstream::start(move |_, seen| match seen.head.contains("/slow") {
        true => Act::Slowly(
            vec!["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndo".to_owned(), "ne".to_owned()],
            Duration::from_secs(2),
        ),
        false if count.fetch_add(1, Ordering::SeqCst) == 0 => say(503, &["retry-after: 1"], ""),
        false => say(200, &[], "done"),
    });
    let gateway = gateway(
        &format!("endpoints = [{:?}]\nmax_requests = 1", upstream.url()),
        "timeout = \"60s\"\nretry = { per_try_timeout = false }",
    );
    let resent = open(gateway.address, "GET /", &[], "");
    wait_for(&gateway, 0, 1);
    let slow = open(gateway.address, "GET /slow", &[], "");
    wait_for(&gateway, 1, 1);
    // Meanwhile the wait of the first one ends, and who arrives is turned away.
    thread::sleep(Duration::from_millis(1_300));
    assert_eq!(served.load(Ordering::SeqCst), 1, "the place is taken");
    let reply = call(gateway.address, "GET /", &[], "");
    assert!(reply.body.contains("max_requests"), "{reply:?}");
    assert_eq!(reply_of(slow).body, "done");
    assert_eq!(reply_of(resent).body, "done");
    wait_for(&gateway, 0, 0);
}

#[test]
fn a_request_that_waits_for_its_connection_holds_no_place() {
    for settings in ["", "protocol = \"http2\""] {
        // It takes connections, and says nothing over TLS.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = gateway(
            &format!(
                "endpoints = [\"https://{address}\"]\nmax_requests = 1\nconnect_timeout = \"3s\"\n{settings}"
            ),
            "retry = false",
        );
        let held: Vec<_> = (0..3)
            .map(|count| {
                let socket = open(gateway.address, "POST /", &[], "");
                wait_for(&gateway, 0, count + 1);
                socket
            })
            .collect();
        for socket in held {
            let reply = reply_of(socket);
            assert!(reply.body.contains("could not be reached"), "{settings}: {reply:?}");
        }
        wait_for(&gateway, 0, 0);
        drop(listener);
    }
}

#[test]
fn those_who_wait_for_a_server_to_come_back_go_one_by_one_where_one_may() {
    let listener = LateListener::new();
    let gateway = gateway(
        &format!(
            "endpoints = [\"http://{}\"]\nmax_requests = 1\nwait_while_down = \"8s\"",
            listener.address()
        ),
        "",
    );
    let address = gateway.address;
    let calls: Vec<_> = (0..20)
        .map(|number| {
            let line = if number % 2 == 0 { "GET /" } else { "POST /" };
            let call = thread::spawn(move || call(address, line, &[], "body"));
            // One that comes while another one tries is rejected by `max_requests`.
            wait_for(&gateway, 0, number + 1);
            call
        })
        .collect();
    let back = Upstream::start_late(listener);
    for call in calls {
        let reply = call.join().unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    assert_eq!(back.seen().len(), 20);
    wait_for(&gateway, 0, 0);
}

#[test]
fn who_may_not_wait_is_told_which_limit_is_reached() {
    let upstream = busy("retry-after: 10");
    let gateway = gateway(
        &format!("endpoints = [{:?}]\nmax_pending_requests = 2", upstream.url()),
        "timeout = \"60s\"\nretry = { per_try_timeout = false }",
    );
    let held = [1, 2].map(|count| {
        let socket = open(gateway.address, "GET /busy", &[], "");
        wait_for(&gateway, 0, count);
        socket
    });
    let reply = call(gateway.address, "GET /busy", &[], "");
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    assert!(reply.body.contains("max_pending_requests limit is reached"), "{}", reply.body);
    assert_eq!(gateway.metric("downstream_rq_rejected_total{reason=\"pending_overflow\"}"), 1.0);
    let line = &gateway.log(1)[0];
    assert_eq!((line["rejected"].as_str(), line["status"].as_u64()), (Some("pending_overflow"), Some(503)));
    // Who need not wait is served.
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    drop(held);
    wait_for(&gateway, 0, 0);
}

#[test]
fn a_full_queue_sends_requests_on_to_the_next_upstream() {
    let (first, second) = (busy("retry-after: 10"), Upstream::answering(vec![say(200, &[], "second")]));
    let gateway = Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [{:?}]\nmax_pending_requests = 1\n\
         [upstreams.next]\nendpoints = [{:?}]\n[[routes]]\nupstream = \"api\"\ntimeout = \"60s\"\n\
         retry = {{ per_try_timeout = false }}\nfallback = {{ upstreams = [\"next\"], after = \"30s\" }}\n",
        first.url(),
        second.url()
    ));
    let held = open(gateway.address, "GET /busy", &[], "");
    wait_for(&gateway, 0, 1);
    assert_eq!(call(gateway.address, "GET /busy", &[], "").body, "second");
    let series = "upstream_rq_fallback_total{upstream=\"api\",reason=\"overflow\"}";
    assert_eq!(gateway.metric(series), 1.0);
    drop(held);
    wait_for(&gateway, 0, 0);
}
