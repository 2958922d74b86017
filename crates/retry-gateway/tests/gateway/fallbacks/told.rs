//! What is counted of a request that had two upstreams, and what is said of it.

use super::{LLM, Lines, gateway, logged};
use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Upstream, nobody, say};

const LATE: &str = "retry-after: 3600";

fn of(gateway: &Gateway, name: &str, upstream: &str) -> f64 {
    gateway.metric(&format!("{name}{{upstream=\"{upstream}\"}}"))
}

#[test]
fn each_upstream_counts_what_it_got() {
    let api = Upstream::answering(vec![say(503, &[], ""), say(503, &[LATE], "")]);
    let other = Upstream::answering(vec![say(503, &[], ""), say(200, &[], "done")]);
    let gateway = gateway(&api.url(), &other.url(), LLM);
    assert_eq!(call(gateway.address, "POST /", &[], "").body, "done");
    assert_eq!(logged(&gateway, 1), "api 503, api 503, other 503, other 200");
    for upstream in ["api", "other"] {
        assert_eq!(of(&gateway, "upstream_rq_total", upstream), 1.0, "{upstream}");
        assert_eq!(of(&gateway, "upstream_rq_attempts_total", upstream), 2.0, "{upstream}");
        assert_eq!(of(&gateway, "retry_amplification_ratio", upstream), 2.0, "{upstream}");
        let resends = format!("upstream_rq_retry_total{{upstream=\"{upstream}\",reason=\"throttled\"}}");
        assert_eq!(gateway.metric(&resends), 1.0, "{upstream}");
    }
    assert_eq!(of(&gateway, "upstream_rq_retry_success_total", "other"), 1.0);
    assert_eq!(of(&gateway, "upstream_rq_retry_success_total", "api"), 0.0);
    // The client got one answer.
    assert_eq!(gateway.metric("upstream_rq_status_total{upstream=\"other\",status=\"200\"}"), 1.0);
    assert_eq!(gateway.metric("upstream_rq_status_total{upstream=\"api\",status=\"503\"}"), 0.0);
    let left = |upstream, reason| {
        gateway.metric(&format!("upstream_rq_fallback_total{{upstream=\"{upstream}\",reason=\"{reason}\"}}"))
    };
    assert_eq!((left("api", "throttled"), left("other", "throttled")), (1.0, 0.0));
    let status = gateway.status();
    assert_eq!(status["upstreams"][0]["fallbacks"], serde_json::json!({ "throttled": 1 }));
    assert_eq!(status["upstreams"][1].get("fallbacks"), None);
}

#[test]
fn the_log_and_the_headers_say_where_it_was() {
    let api = Upstream::answering(vec![say(429, &[LATE], "")]);
    let other = Upstream::answering(vec![say(200, &[], "done")]);
    let gateway = gateway(&api.url(), &other.url(), Lines { retry: "explain_header = true", ..LLM });
    let reply = call(gateway.address, "POST /", &[], "");
    let said = ["x-retry-upstream", "x-retry-attempts", "x-retry-reason"].map(|name| reply.header(name));
    assert_eq!(said, [Some("other"), Some("2"), Some("throttled")]);
    let line = &gateway.log(1)[0];
    assert_eq!((line["upstream"].as_str(), line["fallback"].as_str()), (Some("other"), Some("throttled")));
    let endpoints: Vec<_> =
        line["attempts"].as_array().unwrap().iter().map(|step| &step["endpoint"]).collect();
    assert_eq!(endpoints, [&api.url(), &other.url()]);
    // At each of them it is the first.
    assert!(api.seen().iter().chain(&other.seen()).all(|seen| seen.header("x-retry-attempt").is_none()));
}

/// The response of the first, after the second could not be reached.
#[test]
fn a_response_is_counted_where_it_came_from() {
    let api = Upstream::answering(vec![say(429, &[LATE], "busy")]);
    let lines = Lines { retry: "explain_header = true\nnum_retries = 0", ..LLM };
    let gateway = gateway(&api.url(), &nobody(), lines);
    let reply = call(gateway.address, "POST /", &[], "");
    assert_eq!((reply.status, reply.header("x-retry-upstream")), (429, Some("api")));
    assert_eq!(gateway.log(1)[0]["upstream"], "api");
    for upstream in ["api", "other"] {
        assert_eq!(of(&gateway, "upstream_rq_total", upstream), 1.0, "{upstream}");
        assert_eq!(of(&gateway, "upstream_rq_attempts_total", upstream), 1.0, "{upstream}");
    }
    assert_eq!(gateway.metric("upstream_rq_status_total{upstream=\"api\",status=\"429\"}"), 1.0);
    assert_eq!(gateway.metric("upstream_rq_status_total{upstream=\"other\",status=\"429\"}"), 0.0);
}

/// The waits of both are told, and a route with one upstream says nothing of it.
#[test]
fn what_was_waited_is_summed_up() {
    let api = Upstream::answering(vec![say(503, &["retry-after-ms: 400"], ""), say(503, &[LATE], "")]);
    let other = Upstream::answering(vec![say(503, &["retry-after-ms: 400"], ""), say(200, &[], "")]);
    let gateway = gateway(&api.url(), &other.url(), LLM);
    assert_eq!(call(gateway.address, "POST /", &[], "").status, 200);
    let waited = gateway.log(1)[0]["waited_ms"].as_u64().unwrap();
    assert!(waited >= 800, "{waited}");
    let alone = crate::configured::gateway(&[other.url()], "", "", "");
    call(alone.address, "GET /", &[], "");
    let line = &alone.log(1)[0];
    assert_eq!((line["attempts"][0].get("upstream"), line.get("fallback")), (None, None));
}
