//! What members share, and how they come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use testkit::redis::{RedisServer, free_port};

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Upstream, say};
use crate::{config, member, members, state, wait};

/// An upstream that refuses one credential for two seconds, and serves all others.
fn refusing() -> Upstream {
    Upstream::start(|_, seen| match seen.head.contains("Bearer throttled") {
        true => say(429, &["retry-after: 2"], "busy"),
        false => say(200, &[], "done"),
    })
}

/// Sends requests until the gateway holds one back.
#[track_caller]
fn stop(gateway: &Gateway) {
    for _ in 0..40 {
        let begin = Instant::now();
        call(gateway.address, "GET /", &["authorization: Bearer throttled"], "");
        if begin.elapsed() > Duration::from_millis(500) {
            return;
        }
    }
    panic!("refusals in a row stop nobody");
}

#[test]
fn stop_of_one_member_stops_the_other_for_this_credential_only() {
    let (store, upstream) = (RedisServer::start(), refusing());
    let no_retry = "retry_budget = false";
    let (one, other) =
        (member(&store.url(), &upstream.url(), no_retry), member(&store.url(), &upstream.url(), no_retry));
    wait("both have joined", || [&one, &other].iter().all(|gateway| state(gateway) == "joined"));
    let (address, ends) = (one.address, Arc::new(AtomicBool::new(false)));
    let ended = Arc::clone(&ends);
    let sender = thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            call(address, "GET /", &["authorization: Bearer throttled"], "");
        }
    });
    wait("the other hears of the stop", || other.status()["fleet"]["news"].as_u64() > Some(0));
    // It is that of the credential, and this process has seen no refusal.
    let timed = |credential: &str| {
        let begin = Instant::now();
        call(other.address, "GET /", &[&format!("authorization: Bearer {credential}")], "");
        begin.elapsed()
    };
    let free = timed("free");
    let throttled = timed("throttled");
    ends.store(true, Ordering::Relaxed);
    sender.join().unwrap();
    assert!(free < Duration::from_millis(500), "{free:?}");
    assert!(throttled > Duration::from_millis(500), "{throttled:?}");
}

#[test]
fn refused_key_is_an_entry_of_the_store_without_any_credential() {
    let (store, upstream) = (RedisServer::start(), refusing());
    let gateway = member(&store.url(), &upstream.url(), "");
    wait("it has joined", || state(&gateway) == "joined");
    wait("the key has an entry", || {
        call(gateway.address, "GET /", &["authorization: Bearer throttled"], "");
        let paces = gateway.status()["fleet"]["paces"].as_array().cloned().unwrap_or_default();
        paces
            .iter()
            .any(|pace| pace["upstream"] == "api" && pace["id"].as_str().is_some_and(|id| id.len() == 8))
    });
    let all = || format!("{:?}", store.client().run(&["KEYS", "*"]));
    wait("the store has it", || {
        call(gateway.address, "GET /", &["authorization: Bearer throttled"], "");
        all().contains("hr1:{test:p:")
    });
    assert!(!all().contains("throttled"), "{}", all());
}

#[test]
fn gateway_without_its_store_starts_is_ready_and_serves() {
    let upstream = Upstream::answering(vec![say(200, &[], "done")]);
    let store = format!("redis://127.0.0.1:{}", free_port());
    let begin = Instant::now();
    let gateway = member(&store, &upstream.url(), "");
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    assert!(begin.elapsed() < Duration::from_secs(5));
    wait("it is alone", || state(&gateway) == "alone");
    assert_eq!(gateway.status()["fleet"]["reason"], "closed");
    assert_eq!(gateway.ask("/readyz").status, 200);
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    assert_eq!(gateway.metric("fleet_joined"), 0.0);
}

#[test]
fn store_that_is_gone_and_back_costs_no_request() {
    let (mut store, upstream) = (RedisServer::start(), Upstream::answering(vec![say(200, &[], "done")]));
    let gateway = member(&store.url(), &upstream.url(), "");
    wait("it has joined", || state(&gateway) == "joined");
    store.kill();
    wait("it is alone", || state(&gateway) == "alone");
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    store.restart();
    wait("it has joined again", || state(&gateway) == "joined");
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    assert!(gateway.metric("fleet_lost_total{reason=\"closed\"}") >= 1.0);
}

#[test]
fn reload_with_another_fleet_leaves_the_old_one_and_joins_the_new() {
    let (store, upstream) = (RedisServer::start(), Upstream::answering(vec![say(200, &[], "done")]));
    let gateway = member(&store.url(), &upstream.url(), "");
    wait("it is a member", || members(&store, "test") == 1);
    let asks = || gateway.metric("fleet_asks_total{script=\"join\"}");
    wait("it has asked", || asks() >= 1.0);
    let before = asks();
    // A reload that changes something else leaves the fleet alone.
    gateway.reload(&config(&store.url(), "test", &upstream.url(), "max_requests = 10"));
    assert_eq!(state(&gateway), "joined");
    gateway.reload(&config(&store.url(), "next", &upstream.url(), ""));
    wait("it has left", || members(&store, "test") == 0);
    wait("it is a member of the other", || members(&store, "next") == 1);
    assert_eq!(gateway.status()["fleet"]["name"], "next");
    assert!(asks() >= before, "counters never fall");
    let without = config(&store.url(), "next", &upstream.url(), "").replace("fleet =", "#fleet =");
    gateway.reload(&without);
    wait("it has left that too", || members(&store, "next") == 0);
    assert!(gateway.status().get("fleet").is_none());
    assert!(!gateway.ask("/metrics").body.contains("fleet_"));
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
}

#[test]
fn gateway_that_is_told_to_stop_leaves_its_fleet() {
    let (store, upstream) = (RedisServer::start(), Upstream::answering(vec![say(200, &[], "done")]));
    let mut gateway = member(&store.url(), &upstream.url(), "");
    wait("it is a member", || members(&store, "test") == 1);
    gateway.terminate();
    assert!(gateway.ended(Duration::from_secs(10)).is_some_and(|status| status.success()));
    assert_eq!(members(&store, "test"), 0);
}

#[test]
fn upstream_that_is_not_of_the_fleet_shares_nothing() {
    let (store, upstream) = (RedisServer::start(), refusing());
    let gateway = member(&store.url(), &upstream.url(), "fleet = false");
    stop(&gateway);
    assert_eq!(gateway.status()["fleet"]["paces"], serde_json::json!([]));
    assert_eq!(gateway.status()["fleet"]["budgets"], serde_json::json!([]));
}

#[test]
fn reload_with_another_fleet_keeps_a_stop_and_what_is_left_of_a_budget() {
    let upstream = Upstream::start(|_, seen| match seen.head.contains("Bearer throttled") {
        true => say(429, &["retry-after: 40"], "busy"),
        false => say(503, &[], "down"),
    });
    let store = RedisServer::start();
    let settings = |name: &str| {
        let budget = "retry_budget = { percent = 1, min_retries_per_second = 1 }";
        config(&store.url(), name, &upstream.url(), budget) + "retry.num_retries = 3\n"
    };
    let gateway = Gateway::by(&settings("test"));
    wait("it has joined", || state(&gateway) == "joined");
    let address = gateway.address;
    let send = |credential: String| {
        let header = format!("authorization: Bearer {credential}");
        thread::spawn(move || call(address, "GET /", &[&header], "").status)
    };
    let failing: Vec<_> = (0..20).map(|number| send(number.to_string())).collect();
    failing.into_iter().for_each(|call| assert_eq!(call.join().unwrap(), 503));
    let tokens = || gateway.status()["upstreams"][0]["budget_tokens"].as_f64().unwrap();
    assert!((10.0..70.0).contains(&tokens()), "{}", tokens());

    let is_stopped = || {
        let paces = gateway.status()["fleet"]["paces"].as_array().cloned().unwrap_or_default();
        paces.iter().any(|pace| pace["quiet_ms"].as_u64().unwrap_or(0) > 5_000)
    };
    wait("the key stops", || {
        send("throttled".to_owned());
        is_stopped()
    });
    gateway.reload(&settings("next"));
    wait("it is a member of the other", || members(&store, "next") == 1);
    send("throttled".to_owned());
    wait("the stop goes along", is_stopped);
    // A member of that fleet hears of the stop, although it has met no refusal.
    let other = Gateway::by(&settings("next"));
    wait("both are members of the other", || members(&store, "next") == 2);
    wait("the store has the key", || {
        format!("{:?}", store.client().run(&["KEYS", "*"])).contains("hr1:{next:p:")
    });
    assert_eq!(state(&other), "joined");
    assert!((10.0..85.0).contains(&tokens()), "{}", tokens());

    gateway.reload(&settings("next").replace("fleet =", "#fleet ="));
    wait("it has left that too", || members(&store, "next") == 1);
    assert!((10.0..95.0).contains(&tokens()), "{}", tokens());
    let stop = gateway.status()["upstreams"][0]["pace_keys"].to_string();
    assert!(stop.contains("stopped"), "{stop}");
}
