//! What a configuration file says is what happens.

use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Reply, call};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, nobody, say};

/// A gateway in front of these endpoints, with further lines of its upstream, its route, and the route's retries.
#[track_caller]
pub(crate) fn gateway(endpoints: &[String], upstream: &str, route: &str, retry: &str) -> Gateway {
    Gateway::by(&format!(
        "[upstreams.api]\nendpoints = {endpoints:?}\n{upstream}\n\
         [[routes]]\nupstream = \"api\"\n{route}\n{retry}\n"
    ))
}

#[track_caller]
pub(crate) fn get(gateway: &Gateway) -> Reply {
    call(gateway.address, "GET /", &[], "")
}

#[test]
fn a_try_that_hangs_is_cut_and_another_follows() {
    let upstream = Upstream::answering(vec![Act::Hang, say(200, &[], "done")]);
    let gateway = gateway(&[upstream.url()], "", "", "[routes.retry]\nper_try_timeout = \"1s\"");
    assert_eq!(get(&gateway).body, "done");
    assert_eq!(upstream.seen().len(), 2);
    // Whether it was processed, nobody knows.
    let upstream = Upstream::answering(vec![Act::Hang]);
    let gateway = self::gateway(&[upstream.url()], "", "", "[routes.retry]\nper_try_timeout = \"1s\"");
    assert_eq!(call(gateway.address, "POST /", &[], "hello").status, 504);
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn the_timeout_holds_for_all_attempts_and_waits() {
    let upstream = Upstream::answering(vec![Act::Hang]);
    let gateway = gateway(&[upstream.url()], "", "timeout = \"300ms\"", "");
    let reply = get(&gateway);
    assert_eq!((reply.status, reply.header("content-type")), (504, Some("application/problem+json")));
    // A wait that does not fit is not begun, and the response is the client's.
    let upstream = Upstream::answering(vec![say(503, &["retry-after: 2"], "busy")]);
    let gateway = self::gateway(&[upstream.url()], "", "timeout = \"1s\"", "");
    assert_eq!((get(&gateway).body.as_str(), upstream.seen().len()), ("busy", 1));
}

/// Nothing was read of it when the connection failed, so all of it goes to the other endpoint; the dead one is then
/// left alone for a while.
#[test]
fn a_large_upload_survives_an_endpoint_where_nobody_listens() {
    let upstream = Upstream::answering(vec![say(200, &[], "done")]);
    let dead = nobody();
    let gateway = gateway(&[dead.clone(), upstream.url()], "", "", "");
    let body = "x".repeat(3 * 1024 * 1024);
    // The first endpoint is drawn: sooner or later it is the dead one.
    let mut began = Instant::now();
    let found_out = (1..=50).find(|number| {
        began = Instant::now();
        let reply = call(gateway.address, "POST /", &[], &body);
        assert_eq!((reply.status, reply.body.as_str()), (200, "done"));
        attempts(&gateway.log(*number)[number - 1]).len() == 2
    });
    let found_out = found_out.expect("it was drawn in 50 tries");
    let log = gateway.log(found_out);
    let tried: Vec<_> =
        attempts(&log[found_out - 1]).iter().map(|step| step["endpoint"].as_str().unwrap()).collect();
    assert_eq!(tried, [dead.as_str(), upstream.url().as_str()]);
    assert!(upstream.seen().len() == found_out && upstream.seen().iter().all(|seen| seen.body == body));
    let call_and_count = |number: usize| {
        assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
        attempts(&gateway.log(number)[number - 1]).len()
    };
    let mut number = found_out;
    loop {
        number += 1;
        let count = call_and_count(number);
        // It rests for a second, which began after this request did.
        if began.elapsed() > Duration::from_millis(950) {
            break;
        }
        assert_eq!(count, 1, "{:?}", began.elapsed());
    }
    // It may be there again later.
    while call_and_count(number + 1) != 2 {
        assert!(began.elapsed() < Duration::from_secs(15), "it is left alone for good");
        number += 1;
        thread::sleep(Duration::from_millis(10));
    }
}

/// What the log tells of a request's attempts.
pub(crate) fn attempts(line: &serde_json::Value) -> &[serde_json::Value] {
    line["attempts"].as_array().expect("the log tells them")
}

#[test]
fn a_resend_goes_to_an_endpoint_that_was_not_tried() {
    let tired = Upstream::answering(vec![say(503, &[], "")]);
    let fresh = Upstream::answering(vec![say(200, &[], "done")]);
    let gateway = gateway(&[tired.url(), fresh.url()], "", "", "");
    for _ in 0..8 {
        assert_eq!(get(&gateway).body, "done");
    }
    assert_eq!(fresh.seen().len(), 8);
    for line in gateway.log(8) {
        assert!(attempts(&line).len() <= 2, "{line}");
    }
}

#[test]
fn the_host_is_as_the_rule_says() {
    for (rule, expected) in [("preserve", "client.example"), ("fixed.example:81", "fixed.example:81")] {
        let upstream = Upstream::answering(vec![say(200, &[], "")]);
        let gateway = gateway(&[upstream.url()], &format!("host = \"{rule}\""), "", "");
        assert_eq!(get(&gateway).status, 200);
        assert_eq!(upstream.seen()[0].header("host"), Some(expected), "{rule}");
    }
}

#[test]
fn requests_go_where_their_route_leads() {
    let (models, orders) = (
        Upstream::answering(vec![say(200, &[], "models")]),
        Upstream::answering(vec![say(200, &[], "orders")]),
    );
    let gateway = Gateway::by(&format!(
        "[upstreams.models]\nendpoints = [\"{}\"]\n[upstreams.orders]\nendpoints = [\"{}\"]\n\
         [[routes]]\npath_prefix = \"/v1\"\nmethods = [\"GET\"]\nupstream = \"models\"\n\
         [[routes]]\nhost = \"shop.example\"\nheaders = {{ x-beta = \"1\" }}\nupstream = \"orders\"\n\
         [[routes]]\nhost = \"*.shop.example\"\nupstream = \"orders\"\n",
        models.url(),
        orders.url()
    ));
    let check = |line: &str, headers: &[&str], expected: (u16, &str)| {
        let reply = call(gateway.address, line, headers, "");
        let body = if reply.status == 200 { reply.body.as_str() } else { "" };
        assert_eq!((reply.status, body), expected, "{line} {headers:?}");
    };
    check("GET /v1/x", &[], (200, "models"));
    check("DELETE /v1/x", &[], (404, ""));
    check("GET http://shop.example/v2", &["x-beta: 1"], (200, "orders"));
    check("GET http://shop.example/v2", &["x-beta: 2"], (404, ""));
    check("GET /v2", &["x-beta: 1"], (404, ""));
    check("GET http://eu.shop.example/v2", &[], (200, "orders"));
    check("GET http://shop.example/v2", &[], (404, ""));
}

#[test]
fn each_retry_setting_acts() {
    // What it says, what the first answer is, which request, and how often that is sent.
    let rows = [
        ("retry = false", say(503, &[], ""), "GET /", "", 1),
        ("[routes.retry]\nnum_retries = 0", say(503, &[], ""), "GET /", "", 1),
        // The original is under way, unless a key says that this is a repetition of it.
        ("[routes.retry]\nretry_on = [\"retriable-4xx\"]", say(409, &[], ""), "GET /", "", 1),
        ("[routes.retry]\nmethods = \"all\"", say(503, &[], ""), "POST /", "", 2),
        ("[routes.retry]\nmethods = [\"POST\"]", say(503, &[], ""), "POST /", "", 2),
        ("[routes.retry]\nmethods = [\"POST\"]", say(503, &[], ""), "GET /", "", 1),
        (
            "[routes.retry]\ntrust_idempotency_key = false",
            say(503, &[], ""),
            "POST /",
            "idempotency-key: 1",
            1,
        ),
        ("[routes.retry]\nnested = \"ignore\"", say(503, &[], ""), "GET /", "x-envoy-attempt-count: 2", 2),
        (
            "[routes.retry]\nrate_limited_back_off = { max_interval = \"1s\" }",
            say(503, &["retry-after: 2"], ""),
            "GET /",
            "",
            1,
        ),
        (
            "[routes.retry]\nrequest_body_buffer_limit = 4\nmethods = \"all\"",
            say(503, &[], ""),
            "POST /",
            "",
            1,
        ),
    ];
    for (retry, first, line, header, expected) in rows {
        let upstream = Upstream::answering(vec![first, say(200, &[], "")]);
        let gateway = gateway(&[upstream.url()], "", "", retry);
        let headers: Vec<_> = (!header.is_empty()).then_some(header).into_iter().collect();
        let body = if line.starts_with("POST") { "hello" } else { "" };
        call(gateway.address, line, &headers, body);
        assert_eq!(upstream.seen().len(), expected, "{retry} {line} {header}");
    }
}

#[test]
fn resends_and_responses_say_so_where_they_are_told_to() {
    let upstream = Upstream::answering(vec![say(503, &[], ""), say(200, &[], "")]);
    let retry = "[routes.retry]\nattempt_header = \"x-try\"\nexplain_header = true";
    let gateway = gateway(&[upstream.url()], "", "", retry);
    let reply = get(&gateway);
    assert_eq!(
        (reply.header("x-retry-attempts"), reply.header("x-retry-reason")),
        (Some("2"), Some("throttled"))
    );
    assert_eq!(upstream.seen()[1].header("x-try"), Some("2"));
    let reply = get(&gateway);
    assert_eq!((reply.header("x-retry-attempts"), reply.header("x-retry-reason")), (Some("1"), None));
    let upstream = Upstream::answering(vec![say(503, &[], ""), say(200, &[], "")]);
    let gateway = self::gateway(&[upstream.url()], "", "", "[routes.retry]\nattempt_header = false");
    assert_eq!((get(&gateway).header("x-retry-attempts"), upstream.seen().len()), (None, 2));
    assert_eq!(upstream.seen()[1].header("x-retry-attempt"), None);
}

/// The first of ten is refused for a second: it waits for that, and the others do not.
#[test]
fn under_a_pace_one_refusal_holds_the_refused_request_alone() {
    for key in ["upstream", "endpoint", "credential", "header:authorization"] {
        let upstream = Upstream::answering(vec![say(429, &["retry-after: 1"], ""), say(200, &[], "")]);
        let pace = format!("pace = {{ key = \"{key}\" }}");
        let gateway = gateway(&[upstream.url()], &pace, "", "");
        let address = gateway.address;
        let first = thread::spawn(move || call(address, "GET /", &["authorization: a"], "").status);
        while upstream.seen().is_empty() {
            thread::sleep(Duration::from_millis(5));
        }
        let others: Vec<_> = (0..9)
            .map(|_| thread::spawn(move || call(address, "GET /", &["authorization: a"], "").status))
            .collect();
        for call in others.into_iter().chain([first]) {
            assert_eq!(call.join().unwrap(), 200, "{key}");
        }
        let seen = upstream.seen();
        assert_eq!(seen.len(), 11, "{key}");
        let after = |number: usize| seen[number].at - seen[0].at;
        assert!(after(10) >= Duration::from_secs(1) && seen[10].header("x-retry-attempt").is_some(), "{key}");
        assert!(after(9) < Duration::from_millis(900), "{key}: {:?}", after(9));
    }
}
