//! Each pending request is counted by what it waits for, in one word, and the gauges come back to 0.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{call, open};
use crate::http2_client::Http2Client;
use crate::paced::Refusing;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, nobody, say};

const WORDS: [&str; 6] = ["pace", "backoff", "connection", "endpoint", "body", "limit"];

/// A gateway with these lines of its upstream `api` and its route.
fn file(upstream: &str, route: &str) -> String {
    format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\n{upstream}\n[[routes]]\nupstream = \"api\"\ntimeout = \"60s\"\n{route}\n"
    )
}

/// The figures of an upstream in `/status`.
fn upstream(gateway: &Gateway, name: &str) -> Option<Value> {
    let status = gateway.status();
    status["upstreams"].as_array().unwrap().iter().find(|upstream| upstream["name"] == name).cloned()
}

fn waits(gateway: &Gateway, name: &str) -> BTreeMap<String, u64> {
    let upstream = upstream(gateway, name).unwrap_or_default();
    let waits = upstream["waits"].as_object().cloned().unwrap_or_default();
    waits.into_iter().map(|(word, count)| (word, count.as_u64().unwrap())).collect()
}

/// Waits until so many requests wait for this word at `api`, and none for another. The metrics say the same.
#[track_caller]
fn wait_for(gateway: &Gateway, word: &str, count: u64) {
    wait_at(gateway, "api", word, count);
}

#[track_caller]
fn wait_at(gateway: &Gateway, name: &str, word: &str, count: u64) {
    let expected: BTreeMap<_, _> =
        WORDS.map(|known| (known.to_owned(), if known == word { count } else { 0 })).into_iter().collect();
    let end = Instant::now() + Duration::from_secs(10);
    while waits(gateway, name) != expected {
        assert!(Instant::now() < end, "not {count} for {word}: {:?}", waits(gateway, name));
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(upstream(gateway, name).unwrap()["pending"], count);
    for known in WORDS {
        let series = format!("upstream_rq_waits_active{{upstream=\"{name}\",reason=\"{known}\"}}");
        assert_eq!(gateway.metric(&series), if known == word { count as f64 } else { 0.0 }, "{known}");
    }
}

/// Holds requests that wait for `word`, and lets their clients go.
#[track_caller]
fn check(gateway: &Gateway, line: &str, word: &str) {
    let held: Vec<_> = (1..=3)
        .map(|count| {
            let socket = open(gateway.address, line, &[], "");
            wait_for(gateway, word, count);
            socket
        })
        .collect();
    drop(held);
    wait_for(gateway, word, 0);
}

#[test]
fn a_resend_that_is_not_due_is_a_backoff_with_a_pace_and_without() {
    let upstream = Upstream::answering(vec![say(503, &["retry-after: 10"], "")]);
    let endpoints = format!("endpoints = [{:?}]", upstream.url());
    for pace in ["", "pace = { key = \"upstream\" }", "pace = { key = \"endpoint\" }"] {
        let lines = format!("{endpoints}\n{pace}");
        let held = |method: &str| {
            let gateway = Gateway::by(&file(&lines, ""));
            let socket = open(gateway.address, method, &[], "");
            wait_for(&gateway, "backoff", 1);
            drop(socket);
            wait_for(&gateway, "backoff", 0);
        };
        held("GET /");
        held("PUT /");
    }
    check(&Gateway::by(&file(&endpoints, "")), "GET /", "backoff");
}

/// Refusals stop the key, and the requests that come then wait for the pace. Returns all requests, and how many wait.
#[track_caller]
fn stop(gateway: &Gateway, least: u64) -> (Vec<TcpStream>, u64) {
    let mut held = Vec::new();
    let end = Instant::now() + Duration::from_secs(15);
    while waits(gateway, "api")["pace"] < least {
        assert!(Instant::now() < end, "{:?}", waits(gateway, "api"));
        held.push(open(gateway.address, "GET /", &[], ""));
        thread::sleep(Duration::from_millis(30));
    }
    // A request that was on its way has arrived.
    thread::sleep(Duration::from_millis(300));
    (held, waits(gateway, "api")["pace"])
}

#[test]
fn a_stopped_key_holds_requests_at_the_pace() {
    for key in ["upstream", "endpoint"] {
        let refusing = Refusing::start("retry-after: 30");
        let lines = format!("endpoints = [{:?}]\npace = {{ key = \"{key}\" }}", refusing.upstream.url());
        let gateway = Gateway::by(&file(&lines, "retry = false"));
        let (held, _) = stop(&gateway, 2);
        drop(held);
        wait_for(&gateway, "pace", 0);
    }
}

#[test]
fn a_connection_that_does_not_come_about_is_waited_for() {
    for protocol in ["http1", "http2"] {
        // It takes connections, and says nothing over TLS.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = listener.local_addr().unwrap();
        let lines = format!(
            "endpoints = [\"https://{endpoint}\"]\nconnect_timeout = \"30s\"\nprotocol = \"{protocol}\"\n"
        );
        check(&Gateway::by(&file(&lines, "retry = { per_try_timeout = false }")), "POST /", "connection");
        drop(listener);
    }
}

#[test]
fn an_outage_holds_requests_for_an_endpoint_with_a_pace_and_without() {
    for pace in ["false", "true", "{ key = \"endpoint\" }"] {
        let lines = format!("endpoints = [{:?}]\nwait_while_down = \"30s\"\npace = {pace}", nobody());
        for line in ["GET /", "POST /"] {
            check(&Gateway::by(&file(&lines, "")), line, "endpoint");
        }
    }
    // Over HTTP/2, and before the last upstream of a route.
    let lines = format!("endpoints = [{:?}]\nwait_while_down = \"30s\"\npace = true", nobody());
    let other = format!("[upstreams.other]\nendpoints = [{:?}]\n", nobody());
    let gateway = Gateway::by(&format!(
        "{}fallback = {{ upstreams = [\"other\"], after = \"30s\" }}\n{other}",
        file(&lines, "")
    ));
    let mut client = Http2Client::connect(gateway.address, 65_535);
    let streams = [1, 2].map(|count| {
        let stream = client.send("GET", "/", None);
        wait_for(&gateway, "endpoint", count);
        stream
    });
    client.reset(streams[0]);
    wait_for(&gateway, "endpoint", 1);
    drop(client);
    wait_for(&gateway, "endpoint", 0);
}

#[test]
fn a_resend_waits_for_a_place_among_max_requests() {
    let upstream = Upstream::start(|_, seen| match seen.head.contains("/slow") {
        true => Act::Hang,
        false => say(503, &["retry-after: 1"], ""),
    });
    let lines = format!("endpoints = [{:?}]\nmax_requests = 1", upstream.url());
    let gateway = Gateway::by(&file(&lines, "retry = { per_try_timeout = false }"));
    let resent = open(gateway.address, "GET /", &[], "");
    wait_for(&gateway, "backoff", 1);
    let slow = open(gateway.address, "GET /slow", &[], "");
    wait_for(&gateway, "limit", 1);
    drop(resent);
    wait_for(&gateway, "limit", 0);
    drop(slow);
}

/// The wait for a model in a body lasts half a second. There is one after a refusal, which may be that of the model.
#[test]
fn a_body_that_does_not_come_is_waited_for() {
    let upstream = Upstream::answering(vec![say(429, &[], "")]);
    let lines = format!("endpoints = [{:?}]", upstream.url());
    let gateway = Gateway::by(&file(&lines, "profile = \"llm\"\nretry = false"));
    let end = Instant::now() + Duration::from_secs(10);
    let headers = ["content-type: application/json", "content-length: 2"];
    assert_eq!(call(gateway.address, "POST /v1/messages", &headers[..1], "{}").status, 429);
    loop {
        let mut socket = open(gateway.address, "POST /v1/messages", &headers, "");
        let is_waited_for = (0..5).any(|_| waits(&gateway, "api")["body"] > 0);
        socket.write_all(b"{}").unwrap();
        if is_waited_for {
            break;
        }
        assert!(Instant::now() < end, "no request waits for its body");
    }
    wait_for(&gateway, "body", 0);
}

#[test]
fn requests_that_wait_across_a_reload_stay_in_sight() {
    let refusing = Refusing::start("retry-after: 30");
    let upstream_of = |waiters: usize| {
        format!(
            "endpoints = [{:?}]\npace = {{ key = \"upstream\", waiters = {waiters} }}",
            refusing.upstream.url()
        )
    };
    let first = file(&upstream_of(400), "retry = false");
    let gateway = Gateway::by(&first);
    let (held, count) = stop(&gateway, 3);
    let paced = |name: &str| {
        let upstream = upstream(&gateway, name).unwrap_or_default();
        let paced = upstream["paced"].as_object().cloned().unwrap_or_default();
        paced.values().filter_map(Value::as_u64).sum::<u64>()
    };
    wait_for(&gateway, "pace", count);
    assert_eq!((paced("api"), gateway.paced_of_api()), (count, count as f64));
    // Another pace, and no pace.
    for other in [upstream_of(401), format!("endpoints = [{:?}]", refusing.upstream.url())] {
        gateway.reload(&file(&other, "retry = false"));
        wait_for(&gateway, "pace", count);
        assert_eq!((paced("api"), gateway.paced_of_api()), (count, count as f64), "{other}");
    }
    // Another name. The first one is there for as long as it has requests, and comes back with them.
    let renamed = first.replace("upstreams.api", "upstreams.new").replace("\"api\"", "\"new\"");
    gateway.reload(&renamed);
    for text in [&renamed, &renamed.replace("400", "402"), &first, &renamed] {
        gateway.reload(text);
        wait_for(&gateway, "pace", count);
        let removed = upstream(&gateway, "api").unwrap()["removed"].as_bool().unwrap_or_default();
        assert_eq!((paced("api"), removed), (count, *text != first), "{text}");
    }
    assert_eq!(waits(&gateway, "new").values().sum::<u64>(), 0);
    drop(held);
    let end = Instant::now() + Duration::from_secs(10);
    while upstream(&gateway, "api").is_some() {
        assert!(Instant::now() < end, "{:?}", upstream(&gateway, "api"));
        thread::sleep(Duration::from_millis(5));
    }
    let text = gateway.ask("/metrics").body;
    for gauge in ["pace_active", "upstream_rq_waits_active", "upstream_rq_pending_active"] {
        assert!(!text.contains(&format!("\n{gauge}{{upstream=\"api\"")), "{gauge}");
    }
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 429);
}
