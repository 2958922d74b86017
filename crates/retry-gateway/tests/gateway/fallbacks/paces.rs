//! How long a request waits at an upstream that has another behind it.

use std::time::{Duration, Instant};

use super::{Lines, gateway, logged, other};
use crate::client::call;
use crate::paced::{Refusing, stop};
use crate::upstream::{Upstream, say};

/// Turns the first request away for so long, and takes all others.
fn refusing_once(hint: &'static str) -> Upstream {
    Upstream::start(move |number, _| match number {
        0 => say(429, &[hint], ""),
        _ => say(200, &[], "api"),
    })
}

/// Who answers a request, while the pace of the first upstream holds it for so long.
#[track_caller]
fn check(hint: &'static str, api: &'static str, fallback: &'static str, is_held: bool) {
    let (refusing, other) = (Refusing::start(hint), other());
    let upstream = &refusing.upstream;
    let gateway = gateway(
        &upstream.url(),
        &other.url(),
        Lines { api, fallback, retry: "num_retries = 0", ..Lines::default() },
    );
    // The last one is held back too, or goes to the other upstream.
    stop(&gateway, "POST /", &[]);
    refusing.open();
    let (requests, seen) = (gateway.logged(), upstream.seen().len());
    let began = Instant::now();
    let body = call(gateway.address, "POST /", &[], "hello").body;
    let took = began.elapsed();
    if is_held {
        assert_eq!(
            (body.as_str(), logged(&gateway, requests + 1).as_str()),
            ("done", "api 200"),
            "{hint} {api} {fallback}"
        );
        return;
    }
    assert_eq!(body, "other", "{hint} {api} {fallback}");
    assert!(took < Duration::from_millis(2_500), "{hint} {api} {fallback}: {took:?}");
    assert_eq!(
        (upstream.seen().len(), other.seen()[1].body.as_str()),
        (seen, "hello"),
        "{hint} {api} {fallback}"
    );
    let expected = if api.contains("endpoint") { "api paced, other 200" } else { "other 200" };
    assert_eq!(logged(&gateway, requests + 1), expected);
    let left = "upstream_rq_fallback_total{upstream=\"api\",reason=\"paced\"}";
    assert_eq!(gateway.metric(left), 2.0);
    // The alert on rejections is about clients that got a 503.
    for reason in ["too_long", "full"] {
        let rejected = format!("pace_rejected_total{{upstream=\"api\",reason=\"{reason}\"}}");
        assert_eq!(gateway.metric(&rejected), 0.0, "{hint} {api} {fallback} {reason}");
    }
}

#[test]
fn who_would_wait_for_too_long_goes_at_once_and_is_not_sent() {
    for pace in ["pace = true", "pace = { key = \"endpoint\" }"] {
        check("retry-after: 30", pace, "", false);
        check("retry-after: 3", pace, ", after = \"1s\"", false);
        check("retry-after: 1", pace, "", true);
        check("retry-after: 2", pace, ", after = \"4s\"", true);
    }
}

/// The last one is waited for, for as long as the route's timeout, also where the first was.
#[test]
fn nobody_leaves_the_last_one() {
    let (api, other) =
        (Upstream::answering(vec![say(503, &["retry-after: 9"], "")]), refusing_once("retry-after: 2"));
    let lines = Lines { other: "pace = true", fallback: ", after = \"500ms\"", ..Lines::default() };
    let gateway = gateway(&api.url(), &other.url(), lines);
    assert_eq!(call(gateway.address, "GET /", &[], "").body, "api");
    assert_eq!(logged(&gateway, 1), "api 503, other 429, other 200");
}

/// The wait at the last one does not outlast the route's timeout, of which the first took some.
#[test]
fn what_the_first_took_is_gone_for_the_last() {
    let api = Upstream::answering(vec![crate::upstream::Act::Slowly(
        vec![String::new(), crate::upstream::response(503, &[], "")],
        Duration::from_millis(800),
    )]);
    let other = Upstream::answering(vec![say(503, &["retry-after: 1"], "busy")]);
    let lines = Lines {
        route: "timeout = \"1500ms\"",
        retry: "num_retries = 1",
        fallback: ", after = \"500ms\"",
        ..Lines::default()
    };
    let gateway = gateway(&api.url(), &other.url(), lines);
    assert_eq!(call(gateway.address, "GET /", &[], "").body, "busy");
    assert_eq!(logged(&gateway, 1), "api 503, other 503");
}
