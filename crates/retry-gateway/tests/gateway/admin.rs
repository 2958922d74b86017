//! What operators are told.

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Upstream, say};

#[test]
fn operators_are_told_what_was_counted_and_how_it_stands() {
    let upstream = Upstream::answering(vec![say(503, &[], ""), say(200, &[], "")]);
    let gateway = Gateway::before(&upstream.url(), &["--admin", "127.0.0.1:0"]);
    for _ in 0..3 {
        assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    }
    gateway.log(3);
    let ask = |path: &str| call(gateway.admin.expect("it was asked for"), &format!("GET {path}"), &[], "");
    assert_eq!((ask("/healthz").status, ask("/readyz").status, ask("/else").status), (200, 200, 404));
    let metrics = ask("/metrics").body;
    for line in [
        "upstream_rq_total{upstream=\"upstream\"} 3",
        "upstream_rq_status_total{upstream=\"upstream\",status=\"200\"} 3",
        "upstream_rq_attempts_total{upstream=\"upstream\"} 4",
        "upstream_rq_retry_total{upstream=\"upstream\",reason=\"throttled\"} 1",
        "upstream_rq_retry_success_total{upstream=\"upstream\"} 1",
        "retry_amplification_ratio{upstream=\"upstream\"} 1.3333333333333333",
        "retry_delay_seconds_count{upstream=\"upstream\"} 1",
        "retry_body_buffered_bytes 0",
        "pace_active{upstream=\"upstream\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "no {line} in\n{metrics}");
    }
    assert!(metrics.contains("retry_budget_tokens{upstream=\"upstream\"} "), "{metrics}");
    let status: serde_json::Value = serde_json::from_str(&ask("/status").body).unwrap();
    assert_eq!(status["upstreams"][0]["endpoints"][0]["endpoint"], upstream.url().as_str());
    assert_eq!(status["upstreams"][0]["endpoints"][0]["load"], 0);
}
