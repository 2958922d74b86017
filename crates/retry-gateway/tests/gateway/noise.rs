//! Two tenants of one upstream, of which one is throttled: the other one must not notice.

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

fn quiet_call(gateway: &Gateway) -> Duration {
    let start = Instant::now();
    let reply = call(gateway.address, "GET /quiet", &["authorization: Bearer quiet"], "");
    assert_eq!((reply.status, reply.body.as_str()), (200, "served"), "{reply:?}");
    start.elapsed()
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

/// Prints the latency of the quiet tenant, alone and beside the other one. Run it on a machine without other load:
/// `cargo test --release -p retry-gateway --test gateway noise -- --ignored --nocapture`.
#[test]
#[ignore = "it compares latencies, which other tests disturb"]
fn the_latency_beside_a_throttled_tenant_is_that_without_it() {
    let upstream = upstream();
    let gateway = gateway(&upstream, "pace.key = \"credential\"");
    let measure = || {
        let mut latencies: Vec<_> = (0..2_000).map(|_| quiet_call(&gateway)).collect();
        latencies.sort_unstable();
        [latencies[1_000], latencies[1_980]]
    };
    let alone = measure();
    let noise = noise(&gateway, 500);
    let beside = measure();
    drop(noise);
    println!("| | p50 | p99 |\n|---|---|---|");
    println!("| alone | {:?} | {:?} |\n| beside | {:?} | {:?} |", alone[0], alone[1], beside[0], beside[1]);
    assert!(beside[1] <= alone[1].mul_f64(1.2), "{alone:?} {beside:?}");
}
