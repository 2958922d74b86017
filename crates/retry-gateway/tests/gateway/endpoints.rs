//! Which endpoint an attempt goes to, and when.

use testkit::listener::LateListener;

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, nobody, say};

/// A gateway with these endpoints, lines of their upstream, and lines of the route's retries.
#[track_caller]
fn gateway(endpoints: &[String], upstream: &str, retry: &str) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = {endpoints:?}\n{upstream}\n\
         [[routes]]\nupstream = \"api\"\n[routes.retry]\n{retry}\n"
    ))
}

/// Once ejected, an endpoint is not back before the test ends.
const LONG: &str = "base_ejection_time = \"1h\", max_ejection_time = \"1h\"";

/// The indices of the ejected endpoints.
fn ejected(gateway: &Gateway) -> Vec<usize> {
    let status = gateway.status();
    let endpoints = status["upstreams"][0]["endpoints"].as_array().unwrap();
    (0..endpoints.len()).filter(|index| endpoints[*index]["state"] == "ejected").collect()
}

/// The number of attempts of all requests, after so many of them.
fn attempts(gateway: &Gateway, requests: usize) -> usize {
    gateway.log(requests).iter().map(|line| line["attempts"].as_array().unwrap().len()).sum()
}

#[test]
fn a_resend_goes_to_an_untried_endpoint_even_if_it_is_ejected() {
    let mut listeners: Vec<_> = (0..3).map(|_| Some(LateListener::new())).collect();
    let urls: Vec<_> =
        listeners.iter().flatten().map(|listener| format!("http://{}", listener.address())).collect();
    let outliers = format!("outlier_detection = {{ healthy_panic_threshold = 0, {LONG} }}");
    let gateway = gateway(&urls, &outliers, "num_retries = 2");
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 503);
    let ejected = ejected(&gateway);
    assert_eq!(ejected.len(), 2);
    let back = Upstream::start_late(listeners[ejected[0]].take().unwrap());
    for method in ["POST /", "GET /", "POST /", "PATCH /"] {
        assert_eq!(call(gateway.address, method, &[], "body").status, 200, "{method}");
    }
    assert_eq!(back.seen().len(), 4);
}

/// Half of the endpoints are ejected, as many as may be, and the other half refuses connections as well.
#[test]
fn one_endpoint_of_many_that_is_back_gets_the_requests() {
    for (count, was_ejected) in [(4, true), (6, true), (6, false), (8, true)] {
        let mut listeners: Vec<_> = (0..count).map(|_| Some(LateListener::new())).collect();
        let urls: Vec<_> =
            listeners.iter().flatten().map(|listener| format!("http://{}", listener.address())).collect();
        let upstream = format!("retry_budget = false\noutlier_detection = {{ {LONG} }}");
        let gateway = gateway(&urls, &upstream, "num_retries = 2");
        for _ in 0..3 * count {
            assert_eq!(call(gateway.address, "GET /", &[], "").status, 503);
        }
        let ejected = ejected(&gateway);
        assert_eq!(ejected.len(), count / 2);
        let back = (0..count).find(|index| ejected.contains(index) == was_ejected).unwrap();
        let back = Upstream::start_late(listeners[back].take().unwrap());
        // Each request tries two endpoints that were not tried lately, so few requests find the one that is back.
        let mut search = (0..count).map(|_| call(gateway.address, "POST /", &[], "body").status);
        assert!(search.any(|status| status == 200), "{count} {was_ejected}");
        for method in ["POST /", "GET /", "PATCH /"].repeat(8) {
            assert_eq!(call(gateway.address, method, &[], "").status, 200, "{method} {count} {was_ejected}");
        }
        assert!(back.seen().len() >= 25);
    }
}

#[test]
fn where_fewer_than_half_are_left_all_are_used() {
    let well = Upstream::answering(vec![say(200, &[], "")]);
    for (dead, threshold, uses_all) in [(2, 50, true), (2, 0, false), (1, 50, false), (1, 51, true)] {
        let urls: Vec<_> = (0..dead).map(|_| nobody()).chain([well.url()]).collect();
        let outliers = format!("outlier_detection = {{ healthy_panic_threshold = {threshold}, {LONG} }}");
        let gateway = gateway(&urls, &outliers, "num_retries = 2");
        for _ in 0..60 {
            assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
        }
        let resends = attempts(&gateway, 60) - 60;
        assert_eq!(resends > dead, uses_all, "{resends} of {dead} at {threshold}");
    }
}

#[test]
fn what_nobody_took_goes_to_an_untried_endpoint_at_once() {
    let well = Upstream::answering(vec![say(200, &[], "")]);
    let back_off = "num_retries = 2\nback_off = { base_interval = \"10s\", jitter = \"none\" }";
    let gateway = gateway(&[nobody(), well.url(), nobody()], "outlier_detection = false", back_off);
    for method in ["GET /", "POST /"].repeat(10) {
        assert_eq!(call(gateway.address, method, &[], "").status, 200, "{method}");
    }
    assert!(attempts(&gateway, 20) > 20);
    assert!(gateway.log(20).iter().all(|line| line["waited_ms"].as_u64().unwrap() < 5_000));
}

#[test]
fn the_backoff_comes_when_all_endpoints_were_tried() {
    let back_off = "num_retries = 3\n\
                    back_off = { base_interval = \"400ms\", max_interval = \"400ms\", jitter = \"none\" }";
    let gateway = gateway(&[nobody(), nobody()], "outlier_detection = false", back_off);
    assert_eq!(call(gateway.address, "POST /", &[], "").status, 503);
    let log = gateway.log(1);
    let at: Vec<_> =
        log[0]["attempts"].as_array().unwrap().iter().map(|a| a["at_ms"].as_u64().unwrap()).collect();
    let gaps: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0] >= 400).collect();
    assert_eq!(gaps, [false, true, true], "{at:?}");
}

/// The times between the attempts of a request, of which each gets this status, with its method.
#[track_caller]
fn gaps(gateway: &Gateway, line: &str, status: u16) -> Vec<u64> {
    assert_eq!(call(gateway.address, line, &[], "").status, status);
    let log = gateway.log(gateway.logged());
    let attempts = log.last().unwrap()["attempts"].as_array().unwrap().clone();
    let at: Vec<_> = attempts.iter().map(|attempt| attempt["at_ms"].as_u64().unwrap()).collect();
    at.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// 503 says that the endpoint is unwell, and 502 only that a connection behind it broke.
#[test]
fn an_unwell_endpoint_is_asked_again_after_half_a_second() {
    let slowly = "rate_limited_back_off = { base_interval = \"1200ms\" }";
    for (method, status) in [("GET /", 503), ("PUT /", 503), ("GET /", 502)] {
        let upstream = Upstream::answering(vec![say(status, &[], "")]);
        let gateway = gateway(&[upstream.url()], "", &format!("num_retries = 1\n{slowly}"));
        let gaps = gaps(&gateway, method, status);
        assert_eq!(gaps[0] >= 300, status == 503, "{method} {status}: {gaps:?}");
    }
    let upstream = Upstream::answering(vec![say(503, &[], "")]);
    let by_default = gaps(&gateway(&[upstream.url()], "", ""), "DELETE /", 503);
    assert!(by_default[0] >= 125 && by_default[1] >= 250, "{by_default:?}");
}

#[test]
fn an_untried_endpoint_is_asked_soon_after_a_503() {
    let slowly = "num_retries = 2\nrate_limited_back_off = { base_interval = \"1200ms\" }";
    let unwell = [(); 2].map(|()| Upstream::answering(vec![say(503, &[], "")]).url());
    for (lines, endpoints) in [("", &unwell[..]), ("host_selection = \"any\"", &unwell[..1])] {
        let gateway = gateway(endpoints, "outlier_detection = false", &format!("{slowly}\n{lines}"));
        let gaps = gaps(&gateway, "GET /", 503);
        let is_late: Vec<_> = gaps.iter().map(|gap| *gap >= 300).collect();
        let untried = endpoints.len() - 1;
        assert_eq!(is_late, [vec![false; untried], vec![true; 2 - untried]].concat(), "{gaps:?}");
    }
}

#[test]
fn the_failing_requests_of_one_client_take_no_endpoint_from_the_others() {
    let script = |_, seen: &crate::upstream::Seen| match () {
        () if seen.head.starts_with("GET /status") => say(503, &[], ""),
        () if seen.head.starts_with("GET /close") => Act::Close,
        () => say(200, &[], ""),
    };
    let endpoints = [(); 2].map(|()| Upstream::start(script).url());
    let gateway = gateway(&endpoints, &format!("outlier_detection = {{ {LONG} }}"), "");
    for _ in 0..20 {
        assert_eq!(call(gateway.address, "GET /status", &[], "").status, 503);
    }
    assert_eq!(ejected(&gateway), [0; 0]);
    // A connection that breaks is the endpoint's failure, whoever sees it.
    for _ in 0..20 {
        assert_eq!(call(gateway.address, "GET /close", &[], "").status, 502);
    }
    assert_eq!(ejected(&gateway).len(), 1);
}
