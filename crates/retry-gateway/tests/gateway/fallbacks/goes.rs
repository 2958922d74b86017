//! After what a request goes to the other upstream, and after what it does not.

use std::time::Duration;

use super::{LLM, Lines, check, gateway, logged, other};
use crate::client::{call, open};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, nobody, response, say};

const JSON: &str = "content-type: application/json";
const GONE: &str = r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#;
const SOON: &str = "retry-after-ms: 10";
const LATE: &str = "retry-after: 3600";

#[test]
fn a_quota_that_is_gone_is_left_at_once_whatever_the_request() {
    for line in ["POST /", "GET /"] {
        check(&say(429, &[JSON, SOON], GONE), line, LLM, ("api 402, other 200", 200));
        check(&say(200, &[JSON], GONE), line, LLM, ("api 402, other 200", 200));
        let stream = format!("data: {GONE}\n\n");
        check(
            &say(200, &["content-type: text/event-stream"], &stream),
            line,
            LLM,
            ("api 402, other 200", 200),
        );
    }
    // Proxies send it with a 200.
    let proxied = r#"{"error":{"code":429,"type":"insufficient_quota"}}"#;
    for line in ["POST /", "GET /"] {
        check(&say(200, &[JSON], proxied), line, LLM, ("api 402, other 200", 200));
    }
    let lines = Lines { retry: "peek_quota = false", ..LLM };
    check(&say(200, &[JSON], proxied), "POST /", lines, ("api 200", 200));
    // Where nobody looks, it is a refusal as any other.
    let lines = Lines { retry: "peek_quota = false\nnum_retries = 1", ..LLM };
    check(&say(429, &[JSON, SOON], GONE), "POST /", lines, ("api 429, api 429, other 200", 200));
}

#[test]
fn nobody_waits_for_longer_than_he_would_have_to() {
    check(&say(429, &[LATE], ""), "GET /", Lines::default(), ("api 429, other 200", 200));
    check(&say(429, &[LATE], ""), "POST /", LLM, ("api 429, other 200", 200));
    check(&say(503, &["retry-after: 6"], ""), "GET /", Lines::default(), ("api 503, other 200", 200));
    let brief = Lines { fallback: ", after = \"1s\"", ..Lines::default() };
    check(&say(503, &["retry-after: 2"], ""), "GET /", brief, ("api 503, other 200", 200));
    let brief = Lines { retry: "rate_limited_back_off = { max_interval = \"1s\" }", ..Lines::default() };
    check(&say(503, &["retry-after: 2"], ""), "GET /", brief, ("api 503, other 200", 200));
}

#[test]
fn a_short_wait_is_made_where_the_request_is() {
    let api = Upstream::answering(vec![say(429, &["retry-after: 1"], ""), say(200, &[], "api")]);
    let other = other();
    let gateway = gateway(&api.url(), &other.url(), Lines::default());
    assert_eq!(call(gateway.address, "GET /", &[], "").body, "api");
    assert_eq!((logged(&gateway, 1).as_str(), other.seen().len()), ("api 429, api 200", 0));
}

#[test]
fn what_resends_do_not_heal_goes_on_if_it_may_be_repeated() {
    let once = Lines { retry: "num_retries = 1", ..Lines::default() };
    check(&say(503, &[], ""), "GET /", once, ("api 503, api 503, other 200", 200));
    check(&Act::Close, "GET /", once, ("api broken off, api broken off, other 200", 200));
    let never = Lines { retry: "num_retries = 0", ..Lines::default() };
    check(&say(503, &[], ""), "GET /", never, ("api 503, other 200", 200));
    check(&say(502, &[], ""), "GET /", never, ("api 502, other 200", 200));
    let hanging = Lines { retry: "num_retries = 0\nper_try_timeout = \"300ms\"", ..Lines::default() };
    check(&Act::Hang, "GET /", hanging, ("api timeout, other 200", 200));
    let unpaid = Lines {
        api: "retry_budget = { percent = 0, min_retries_per_second = 0 }",
        retry: "num_retries = 20\nback_off = { base_interval = \"1ms\", max_interval = \"1ms\" }",
        ..Lines::default()
    };
    let api = Upstream::answering(vec![say(502, &[], "")]);
    let other = other();
    let gateway = gateway(&api.url(), &other.url(), unpaid);
    for number in 0..8 {
        assert_eq!(call(gateway.address, "GET /", &[], "").status, 200, "{number}");
    }
    assert!(gateway.metric_of_api("upstream_rq_retry_overflow_total") > 0.0);
}

#[test]
fn what_may_have_been_processed_stays_unless_the_route_says_so() {
    let never = Lines::default();
    check(&Act::Close, "POST /", never, ("api broken off", 502));
    check(
        &Act::Part("HTTP/1.1 200 OK\r\ncontent-le".to_owned(), Duration::ZERO),
        "POST /",
        never,
        ("api broken off", 502),
    );
    check(&say(503, &[LATE], ""), "POST /", never, ("api 503", 503));
    let hanging = Lines { retry: "per_try_timeout = \"300ms\"", ..Lines::default() };
    check(&Act::Hang, "POST /", hanging, ("api timeout", 504));
    check(&say(500, &[LATE], ""), "POST /", LLM, ("api 500", 500));
    check(&Act::Close, "POST /", LLM, ("api broken off", 502));
    let all = Lines { retry: "methods = \"all\"\nnum_retries = 0", ..Lines::default() };
    check(&Act::Close, "POST /", all, ("api broken off, other 200", 200));
}

#[test]
fn what_is_no_failure_of_the_upstream_stays() {
    for status in [200, 402, 404, 500] {
        check(&say(status, &[LATE], ""), "GET /", Lines::default(), (&format!("api {status}"), status));
    }
    // With a time, this is the refusal of a limit.
    check(&say(400, &[], ""), "GET /", Lines::default(), ("api 400", 400));
    check(&say(503, &["x-should-retry: false"], ""), "GET /", Lines::default(), ("api 503", 503));
    // It is a resend of somebody else's, who was told.
    let (api, other) = (Upstream::answering(vec![say(503, &[], "")]), other());
    let gateway = gateway(&api.url(), &other.url(), Lines::default());
    assert_eq!(call(gateway.address, "GET /", &["x-envoy-attempt-count: 2"], "").status, 503);
    // Whoever switches protocols does not come again.
    let reply = call(gateway.address, "GET /", &["connection: close, upgrade", "upgrade: echo"], "");
    assert_eq!((reply.status, other.seen().len()), (503, 0));
}

#[test]
fn an_upstream_that_cannot_be_reached_is_left_whatever_the_request() {
    for retry in ["num_retries = 0", "retry_on = []", "retry = false"] {
        let other = other();
        let gateway = gateway(&nobody(), &other.url(), Lines { retry, ..Lines::default() });
        assert_eq!(call(gateway.address, "POST /", &[], "hello").body, "other", "{retry}");
        assert_eq!(logged(&gateway, 1), "api connect failed, other 200", "{retry}");
        assert_eq!(other.seen()[0].body, "hello", "{retry}");
    }
    // But for that, nothing is sent twice there.
    let never = Lines { retry: "retry = false", ..Lines::default() };
    check(&say(503, &[], ""), "GET /", never, ("api 503", 503));
    check(&Act::Close, "GET /", never, ("api broken off", 502));
}

#[test]
fn upstreams_without_room_are_passed_over() {
    let api = Upstream::answering(vec![Act::Hang]);
    let held = Upstream::start(|_, seen| match seen.head.contains("/hang") {
        true => Act::Hang,
        false => say(200, &[], "other"),
    });
    let lines = Lines { api: "max_requests = 1", other: "max_requests = 1", ..Lines::default() };
    let gateway = gateway(&api.url(), &held.url(), lines);
    let _first = open(gateway.address, "GET /", &[], "");
    api.wait_seen(1);
    for number in 1..=3 {
        assert_eq!(call(gateway.address, "GET /", &[], "").body, "other");
        assert_eq!(logged(&gateway, number), "other 200");
    }
    let left = "upstream_rq_fallback_total{upstream=\"api\",reason=\"overflow\"}";
    assert_eq!((gateway.metric(left), gateway.metric_of_api("upstream_rq_total")), (3.0, 0.0));
    let _second = open(gateway.address, "GET /hang", &[], "");
    held.wait_seen(4);
    let reply = call(gateway.address, "GET /", &[], "");
    assert_eq!((reply.status, reply.header("content-type")), (503, Some("application/problem+json")));
    assert_eq!(gateway.log(4)[3]["rejected"], "overflow");
    // With the one that hangs, and the one that found no room there either.
    assert_eq!(gateway.metric(left), 5.0);
}

/// There is no room where the request would go, so its client gets what there is.
#[test]
fn a_full_upstream_is_nowhere_to_go() {
    let api = Upstream::answering(vec![say(503, &[LATE], "busy")]);
    let other = Upstream::answering(vec![Act::Hang]);
    let lines = Lines { other: "max_requests = 1", ..Lines::default() };
    let gateway = gateway(&api.url(), &other.url(), lines);
    let _first = open(gateway.address, "GET /", &[], "");
    other.wait_seen(1);
    let reply = call(gateway.address, "GET /", &[], "");
    assert_eq!((reply.status, reply.header("retry-after"), reply.body.as_str()), (503, Some("3600"), "busy"));
    assert_eq!((logged(&gateway, 1).as_str(), other.seen().len()), ("api 503", 1));
}

#[test]
fn a_response_of_the_other_streams() {
    let barrier = std::sync::Arc::new(std::sync::Barrier::new(2));
    let whole = response(200, &[], "first, then the rest");
    let (first, rest) = whole.split_at(whole.len() - 15);
    let api = Upstream::answering(vec![say(503, &[LATE], "")]);
    let other = Upstream::answering(vec![Act::Held(first.to_owned(), barrier.clone(), rest.to_owned())]);
    let gateway = gateway(&api.url(), &other.url(), Lines::default());
    let mut socket = open(gateway.address, "GET /", &[], "");
    let mut said = Vec::new();
    while !said.ends_with(b"first") {
        let mut more = [0; 1_024];
        let read = std::io::Read::read(&mut socket, &mut more).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&said));
        said.extend(&more[..read]);
    }
    let status = gateway.status();
    let under_way = |number: usize| status["upstreams"][number]["in_flight"].as_u64();
    assert_eq!((under_way(0), under_way(1)), (Some(0), Some(1)));
    barrier.wait();
    std::io::Read::read_to_end(&mut socket, &mut said).unwrap();
    assert!(said.ends_with(b"first, then the rest"));
}

/// As the client sent it, and not as the first upstream got it.
#[test]
fn the_other_gets_the_head_as_it_came() {
    let (api, other) = (Upstream::answering(vec![say(503, &[], "")]), other());
    let lines = Lines { retry: "num_retries = 1", other: "host = \"other.example\"", ..Lines::default() };
    let gateway = gateway(&api.url(), &other.url(), lines);
    let headers = ["authorization: Bearer key", "x-twice: 1", "x-twice: 2"];
    assert_eq!(call(gateway.address, "PUT /v1/x?y=1", &headers, "hello").body, "other");
    let seen = &other.seen()[0];
    assert!(seen.head.starts_with("PUT /v1/x?y=1 HTTP/1.1\r\n"), "{}", seen.head);
    assert_eq!(seen.header("host"), Some("other.example"));
    assert_eq!(seen.header("authorization"), Some("Bearer key"));
    assert_eq!(seen.header("x-forwarded-host"), Some("client.example"));
    assert!(seen.head.contains("x-twice: 1\r\nx-twice: 2\r\n"), "{}", seen.head);
    assert_eq!((seen.header("x-retry-attempt"), api.seen()[1].header("x-retry-attempt")), (None, Some("2")));
}

/// What was tried at the first says nothing of the second, whose endpoints are numbered as the first one's are.
#[test]
fn all_endpoints_of_the_other_get_their_share() {
    let api = Upstream::answering(vec![say(503, &[LATE], "")]);
    let others = [other(), other()];
    let gateway = Gateway::by(&format!(
        "[upstreams.api]\nendpoints = [{:?}]\n[upstreams.other]\nendpoints = [{:?}, {:?}]\n\
         [[routes]]\nupstream = \"api\"\nfallback = {{ upstreams = [\"other\"] }}\n",
        api.url(),
        others[0].url(),
        others[1].url(),
    ));
    for _ in 0..40 {
        assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    }
    let shares = others.each_ref().map(|other| other.seen().len());
    assert!(shares[0] > 0 && shares[1] > 0, "{shares:?}");
}
