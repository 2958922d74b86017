//! What operators are told.

use std::net::TcpStream;
use std::time::Duration;

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, nobody, say};

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
    ] {
        assert!(metrics.lines().any(|found| found == line), "no {line} in\n{metrics}");
    }
    assert!(metrics.contains("retry_budget_tokens{upstream=\"upstream\"} "), "{metrics}");
    let status: serde_json::Value = serde_json::from_str(&ask("/status").body).unwrap();
    assert_eq!(status["upstreams"][0]["endpoints"][0]["endpoint"], upstream.url().as_str());
    assert_eq!(status["upstreams"][0]["endpoints"][0]["load"], 0);
}

#[test]
fn the_file_says_where_operators_ask_and_whether_requests_are_logged() {
    for is_logged in [true, false] {
        let upstream = Upstream::answering(vec![say(200, &[], "")]);
        let mut gateway = Gateway::by(&format!(
            "admin = \"127.0.0.1:0\"\naccess_log = {{ enabled = {is_logged} }}\n\
             [upstreams.api]\nendpoints = [{:?}]\n[[routes]]\nupstream = \"api\"\n",
            upstream.url()
        ));
        assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
        assert_eq!(call(gateway.admin.expect("the file says so"), "GET /healthz", &[], "").status, 200);
        gateway.log(usize::from(is_logged));
        gateway.terminate();
        assert!(gateway.ended(Duration::from_secs(10)).is_some_and(|status| status.success()));
        assert_eq!(gateway.log(0).len(), usize::from(is_logged));
    }
}

/// What is told of a request of which two attempts were made: its counts, its line in the log, and its response.
#[track_caller]
fn check_told(endpoint: &str, counts: [f64; 2], [cause, reason]: [Option<&str>; 2]) {
    let gateway = Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [{endpoint:?}]\n[[routes]]\nupstream = \"api\"\n\
         [routes.retry]\nnum_retries = 1\nexplain_header = true\n"
    ));
    let reply = call(gateway.address, "GET /", &[], "");
    assert_eq!(reply.header("x-retry-attempts"), Some("2"), "{reply:?}");
    assert_eq!(reply.header("x-retry-reason"), reason.or(cause), "{reply:?}");
    let line = &gateway.log(1)[0];
    assert_eq!((line["cause"].as_str(), line["reason"].as_str()), (cause, reason), "{line}");
    let counted = ["upstream_rq_retry_success_total", "upstream_rq_retry_limit_exceeded_total"];
    assert_eq!(counted.map(|name| gateway.metric_of_api(name)), counts, "{line}");
}

#[test]
fn a_request_that_failed_is_told_of_with_and_without_a_response() {
    let (busy, throttled) = (say(503, &[], ""), Some("throttled"));
    for (acts, counts, words) in [
        (vec![busy.clone(), say(200, &[], "")], [1.0, 0.0], [throttled, None]),
        (vec![busy.clone()], [0.0, 1.0], [throttled, Some("max-attempts")]),
        // What is not sent again need not help.
        (vec![busy, say(500, &[], "")], [0.0, 0.0], [throttled, None]),
        (vec![Act::Close], [0.0, 1.0], [Some("transient"), Some("max-attempts")]),
    ] {
        check_told(&Upstream::answering(acts).url(), counts, words);
    }
    check_told(&nobody(), [0.0, 1.0], [Some("never-sent"), Some("max-attempts")]);
}

/// A check of the process's health that found no room would restart it.
#[test]
fn connections_that_ask_nothing_shut_out_no_operator() {
    let gateway = Gateway::before(&nobody(), &["--admin", "127.0.0.1:0"]);
    let address = gateway.admin.expect("it was asked for");
    let silent: Vec<_> = (0..300).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert_eq!(call(address, "GET /healthz", &[], "").status, 200);
    drop(silent);
}
