//! What is sent again, when, and what the client gets in the end.

use std::time::{Duration, Instant, SystemTime};

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, say};

/// How often a request reaches an upstream that answers so the first time and 200 the second, and what the client
/// gets.
#[track_caller]
fn check(arguments: &[&str], line: &str, headers: &[&str], first: Act, expected: (usize, u16)) {
    let upstream = Upstream::answering(vec![first.clone(), say(200, &[], "done")]);
    let gateway = Gateway::before(&upstream.url(), arguments);
    let body = if line.starts_with("POST") { "hello" } else { "" };
    let reply = call(gateway.address, line, headers, body);
    assert_eq!((upstream.seen().len(), reply.status), expected, "{line} {headers:?} {first:?}");
    assert!(upstream.seen().iter().all(|seen| seen.body == body), "{:?}", upstream.seen());
}

const LLM: &[&str] = &["--profile", "llm"];
const KEY: &str = "idempotency-key: \"8e03978e\"";

#[test]
fn what_may_be_repeated_is() {
    check(&[], "GET /", &[], say(503, &[], ""), (2, 200));
    check(&[], "GET /", &[], say(429, &[], ""), (2, 200));
    check(&[], "GET /", &[], Act::Close, (2, 200));
    check(&[], "POST /", &[KEY], say(503, &[], ""), (2, 200));
    check(&[], "POST /", &[KEY], Act::Close, (2, 200));
}

#[test]
fn what_may_not_is_sent_once() {
    check(&[], "POST /", &[], say(503, &[], ""), (1, 503));
    check(&[], "POST /", &[], say(429, &[], ""), (1, 429));
    check(&[], "POST /", &[], Act::Close, (1, 502));
    check(&[], "GET /", &[], say(500, &[], ""), (1, 500));
    check(&[], "GET /", &[], say(404, &[], ""), (1, 404));
    check(&[], "GET /", &[], say(503, &["x-should-retry: false"], ""), (1, 503));
}

#[test]
fn an_api_of_a_language_model_is_asked_again_where_it_turned_the_request_away() {
    for status in [429, 503, 529] {
        check(LLM, "POST /v1/messages", &[], say(status, &["retry-after-ms: 10"], ""), (2, 200));
    }
    check(LLM, "POST /v1/messages", &[], say(500, &[], ""), (1, 500));
    check(LLM, "POST /v1/messages", &[KEY], say(500, &[], ""), (2, 200));
    check(LLM, "POST /v1/messages", &[], Act::Close, (1, 502));
}

#[test]
fn a_signed_request_is_not_resent_once_its_signature_is_five_minutes_old() {
    let check = |age: u64, authorization: &str, expected: (usize, u16)| {
        let signed_at = SystemTime::now() - Duration::from_secs(age);
        let unix_time = signed_at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let signed_at = jiff::Timestamp::from_second(unix_time.cast_signed()).unwrap();
        let date = format!("x-amz-date: {}", signed_at.strftime("%Y%m%dT%H%M%SZ"));
        let authorization = format!("authorization: {authorization}");
        let headers = [date.as_str(), &authorization];
        check(LLM, "POST /model/m/converse", &headers, say(503, &["retry-after-ms: 10"], ""), expected);
    };
    let signature = "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/us-east-1/bedrock/aws4_request";
    check(60, signature, (2, 200));
    check(360, signature, (1, 503));
    check(360, "Bearer a", (2, 200));
}

/// Three tries at five layers are 243 requests.
#[test]
fn resends_of_others_are_left_to_them() {
    for header in [
        "x-stainless-retry-count: 1",
        "x-envoy-attempt-count: 2",
        "grpc-previous-rpc-attempts: 1",
        "amz-sdk-request: attempt=2; max=3",
        "x-retry-attempt: 2",
    ] {
        check(&[], "GET /", &[header], say(503, &[], ""), (1, 503));
    }
    for header in
        ["x-stainless-retry-count: 0", "x-envoy-attempt-count: 1", "amz-sdk-request: attempt=1; max=3"]
    {
        check(&[], "GET /", &[header], say(503, &[], ""), (2, 200));
    }
}

#[test]
fn the_hint_is_waited_for_and_resends_carry_their_number() {
    let upstream = Upstream::answering(vec![say(503, &["retry-after: 1"], "busy"), say(200, &[], "done")]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let reply = call(gateway.address, "GET /", &[], "");
    assert_eq!((reply.status, reply.body.as_str()), (200, "done"));
    let [first, second] = &upstream.seen()[..] else { panic!("{:?}", upstream.seen()) };
    assert!(second.at - first.at >= Duration::from_secs(1), "{:?}", second.at - first.at);
    assert_eq!((first.header("x-retry-attempt"), second.header("x-retry-attempt")), (None, Some("2")));
    // The failed response was read to its end, so that its connection could be used again.
    assert_eq!(second.connection, first.connection);
}

#[test]
fn a_hint_that_is_too_long_is_the_clients() {
    let refusal = say(429, &["retry-after: 3600"], "in an hour");
    let upstream = Upstream::answering(vec![refusal]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let reply = call(gateway.address, "GET /", &[], "");
    assert_eq!((reply.status, reply.body.as_str()), (429, "in an hour"));
    assert_eq!(reply.header("retry-after"), Some("3600"));
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn the_last_response_is_the_clients_with_all_that_it_said() {
    let upstream = Upstream::answering(vec![say(503, &["retry-after: 0", "x-why: tired"], "sorry")]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let reply = call(gateway.address, "GET /", &[], "");
    assert_eq!((reply.status, reply.body.as_str()), (503, "sorry"));
    assert_eq!((reply.header("retry-after"), reply.header("x-why")), (Some("0"), Some("tired")));
    assert_eq!(upstream.seen().len(), 3);
}

#[test]
fn the_log_tells_each_attempt() {
    let upstream = Upstream::answering(vec![Act::Close, say(503, &[], ""), say(200, &[], "")]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    assert_eq!(call(gateway.address, "GET /secret?token=1", &[], "").status, 200);
    let [line] = &gateway.log(1)[..] else { panic!("one request") };
    assert_eq!((line["status"].as_u64(), line["path"].as_str()), (Some(200), Some("/secret")));
    let attempts = line["attempts"].as_array().unwrap();
    let told: Vec<_> =
        attempts.iter().map(|step| (step["status"].as_u64(), step["error"].as_str())).collect();
    assert_eq!(told, [(None, Some("broken off")), (Some(503), None), (Some(200), None)]);
}

/// A date is read by the clock of the server that wrote it, wherever that stands, and never comes early.
#[test]
fn a_date_is_waited_for_by_the_clock_that_it_was_written_by() {
    // The first is of the shared clock; the others are of servers that are an hour slow and an hour fast.
    for skew in [None, Some(-3_600), Some(3_600)] {
        let upstream = Upstream::start(move |number, _| {
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
            let here = now.checked_add_signed(skew.unwrap_or_default()).unwrap();
            let date =
                |seconds: u64| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
            let mut headers = vec![format!("retry-after: {}", date(here + 2))];
            headers.extend(skew.map(|_| format!("date: {}", date(here))));
            let headers: Vec<_> = headers.iter().map(String::as_str).collect();
            if number == 0 { say(503, &headers, "") } else { say(200, &[], "done") }
        });
        let gateway = Gateway::before(&upstream.url(), &[]);
        let (began, wall) = (Instant::now(), SystemTime::now());
        assert_eq!(call(gateway.address, "GET /", &[], "").body, "done", "{skew:?}");
        let [first, second] = &upstream.seen()[..] else { panic!("{:?}", upstream.seen()) };
        match skew {
            // A date has no fractions, so that two seconds on may be little more than one.
            None => {
                let second = wall + second.at.duration_since(began);
                let date = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 2;
                let date = SystemTime::UNIX_EPOCH + Duration::from_secs(date);
                assert!(second >= date, "{:?} early", date.duration_since(second));
            }
            Some(_) => {
                let waited = second.at - first.at;
                assert!(waited >= Duration::from_secs(2), "{skew:?}: {waited:?}");
            }
        }
    }
}
