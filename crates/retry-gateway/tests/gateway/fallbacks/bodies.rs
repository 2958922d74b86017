//! The other upstream gets the whole body, or the client the first one's answer.

use super::{LLM, Lines, gateway, logged, other};
use crate::client::{call, parse};
use crate::upstream::{Act, Upstream, nobody, response, say};

const LATE: &str = "retry-after: 3600";
const LARGE: usize = 3 * 1024 * 1024;

/// How many bytes the other upstream gets of a body, if any, where this is the first one.
#[track_caller]
fn check(api: &str, headers: &[&str], bytes: usize, lines: Lines, is_sent: bool) {
    let other = Upstream::start(|_, seen| match seen.header("expect") {
        Some(_) => Act::Ask(response(200, &[], "other")),
        None => say(200, &[], "other"),
    });
    let gateway = gateway(api, &other.url(), lines);
    let body: String = (0..bytes).map(|number| char::from(b'a' + (number % 23) as u8)).collect();
    let reply = call(gateway.address, "POST /", headers, &body);
    let reply = if reply.status == 100 { parse(reply.body.as_bytes()) } else { reply };
    let told = (bytes, lines.retry, lines.top);
    assert_eq!(reply.status, if is_sent { 200 } else { 429 }, "{told:?} {}", logged(&gateway, 1));
    let seen = other.seen();
    assert_eq!(seen.len(), usize::from(is_sent), "{told:?}");
    assert!(seen.iter().all(|seen| seen.body == body), "{told:?}");
    gateway.log(1);
    assert_eq!(gateway.status()["buffered_bytes"], 0, "{told:?}");
}

fn refusing() -> Upstream {
    Upstream::answering(vec![say(429, &[LATE], "")])
}

#[test]
fn a_body_that_is_kept_goes_along() {
    let limit = |retry| Lines { retry, ..LLM };
    check(&refusing().url(), &[], 0, LLM, true);
    check(&refusing().url(), &[], 5, LLM, true);
    check(&refusing().url(), &[], 1 << 20, LLM, true);
    check(&refusing().url(), &[], LARGE, limit("request_body_buffer_limit = \"4MiB\""), true);
    // Half a body is nobody's request.
    check(&refusing().url(), &[], (1 << 20) + 1, LLM, false);
    check(&refusing().url(), &[], LARGE, limit("request_body_buffer_limit = \"2MiB\""), false);
    check(&refusing().url(), &[], 5, limit("request_body_buffer_limit = 4"), false);
    check(&refusing().url(), &[], 5, limit("request_body_buffer_limit = 4\nnum_retries = 0"), false);
    check(
        &refusing().url(),
        &[],
        LARGE,
        limit("request_body_buffer_limit = \"4MiB\"\nnum_retries = 0"),
        true,
    );
}

/// Whatever its size: connections that do not come about read nothing, nor do servers that refuse a head.
#[test]
fn a_body_of_which_nothing_was_read_goes_along() {
    check(&nobody(), &[], LARGE, LLM, true);
    check(&refusing().url(), &["expect: 100-continue"], LARGE, LLM, true);
}

/// It is kept for the fallback, and for the upstream's own resends if there is room for that too.
#[test]
fn what_is_kept_counts_twice() {
    let check = |top: &'static str, expected: &str| {
        let (api, other) = (Upstream::answering(vec![say(503, &[], "")]), other());
        let gateway = gateway(&api.url(), &other.url(), Lines { top, retry: "num_retries = 1", ..LLM });
        call(gateway.address, "POST /", &[], &"x".repeat(6_000));
        assert_eq!(logged(&gateway, 1), expected, "{top}");
    };
    check("buffers = { total = 5_999 }", "api 503");
    check("buffers = { total = 6_000 }", "api 503, other 200");
    check("buffers = { total = 11_999 }", "api 503, other 200");
    check("buffers = { total = 12_000 }", "api 503, api 503, other 200");
}

/// A resend at the first one, and one at the other.
#[test]
fn a_body_survives_any_number_of_attempts() {
    let api = Upstream::answering(vec![say(503, &[], "")]);
    let second = Upstream::answering(vec![say(503, &[], ""), say(200, &[], "other")]);
    let gateway = gateway(&api.url(), &second.url(), Lines { retry: "num_retries = 1", ..LLM });
    let body = "x".repeat(20_000);
    assert_eq!(call(gateway.address, "POST /", &[], &body).body, "other");
    assert_eq!(logged(&gateway, 1), "api 503, api 503, other 503, other 200");
    assert!(api.seen().iter().chain(&second.seen()).all(|seen| seen.body == body));
}
