//! Requests that wait for the first endpoint to come back, while none takes connections.

use std::thread;
use std::time::{Duration, Instant};

use testkit::listener::LateListener;

use crate::client::{Reply, call, open};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, nobody, say};

#[track_caller]
fn gateway(endpoints: &[String], upstream: &str, route: &str) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = {endpoints:?}\n{upstream}\n\
         [[routes]]\nupstream = \"api\"\n{route}\n"
    ))
}

const WAIT: &str = "wait_while_down = \"8s\"";

fn url(listener: &LateListener) -> String {
    format!("http://{}", listener.address())
}

/// Calls in so many threads at once, with a GET and a POST in turn.
fn calls(gateway: &Gateway, count: usize) -> Vec<thread::JoinHandle<Reply>> {
    let address = gateway.address;
    let line = |number| if number % 2 == 0 { "GET /" } else { "POST /" };
    (0..count).map(|number| thread::spawn(move || call(address, line(number), &[], "body"))).collect()
}

#[track_caller]
fn assert_all_succeed(calls: Vec<thread::JoinHandle<Reply>>) {
    for call in calls {
        let reply = call.join().unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}

/// The number of attempts of all requests, after so many of them.
fn attempts(gateway: &Gateway, requests: usize) -> usize {
    gateway.log(requests).iter().map(|line| line["attempts"].as_array().unwrap().len()).sum()
}

#[test]
fn a_restart_is_bridged_whatever_the_retries_are() {
    for (others, upstream, route) in [
        (0, "", ""),
        (0, "outlier_detection = false\nretry_budget = { percent = 0, min_retries_per_second = 0 }", ""),
        (2, "", ""),
        (4, "", "[routes.retry]\nnum_retries = 1\nretry_on = [\"reset\"]"),
        (2, "", "retry = false"),
        (0, "protocol = \"http1\"\npace = { key = \"endpoint\" }", ""),
        (0, "pace = true", "retry = false"),
    ] {
        let listener = LateListener::new();
        let urls: Vec<_> = (0..others).map(|_| nobody()).chain([url(&listener)]).collect();
        let gateway = gateway(&urls, &format!("{WAIT}\n{upstream}"), route);
        let calls = calls(&gateway, 30);
        thread::sleep(Duration::from_millis(400));
        let back = Upstream::start_late(listener);
        assert_all_succeed(calls);
        assert_eq!(back.seen().len(), 30, "{others} {upstream} {route}");
    }
}

#[test]
fn one_connection_at_a_time_finds_out_for_all() {
    let listener = LateListener::new();
    let gateway = gateway(&[url(&listener)], WAIT, "");
    let mut waiting = calls(&gateway, 1);
    // By now the first request has found out that nobody is there.
    thread::sleep(Duration::from_millis(500));
    waiting.extend(calls(&gateway, 40));
    thread::sleep(Duration::from_millis(300));
    let back = Upstream::start_late(listener);
    assert_all_succeed(waiting);
    assert_eq!((back.seen().len(), attempts(&gateway, 41)), (41, 42));
    // The outage is over, and costs those that come after it nothing.
    assert_all_succeed(calls(&gateway, 10));
    assert_eq!(attempts(&gateway, 51), 52);
}

#[test]
fn the_wait_for_an_endpoint_is_no_part_of_the_attempts_time() {
    let listener = LateListener::new();
    let gateway = gateway(&[url(&listener)], WAIT, "[routes.retry]\nper_try_timeout = \"1500ms\"");
    let mut waiting = calls(&gateway, 1);
    thread::sleep(Duration::from_millis(500));
    // The outage is known, so the first attempts of these requests wait for its end.
    waiting.extend(calls(&gateway, 6));
    thread::sleep(Duration::from_millis(2_500));
    let back = Upstream::start_late(listener);
    assert_all_succeed(waiting);
    assert_eq!((back.seen().len(), attempts(&gateway, 7)), (7, 8));
}

#[test]
fn a_request_waits_no_longer_than_it_may() {
    for (upstream, route, wait) in [
        ("wait_while_down = \"300ms\"", "", 300),
        (WAIT, "timeout = \"300ms\"", 300),
        ("wait_while_down = \"0s\"", "", 0),
        ("", "", 0),
    ] {
        let gateway = gateway(&[nobody(), nobody()], upstream, route);
        for line in ["GET /", "POST /"] {
            let start = Instant::now();
            let reply = call(gateway.address, line, &[], "");
            let took = start.elapsed();
            assert_eq!(reply.status, 503, "{reply:?}");
            assert_eq!(reply.body.contains("wait_while_down"), wait > 0, "{reply:?}");
            assert!(
                took >= Duration::from_millis(wait) && took < Duration::from_secs(4),
                "{upstream}: {took:?}"
            );
        }
    }
}

#[test]
fn a_client_that_leaves_ends_its_wait() {
    let listener = LateListener::new();
    let gateway = gateway(&[url(&listener)], WAIT, "");
    let gone = open(gateway.address, "GET /gone", &[], "");
    let waiting = calls(&gateway, 1);
    thread::sleep(Duration::from_millis(300));
    drop(gone);
    gateway.log(1);
    let back = Upstream::start_late(listener);
    assert_all_succeed(waiting);
    assert_eq!(back.seen().len(), 1);
}

#[test]
fn the_next_upstream_of_the_route_gets_the_request_in_its_time() {
    let other = Upstream::answering(vec![say(200, &[], "other")]);
    let gateway = Gateway::by(&format!(
        "[upstreams.api]\nendpoints = [{:?}]\n{WAIT}\n[upstreams.other]\nendpoints = [{:?}]\n\
         [[routes]]\nupstream = \"api\"\nfallback = {{ upstreams = [\"other\"], after = \"300ms\" }}\n",
        nobody(),
        other.url()
    ));
    for line in ["GET /", "POST /"] {
        let start = Instant::now();
        assert_eq!(call(gateway.address, line, &[], "").body, "other");
        assert!(start.elapsed() < Duration::from_secs(4));
    }
}

#[test]
fn an_upgrade_that_nobody_took_goes_to_another_endpoint() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello";
    let headers = ["connection: upgrade", "upgrade: echo"];
    let well = Upstream::answering(vec![Act::Part(switch.to_owned(), Duration::from_millis(50))]);
    let one_is_dead = gateway(&[nobody(), well.url()], "outlier_detection = false", "");
    for _ in 0..12 {
        let reply = call(one_is_dead.address, "GET /", &headers, "");
        assert_eq!((reply.status, reply.body.as_str()), (101, "hello"), "{reply:?}");
    }
    // What came back decides nothing: the request was sent.
    let busy = Upstream::answering(vec![say(503, &[], ""), say(200, &[], "")]);
    let headers = ["connection: close, upgrade", "upgrade: echo"];
    assert_eq!(call(gateway(&[busy.url()], "", "").address, "GET /", &headers, "").status, 503);
    assert_eq!(busy.seen().len(), 1);
}
