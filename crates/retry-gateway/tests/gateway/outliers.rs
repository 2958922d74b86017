//! Endpoints that keep failing are left alone, and tried again by one request before the rest follow.

use std::thread;
use std::time::{Duration, Instant};

use crate::client::{call, open};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, say};

/// Two endpoints, of which a 503 counts as a failure, with further lines of their outlier detection and of the route.
fn gateway(endpoints: [&Upstream; 2], outliers: &str, route: &str) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = {:?}\nretry_budget = false\n\
         [upstreams.api.outlier_detection]\nstatus_codes = [503]\n{outliers}\n[[routes]]\nupstream = \"api\"\n{route}\n",
        endpoints.map(Upstream::url)
    ))
}

fn get(gateway: &Gateway) -> u16 {
    call(gateway.address, "GET /", &[], "").status
}

const LONG: &str = "base_ejection_time = \"1h\"\nmax_ejection_time = \"1h\"";

#[test]
fn an_endpoint_that_fails_for_all_is_soon_left_alone() {
    let (sick, well) =
        (Upstream::answering(vec![say(503, &[], "")]), Upstream::answering(vec![say(200, &[], "")]));
    let gateway = gateway([&sick, &well], LONG, "");
    for _ in 0..100 {
        assert_eq!(get(&gateway), 200);
    }
    assert_eq!((sick.seen().len(), well.seen().len()), (5, 100));
    let ask = |path: &str| call(gateway.admin.unwrap(), &format!("GET {path}"), &[], "").body;
    let metrics = ask("/metrics");
    for line in [
        "outlier_detection_ejections_total{upstream=\"api\"} 1",
        "outlier_detection_ejections_active{upstream=\"api\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "no {line} in\n{metrics}");
    }
    let status: serde_json::Value = serde_json::from_str(&ask("/status")).unwrap();
    let states: Vec<_> =
        [0, 1].map(|index| status["upstreams"][0]["endpoints"][index]["state"].clone()).into();
    assert_eq!(states, ["ejected", "healthy"]);
}

/// It is slow to say that it is well, and until then nobody else asks.
#[test]
fn one_request_probes_an_endpoint_and_the_rest_follow() {
    const PAUSE: Duration = Duration::from_millis(400);
    let sick = Upstream::start(|number, _| match number {
        0..5 => say(503, &[], ""),
        5 => Act::Slowly(vec!["HTTP/1.1 200".into(), " OK\r\ncontent-length: 0\r\n\r\n".into()], PAUSE),
        _ => say(200, &[], ""),
    });
    let well = Upstream::answering(vec![say(200, &[], "")]);
    let gateway = gateway([&sick, &well], "base_ejection_time = \"200ms\"", "");
    while sick.seen().len() < 5 {
        assert_eq!(get(&gateway), 200);
    }
    let end = Instant::now() + Duration::from_secs(10);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while sick.seen().len() < 20 {
                    assert!(Instant::now() < end, "it is left alone for good: {}", sick.seen().len());
                    assert_eq!(get(&gateway), 200);
                    thread::sleep(Duration::from_millis(5));
                }
            });
        }
    });
    let seen = sick.seen();
    assert!(seen[6].at - seen[5].at >= PAUSE - Duration::from_millis(20), "{:?}", seen[6].at - seen[5].at);
}

#[test]
fn where_all_fail_one_is_still_tried() {
    let upstreams = [(); 2].map(|()| Upstream::answering(vec![say(503, &[], "")]));
    let gateway = gateway([&upstreams[0], &upstreams[1]], LONG, "retry = false");
    for _ in 0..60 {
        assert_eq!(get(&gateway), 503);
    }
    let mut counts = [upstreams[0].seen().len(), upstreams[1].seen().len()];
    counts.sort_unstable();
    assert_eq!(counts, [5, 55]);
}

/// The ejection is over after 200 ms, and an expired probe would be due again after an hour.
#[test]
fn a_client_that_leaves_its_probe_keeps_nobody_else_from_probing() {
    for leaves in ["GET /leaves", "POST /leaves"] {
        let sick = Upstream::start(|number, seen| match number {
            0..5 => say(503, &[], ""),
            _ if seen.head.contains("/leaves") => Act::Hang,
            _ => say(200, &[], ""),
        });
        let well = Upstream::answering(vec![say(200, &[], "")]);
        let outliers = "base_ejection_time = \"200ms\"\nmax_ejection_time = \"1h\"";
        let gateway = gateway([&sick, &well], outliers, "retry = { per_try_timeout = false }");
        let end = Instant::now() + Duration::from_secs(20);
        while sick.seen().len() < 5 {
            get(&gateway);
        }
        // One of these is the probe.
        let mut client = open(gateway.address, leaves, &[], "");
        while sick.seen().len() < 6 {
            assert!(Instant::now() < end, "nobody probes it");
            thread::sleep(Duration::from_millis(20));
            client = open(gateway.address, leaves, &[], "");
        }
        drop(client);
        while sick.seen().len() < 20 {
            assert!(Instant::now() < end, "{leaves}: it is left alone: {}", sick.seen().len());
            assert_eq!(get(&gateway), 200);
        }
    }
}
