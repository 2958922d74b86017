//! A 429 that time heals, and one that it does not.

use std::time::{Duration, Instant};

use super::{LLM, gateway, logged};
use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, response, say};

const JSON: &str = "content-type: application/json";
const SOON: &str = "retry-after-ms: 10";
const GONE: &str = r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;

/// How often a request reaches an upstream that answers so the first time and 200 the second, and what the client gets.
#[track_caller]
fn check(first: Act, calls: usize, body: &str) {
    let upstream = Upstream::answering(vec![first.clone(), say(200, &[], "done")]);
    let gateway = Gateway::before(&upstream.url(), LLM);
    let reply = call(gateway.address, "POST /v1/messages", &[], "hello");
    let status = if calls == 1 { 429 } else { 200 };
    assert_eq!((upstream.seen().len(), reply.status), (calls, status), "{first:?}");
    assert_eq!(reply.body, body, "{first:?}");
}

/// In one chunk for each piece.
fn chunked(pieces: &[&str]) -> String {
    let chunks: String = pieces.iter().map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len())).collect();
    format!("HTTP/1.1 429 Said\r\n{JSON}\r\n{SOON}\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
}

#[test]
fn a_quota_that_is_gone_is_the_clients_at_once_and_whole() {
    check(say(429, &[JSON, SOON], GONE), 1, GONE);
    check(
        say(429, &["content-type: application/json; charset=utf-8", SOON, "x-should-retry: true"], GONE),
        1,
        GONE,
    );
    let billing = r#"{"type":"error","error":{"type":"billing_error","message":"Billing error"}}"#;
    check(say(429, &[JSON, SOON], billing), 1, billing);
    let (first, rest) = GONE.split_at(20);
    let pieces = chunked(&[first, rest]);
    check(Act::Say(pieces.clone()), 1, pieces.split_once("\r\n\r\n").unwrap().1);
    let whole = response(429, &[JSON, SOON], GONE);
    let (first, rest) = whole.split_at(whole.len() - 9);
    check(Act::Slowly(vec![first.to_owned(), rest.to_owned()], Duration::from_millis(300)), 1, GONE);
}

#[test]
fn any_other_refusal_is_sent_again() {
    check(say(429, &[JSON, SOON], r#"{"error":{"type":"tokens","code":"rate_limit_exceeded"}}"#), 2, "done");
    check(say(429, &[JSON, SOON], ""), 2, "done");
    check(say(429, &[JSON, SOON], "insufficient_quota"), 2, "done");
    check(say(429, &["content-type: text/plain", SOON], GONE), 2, "done");
    check(say(429, &[SOON], GONE), 2, "done");
    // It only says that it is compressed.
    check(say(429, &[JSON, SOON, "content-encoding: gzip"], GONE), 2, "done");
}

/// Gemini names the wait in the body, and OpenAI in a sentence.
#[test]
fn a_wait_in_the_body_counts_where_no_header_names_one() {
    let gemini = r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.2s"}]}}"#;
    let sentence = r#"{"error":{"code":"rate_limit_exceeded","message":"Please try again in 1.2s."}}"#;
    for (status, body) in [(429, gemini), (403, gemini), (429, sentence)] {
        let began = Instant::now();
        let upstream = Upstream::answering(vec![say(status, &[JSON], body), say(200, &[], "done")]);
        let gateway = Gateway::before(&upstream.url(), LLM);
        assert_eq!(
            call(gateway.address, "POST /v1/x:generateContent", &[], "hello").body,
            "done",
            "{status} {body}"
        );
        assert!(began.elapsed() >= Duration::from_millis(1_200), "{status} {body}: {:?}", began.elapsed());
    }
    let began = Instant::now();
    check(say(429, &[JSON, SOON], &gemini.replace("1.2s", "60s")), 2, "done");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn what_no_wait_changes_is_the_clients_at_once() {
    let day = r#"{"error":{"code":429,"details":[{"violations":[{"quotaId":"RequestsPerDay"}]},{"retryDelay":"1s"}]}}"#;
    check(say(429, &[JSON], day), 1, day);
    let large = r#"{"error":{"code":"rate_limit_exceeded","message":"Request too large for x: Limit 30000, Requested 61000."}}"#;
    let full = ["x-ratelimit-limit-tokens: 30000", "x-ratelimit-remaining-tokens: 30000"];
    check(say(429, &[JSON, full[0], full[1]], large), 1, large);
}

#[test]
fn what_is_long_or_slow_is_not_read_to_its_end() {
    let long = format!("{}{GONE}", " ".repeat(20_000));
    check(say(429, &[JSON, SOON], &long), 2, "done");
    check(Act::Say(chunked(&[&long])), 2, "done");
    let whole = response(429, &[JSON, SOON], GONE);
    let (first, rest) = whole.split_at(whole.len() - 9);
    let began = Instant::now();
    check(Act::Slowly(vec![first.to_owned(), rest.to_owned()], Duration::from_secs(8)), 2, "done");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

#[test]
fn it_is_looked_for_where_somebody_says_so() {
    let first = || say(429, &[JSON, SOON], GONE);
    for (is_on, calls) in [(false, 2), (true, 1)] {
        let upstream = Upstream::answering(vec![first(), say(200, &[], "done")]);
        let gateway = gateway(&upstream, "", &format!("peek_quota = {is_on}"));
        call(gateway.address, "GET /", &[], "");
        assert_eq!(upstream.seen().len(), calls, "{is_on}");
    }
}

/// The others wait for a server that wants quiet, but not for a key that nobody pays for.
#[test]
fn a_quota_that_is_gone_holds_nobody_else() {
    let upstream =
        Upstream::answering(vec![say(429, &[JSON, "retry-after: 5"], GONE), say(200, &[], "done")]);
    let gateway = gateway(&upstream, "pace = { key = \"upstream\" }", "peek_quota = true");
    let reply = call(gateway.address, "GET /", &[], "");
    assert_eq!((reply.status, reply.header("retry-after"), reply.body.as_str()), (429, Some("5"), GONE));
    assert_eq!(logged(&gateway), (vec![402], 429));
    let began = Instant::now();
    assert_eq!(call(gateway.address, "GET /", &[], "").body, "done");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}
