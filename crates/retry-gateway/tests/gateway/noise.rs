//! Two tenants of one upstream, of which one is throttled: the other one must not notice. `benches/gateway` measures its latency.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::client::{call, open};
use crate::process::Gateway;
use crate::upstream::{Upstream, say};

/// An upstream that refuses one tenant, and serves the other at once.
fn upstream() -> Upstream {
    Upstream::start(|_, seen| match seen.header("authorization") {
        Some("Bearer busy") => say(429, &["retry-after: 5"], ""),
        _ => say(200, &[], "served"),
    })
}

/// A gateway with further lines of its upstream.
fn gateway(upstream: &Upstream, lines: &str) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [{:?}]\n{lines}\n[[routes]]\nupstream = \"api\"\n",
        upstream.url()
    ))
}

/// Requests of the throttled tenant, which wait until the sockets are dropped.
fn noise(gateway: &Gateway, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| open(gateway.address, "GET /noise", &["authorization: Bearer busy"], "")).collect()
}

fn quiet_call(gateway: &Gateway) {
    let reply = call(gateway.address, "GET /quiet", &["authorization: Bearer quiet"], "");
    assert_eq!((reply.status, reply.body.as_str()), (200, "served"), "{reply:?}");
}

#[test]
fn a_throttled_tenant_costs_the_other_no_attempt_and_no_wait() {
    for lines in ["", "pace.key = \"credential\"\nmax_requests = 20", "outlier_detection = false"] {
        let upstream = upstream();
        let gateway = gateway(&upstream, lines);
        let noise = noise(&gateway, 60);
        upstream.wait_seen(1);
        // Before its first refusal the throttled tenant may have all places.
        let end = Instant::now() + Duration::from_secs(10);
        while gateway.status()["upstreams"][0]["in_flight"] != 0 {
            assert!(Instant::now() < end, "the throttled tenant does not wait: {}", gateway.status());
        }
        for _ in 0..60 {
            quiet_call(&gateway);
        }
        drop(noise);
        let log = gateway.log(120);
        let quiet: Vec<_> = log.iter().filter(|line| line["path"] == "/quiet").collect();
        assert_eq!(quiet.len(), 60, "{lines}");
        for line in quiet {
            let attempts = line["attempts"].as_array().unwrap().len();
            assert_eq!((attempts, line["waited_ms"].as_u64()), (1, Some(0)), "{lines}: {line}");
            assert!(line["paced"].is_null(), "{lines}: {line}");
        }
    }
}
