use std::time::Duration;

use http::StatusCode;
use prometheus_client::metrics::counter::Counter;

use super::*;
use crate::config::OutlierDetection;

/// The endpoints of an upstream, and a clock that the test moves.
struct TestCluster {
    endpoints: Vec<EndpointHealth>,
    outliers: Arc<OutlierDetector>,
    now: Instant,
}

impl TestCluster {
    fn new(endpoints: usize, change: impl FnOnce(&mut OutlierDetection)) -> Self {
        let mut config = OutlierDetection::default();
        change(&mut config);
        let outliers = Arc::new(OutlierDetector::new(&config, Counter::default()));
        outliers.resize(endpoints);
        let now = Instant::now();
        let endpoints = (0..endpoints).map(|_| EndpointHealth::new(Arc::clone(&outliers), now)).collect();
        Self { endpoints, outliers, now }
    }

    /// Records the outcome of one request for each letter: `s` success, `f` failure, `u` unreachable.
    fn record(&self, endpoint: usize, requests: &str) {
        for request in requests.chars() {
            let outcome = match request {
                's' => EndpointOutcome::Success,
                'f' => EndpointOutcome::Failure,
                _ => EndpointOutcome::Unreachable,
            };
            self.endpoints[endpoint].record(outcome, false, || self.now);
        }
    }

    fn advance(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn try_probe(&self, endpoint: usize) -> bool {
        self.endpoints[endpoint].try_probe(self.now)
    }

    fn is_ejected(&self, endpoint: usize) -> bool {
        self.endpoints[endpoint].is_ejected()
    }
}

/// A probe whose client has gone says nothing about the endpoint.
#[test]
fn a_probe_that_is_given_up_is_due_at_once() {
    let mut cluster = TestCluster::new(2, |_| {});
    cluster.record(0, "u");
    let release = |cluster: &TestCluster| cluster.endpoints[0].release_probe(cluster.now);
    release(&cluster);
    assert!(!cluster.try_probe(0), "nobody probed it");
    cluster.advance(1);
    assert!(cluster.try_probe(0) && !cluster.try_probe(0));
    release(&cluster);
    assert!(cluster.is_ejected(0) && cluster.try_probe(0) && !cluster.try_probe(0));
    cluster.record(0, "s");
    assert!(!cluster.is_ejected(0));
    release(&cluster);
    assert!(!cluster.is_ejected(0));
}

#[track_caller]
fn check(requests: &str, change: impl FnOnce(&mut OutlierDetection), expected: bool) {
    let cluster = TestCluster::new(2, change);
    cluster.record(0, requests);
    assert_eq!(cluster.is_ejected(0), expected, "{requests}");
    assert_eq!(
        (cluster.outliers.ejected(), cluster.is_ejected(1)),
        (usize::from(expected), false),
        "{requests}"
    );
}

#[track_caller]
fn check_snapshot(cluster: &TestCluster, state: EndpointState, ejections: u32) {
    assert_eq!(cluster.endpoints[0].snapshot(), OutlierSnapshot { state, ejections });
}

#[test]
fn many_failures_in_a_row_eject_an_endpoint() {
    check("ffff", |_| {}, false);
    check("fffff", |_| {}, true);
    check("ffffsffff", |_| {}, false);
    check("ff", |config| config.consecutive_5xx = 2, true);
    check(&"f".repeat(49), |config| config.consecutive_5xx = 0, false);
    check("u", |_| {}, true);
}

#[test]
fn a_large_share_of_failures_among_enough_requests_ejects_an_endpoint() {
    let share =
        |threshold| move |config: &mut OutlierDetection| config.failure_percentage_threshold = threshold;
    check(&"fffs".repeat(12), share(75), false);
    check(&format!("{}ff", "fffs".repeat(12)), share(75), true);
    check(&"fffs".repeat(50), share(80), false);
    check(&"fffs".repeat(50), share(0), false);
}

#[test]
fn a_success_of_a_healthy_endpoint_reads_no_clock() {
    let cluster = TestCluster::new(2, |_| {});
    cluster.endpoints[0].record(EndpointOutcome::Success, false, || panic!("nothing failed lately"));
}

// | 0 ejected | 1 probe fails | 3 probe fails | 7 probe succeeds |
#[test]
fn each_ejection_is_longer_and_one_request_probes_the_endpoint() {
    let mut cluster = TestCluster::new(2, |_| {});
    cluster.record(0, "u");
    for seconds in [1, 2, 4] {
        assert!(!cluster.try_probe(0));
        cluster.advance(seconds);
        assert!(cluster.try_probe(0), "after {seconds}");
        assert!(!cluster.try_probe(0) && cluster.is_ejected(0), "only one request probes");
        cluster.record(0, "f");
        assert!(cluster.is_ejected(0));
    }
    cluster.advance(8);
    assert!(cluster.try_probe(0));
    cluster.record(0, "s");
    assert_eq!((cluster.is_ejected(0), cluster.outliers.ejected()), (false, 0));
    assert_eq!(cluster.outliers.ejections.get(), 4);
}

#[test]
fn intervals_without_a_failure_take_ejections_back() {
    let mut cluster = TestCluster::new(2, |_| {});
    cluster.record(0, "u");
    cluster.advance(1);
    assert!(cluster.try_probe(0));
    cluster.record(0, "fs");
    // The success was in flight at the second ejection, and says nothing new.
    check_snapshot(&cluster, EndpointState::Ejected, 2);
    cluster.advance(2);
    assert!(cluster.try_probe(0));
    cluster.record(0, "s");
    for (state, ejections) in [(EndpointState::Watched, 1), (EndpointState::Healthy, 0)] {
        cluster.advance(10);
        cluster.record(0, "s");
        check_snapshot(&cluster, state, ejections);
    }
}

#[test]
fn max_ejection_time_bounds_each_ejection() {
    let config = OutlierDetection::default();
    let times: Vec<_> =
        [0, 1, 4, 5, 100].iter().map(|ejections| config.ejection_time(*ejections).as_secs()).collect();
    assert_eq!(times, [1, 2, 16, 30, 30]);
}

#[test]
fn a_cancelled_probe_expires() {
    let mut cluster = TestCluster::new(2, |_| {});
    cluster.record(0, "u");
    cluster.advance(1);
    assert!(cluster.try_probe(0));
    cluster.advance(29);
    assert!(!cluster.try_probe(0));
    cluster.advance(1);
    assert!(cluster.try_probe(0));
}

#[test]
fn the_number_of_ejected_endpoints_is_bounded() {
    for (endpoints, percent, expected) in
        [(1, 100, 0), (2, 50, 1), (2, 100, 1), (3, 50, 2), (4, 50, 2), (10, 10, 1), (10, 0, 0), (10, 100, 9)]
    {
        let cluster = TestCluster::new(endpoints, |config| config.max_ejection_percent = percent);
        (0..endpoints).for_each(|endpoint| cluster.record(endpoint, "fffff"));
        let ejected = (0..endpoints).filter(|endpoint| cluster.is_ejected(*endpoint)).count();
        assert_eq!((ejected, cluster.outliers.ejected()), (expected, expected), "{endpoints} {percent}");
    }
}

#[test]
fn only_the_listed_statuses_are_failures() {
    let default = OutlierDetection::default();
    assert_eq!(default.outcome(StatusCode::SERVICE_UNAVAILABLE), EndpointOutcome::Success);
    let listed = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE];
    let config = OutlierDetection { status_codes: listed.into(), ..default };
    for (status, expected) in [
        (200, EndpointOutcome::Success),
        (404, EndpointOutcome::Success),
        (429, EndpointOutcome::Success),
        (500, EndpointOutcome::Failure),
        (501, EndpointOutcome::Success),
        (503, EndpointOutcome::Failure),
    ] {
        assert_eq!(config.outcome(StatusCode::from_u16(status).unwrap()), expected, "{status}");
    }
}

/// A request may go to an ejected endpoint although its probe is not due: all others have failed it.
#[test]
fn an_ejected_endpoint_that_answers_a_resend_is_back() {
    let mut cluster = TestCluster::new(4, |_| {});
    (0..4).for_each(|endpoint| cluster.record(endpoint, "u"));
    let standings = |cluster: &TestCluster| -> Vec<_> {
        cluster.endpoints.iter().map(EndpointHealth::standing).collect()
    };
    assert_eq!(standings(&cluster), [Standing::Outlier; 4]);
    cluster.record(0, "s");
    assert!(cluster.is_ejected(0), "the response may be older than the ejection");
    let now = cluster.now;
    cluster.endpoints[0].record(EndpointOutcome::Failure, true, || now);
    assert!(cluster.is_ejected(0));
    cluster.endpoints[0].record(EndpointOutcome::Success, true, || now);
    check_snapshot(&cluster, EndpointState::Watched, 1);
    assert_eq!((standings(&cluster)[0], cluster.outliers.ejected()), (Standing::Good, 1));
    cluster.record(2, "u");
    assert!(cluster.is_ejected(2), "the room for an ejection is free again");
    cluster.record(0, "f");
    cluster.record(3, "s");
    let expected = [Standing::Failing, Standing::Outlier, Standing::Outlier, Standing::Good];
    assert_eq!(standings(&cluster), expected);
    cluster.advance(1);
    assert!(cluster.try_probe(1));
}

#[test]
fn failing_endpoints_are_ordered_by_their_last_use() {
    let cluster = TestCluster::new(3, |_| {});
    ["u", "u", "s"].iter().enumerate().for_each(|(endpoint, outcome)| cluster.record(endpoint, outcome));
    cluster.endpoints[0].mark_used();
    let uses: Vec<_> = cluster.endpoints.iter().map(EndpointHealth::last_use).collect();
    assert_eq!(uses, [3, 2, 0]);
}
