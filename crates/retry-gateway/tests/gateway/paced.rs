//! Who waits for whom while an upstream wants quiet, and for how long.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{call, open, parse};
use crate::configured::gateway;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, response, say};

/// Turns the first request away for so long, and takes all others.
fn refusing_once(hint: &'static str) -> Upstream {
    Upstream::start(move |number, _| match number {
        0 => say(429, &[hint], ""),
        _ => say(200, &[], "done"),
    })
}

/// A gateway that sends nothing again.
fn paced(upstream: &Upstream, pace: &str, route: &str) -> Gateway {
    gateway(&[upstream.url()], pace, &format!("{route}\nretry = false"), "")
}

/// The status of a request with the header `second`, after the upstream wanted quiet for half a minute of one with
/// the header `first`. One that may not wait for that long is told so at once.
#[track_caller]
fn check_key(pace: &str, route: &str, first: &str, second: &str, expected: u16) {
    let upstream = refusing_once("retry-after: 30");
    let gateway = paced(&upstream, pace, &format!("{route}\ntimeout = \"5s\""));
    assert_eq!(call(gateway.address, "GET /", &[first], "").status, 429);
    let reply = call(gateway.address, "GET /", &[second], "");
    assert_eq!(reply.status, expected, "{pace} {route} {first} {second}: {}", reply.body);
    assert_eq!(upstream.seen().len(), if expected == 200 { 2 } else { 1 });
}

#[test]
fn those_wait_who_share_a_key() {
    let (a, b) = ("authorization: a", "authorization: b");
    check_key("", "", a, a, 200);
    check_key("pace = true", "", a, b, 503);
    check_key("pace = { key = \"upstream\" }", "", a, b, 503);
    check_key("pace = { key = \"header:authorization\" }", "", a, a, 503);
    check_key("pace = { key = \"header:authorization\" }", "", a, b, 200);
    check_key("", "profile = \"llm\"", a, a, 503);
    check_key("", "profile = \"llm\"", a, b, 200);
    check_key("pace = false", "profile = \"llm\"", a, a, 200);
}

#[test]
fn endpoints_have_keys_of_their_own_where_the_key_is_the_endpoint() {
    for (key, is_any_served) in [("upstream", false), ("endpoint", true)] {
        let upstreams = [refusing_once("retry-after: 30"), Upstream::answering(vec![say(200, &[], "done")])];
        let urls = [upstreams[0].url(), upstreams[1].url()];
        let pace = format!("pace = {{ key = \"{key}\" }}");
        let gateway = gateway(&urls, &pace, "timeout = \"5s\"\nretry = false", "");
        // The endpoint is drawn: sooner or later it is the one that wants quiet.
        let status = || call(gateway.address, "GET /", &[], "").status;
        assert!((0..60).any(|_| status() == 429), "{key}");
        let replies: Vec<_> = (0..60).map(|_| status()).collect();
        assert!(replies.contains(&503), "{key}: {replies:?}");
        assert_eq!(replies.contains(&200), is_any_served, "{key}: {replies:?}");
        assert_eq!(upstreams[0].seen().len(), 1, "{key}");
    }
}

#[test]
fn nobody_is_held_for_longer_than_the_longest() {
    let upstream = refusing_once("retry-after: 30");
    let gateway = paced(&upstream, "pace = { longest = \"500ms\" }", "timeout = \"5s\"");
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 429);
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    let seen = upstream.seen();
    assert!(seen[1].at - seen[0].at >= Duration::from_millis(500), "{:?}", seen[1].at - seen[0].at);
}

/// What another one gets while one waits.
#[track_caller]
fn check_waiters(waiters: usize, expected: u16) {
    let upstream = refusing_once("retry-after: 3");
    let gateway = Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [{:?}]\npace = {{ waiters = {waiters} }}\n\
         [[routes]]\nupstream = \"api\"\nretry = false\n",
        upstream.url()
    ));
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 429);
    let mut first = open(gateway.address, "GET /", &[], "");
    let end = Instant::now() + Duration::from_secs(10);
    while gateway.metric_of_api("pace_active") == 0.0 {
        assert!(Instant::now() < end, "nobody waits");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(call(gateway.address, "GET /", &[], "").status, expected, "{waiters}");
    let mut bytes = Vec::new();
    first.read_to_end(&mut bytes).unwrap();
    assert_eq!(parse(&bytes).body, "done", "{waiters}");
}

#[test]
fn no_more_wait_than_may() {
    thread::scope(|scope| {
        scope.spawn(|| check_waiters(1, 503));
        scope.spawn(|| check_waiters(2, 200));
    });
}

#[test]
fn no_more_keys_are_known_than_may_be() {
    for (keys, expected) in [(1, 503), (2, 200)] {
        let pace = format!("pace = {{ key = \"header:x-key\", keys = {keys} }}");
        check_key(&pace, "", "x-key: a", "x-key: b", expected);
    }
}

/// Nobody answers, so that whoever waits for answers sends no more.
#[test]
fn a_slow_start_sends_a_few_at_a_time() {
    for is_slow in [true, false] {
        let upstream = Upstream::answering(vec![Act::Hang]);
        let gateway = paced(&upstream, &format!("pace = {{ slow_start = {is_slow} }}"), "");
        let _clients: Vec<_> = (0..10).map(|_| open(gateway.address, "GET /", &[], "")).collect();
        if is_slow {
            upstream.wait_seen(4);
            thread::sleep(Duration::from_millis(500));
            assert!(upstream.seen().len() < 10);
        } else {
            upstream.wait_seen(10);
        }
    }
}

/// An attempt begins when its turn has come, however long it waited for that.
#[test]
fn a_wait_for_the_turn_is_no_part_of_the_try() {
    let upstream = Upstream::start(|number, _| match number {
        0 => say(429, &["retry-after: 2"], ""),
        _ => Act::Slowly(vec![String::new(), response(200, &[], "done")], Duration::from_millis(300)),
    });
    let retry = "[routes.retry]\nnum_retries = 0\nper_try_timeout = \"1s\"";
    let gateway = gateway(&[upstream.url()], "pace = true", "", retry);
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 429);
    let reply = call(gateway.address, "GET /", &[], "");
    assert_eq!((reply.status, reply.body.as_str()), (200, "done"));
}
