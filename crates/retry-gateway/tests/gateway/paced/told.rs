//! What `/status` and the metrics say of a pace.

use std::io::Read;
use std::thread;
use std::time::Duration;

use super::{Refusing, first_held, stop, watched};
use crate::client::{Reply, call};
use crate::upstream::{Upstream, say};

#[test]
fn a_pace_says_why_requests_wait() {
    let refusing = Refusing::start("retry-after: 10");
    let gateway = watched(&refusing.upstream, "", "pace.key = \"credential\"", "timeout = \"60s\"");
    // The fields are there before the first rejection, and before a look at the metrics.
    let rejected = &gateway.status()["upstreams"][0]["pace_rejected"];
    assert_eq!(*rejected, serde_json::json!({ "full": 0, "too_long": 0 }));
    let key = ["x-api-key: secret-of-a"];
    // One is told that it would wait for too long: it is the gateway that says no.
    let short = watched(&refusing.upstream, "", "pace.key = \"credential\"", "timeout = \"1s\"");
    let reply = stop(&short, "GET /", &key);
    assert_eq!(reply.status, 503);
    assert!(reply.body.contains("the wait for the upstream's limit ends after"), "{}", reply.body);
    assert_eq!(short.metric("pace_rejected_total{upstream=\"api\",reason=\"too_long\"}"), 1.0);
    assert_eq!(short.status()["upstreams"][0]["pace_rejected"]["too_long"], 1);

    let _held = first_held(&gateway, "GET /", &key);
    assert_eq!(gateway.metric("pace_active{upstream=\"api\",reason=\"stopped\"}"), 1.0);
    assert_eq!(gateway.metric("pace_active{upstream=\"api\",reason=\"rate\"}"), 0.0);
    let status = gateway.status();
    let api = &status["upstreams"][0];
    assert_eq!(api["paced"], serde_json::json!({ "stopped": 1 }), "{api}");
    let state = &api["pace_keys"][0];
    assert_eq!((state["why"].as_str(), state["paced"].as_u64()), (Some("stopped"), Some(1)), "{state}");
    let stopped_for = state["stopped_for"].as_f64().unwrap();
    assert!(stopped_for > 1.0 && stopped_for <= 10.5, "{state}");
    assert!(!status.to_string().contains("secret"), "{status}");
}

/// A client that obeys `Retry-After` does not come back in vain.
#[test]
fn a_rejected_request_is_told_how_long_the_limit_lasts() {
    let seconds = |reply: &Reply| reply.header("retry-after").unwrap().parse::<u64>().unwrap();
    let refusing = Refusing::start("retry-after: 30");
    let gateway = watched(&refusing.upstream, "", "pace = true", "timeout = \"2s\"");
    let reply = stop(&gateway, "PUT /", &[]);
    assert!(reply.status == 503 && (20..=31).contains(&seconds(&reply)), "{}", reply.head);

    // So is one for which the queue has no room.
    let refusing = Refusing::start("retry-after: 30");
    let gateway = watched(&refusing.upstream, "", "pace = { waiters = 4 }", "timeout = \"2m\"");
    let _held = first_held(&gateway, "GET /", &[]);
    let reply = call(gateway.address, "GET /", &[], "");
    assert!(reply.status == 503 && (20..=31).contains(&seconds(&reply)), "{}", reply.head);

    // A quota that is used up lasts until its reset.
    let announces = ["ratelimit: \"default\";r=0;t=40", "ratelimit-policy: \"default\";q=10;w=60"];
    let upstream = Upstream::answering(vec![say(200, &announces, "done")]);
    let gateway = watched(&upstream, "", "pace = true", "timeout = \"2s\"");
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    let reply = call(gateway.address, "GET /", &[], "");
    assert!(reply.status == 503 && (20..=41).contains(&seconds(&reply)), "{}", reply.head);
}

#[test]
fn the_log_says_why_a_request_waited_and_for_how_long() {
    let refusing = Refusing::start("retry-after: 2");
    let gateway = watched(&refusing.upstream, "", "pace = true", "timeout = \"60s\"");
    let mut held = first_held(&gateway, "GET /held", &[]);
    refusing.open();
    held.read_to_end(&mut Vec::new()).unwrap();
    let log = gateway.log(gateway.logged());
    assert!(log[0]["paced"].is_null() && log[0]["paced_ms"].is_null(), "{}", log[0]);
    let line = log.last().unwrap();
    let waited = line["paced_ms"].as_u64().unwrap();
    assert!(line["paced"] == "stopped" && (400..=3_000).contains(&waited), "{line}");
    // The attempt began after that.
    assert!(line["attempts"][0]["at_ms"].as_u64().unwrap() + 50 >= waited, "{line}");

    // A client that leaves while its request waits has the same in its line.
    let refusing = Refusing::start("retry-after: 30");
    let gateway = watched(&refusing.upstream, "", "pace = true", "timeout = \"60s\"");
    let held = first_held(&gateway, "GET /held", &[]);
    thread::sleep(Duration::from_millis(300));
    let before = gateway.logged();
    drop(held);
    let line = gateway.log(before + 1).pop().unwrap();
    let waited = line["paced_ms"].as_u64().unwrap_or_default();
    assert!(line["status"] == 499 && line["paced"] == "stopped" && waited >= 300, "{line}");
    assert_eq!(gateway.metric_of_api("upstream_rq_retry_success_total"), 0.0);

    let refusing = Refusing::start("retry-after: 30");
    let gateway = watched(&refusing.upstream, "", "pace = true", "timeout = \"1s\"");
    assert_eq!(stop(&gateway, "GET /", &[]).status, 503);
    let line = gateway.log(gateway.logged()).pop().unwrap();
    assert!(line["paced"] == "too_long" && line["attempts"].as_array().unwrap().is_empty(), "{line}");
}

#[test]
fn an_upstream_without_a_pace_has_no_figures_of_one() {
    let refusing = Refusing::start("retry-after: 1");
    let gateway = watched(&refusing.upstream, "", "", "");
    call(gateway.address, "GET /", &[], "");
    let status = gateway.status();
    for key in ["paced", "unpaced", "pace_keys", "pace_rejected"] {
        assert!(status["upstreams"][0][key].is_null(), "{status}");
    }
    let metrics = gateway.ask("/metrics").body;
    assert!(!metrics.contains("\npace_active{") && !metrics.contains("\npace_unpaced_total{"), "{metrics}");
}

/// A request that waits when its gateway stops was not sent, so its client gets an answer that says so.
#[test]
fn a_request_that_waits_at_the_end_of_a_shutdown_gets_a_503() {
    let refusing = Refusing::start("retry-after: 60");
    let mut gateway =
        watched(&refusing.upstream, "drain_timeout = \"2s\"\n", "pace = true", "timeout = \"120s\"");
    let mut held = first_held(&gateway, "POST /held", &[]);
    let requests = gateway.logged();
    gateway.terminate();
    let mut reply = String::new();
    held.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 503") && reply.contains("retry-after: 1"), "{reply}");
    assert!(reply.contains("end of drain_timeout"), "{reply}");
    assert!(gateway.ended(Duration::from_secs(10)).expect("it stops").success());
    let line = gateway.log(requests + 1).pop().unwrap();
    assert!(line["status"] == 503 && line["rejected"] == "shutdown" && line["paced"] == "stopped", "{line}");
}
