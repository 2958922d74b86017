use super::*;

/// Endpoints, and a clock that the test moves.
struct Set {
    endpoints: Vec<Health>,
    outliers: Arc<Outliers>,
    now: Instant,
}

impl Set {
    fn new(endpoints: usize, change: impl FnOnce(&mut OutlierDetection)) -> Self {
        let mut config = OutlierDetection::default();
        change(&mut config);
        let outliers = Arc::new(Outliers::new(&config, Counter::default()));
        outliers.fit(endpoints);
        let now = Instant::now();
        let endpoints = (0..endpoints).map(|_| Health::new(Arc::clone(&outliers), now)).collect();
        Self { endpoints, outliers, now }
    }

    /// A letter for each request: `s` success, `f` failure, `u` unreachable.
    fn report(&self, endpoint: usize, requests: &str) {
        for request in requests.chars() {
            let report = match request {
                's' => Report::Success,
                'f' => Report::Failure,
                _ => Report::Unreachable,
            };
            self.endpoints[endpoint].report(report, || self.now);
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn probes(&self, endpoint: usize) -> bool {
        self.endpoints[endpoint].take_probe(self.now)
    }

    fn is_out(&self, endpoint: usize) -> bool {
        self.endpoints[endpoint].is_ejected()
    }
}

#[track_caller]
fn check(requests: &str, change: impl FnOnce(&mut OutlierDetection), expected: bool) {
    let set = Set::new(2, change);
    set.report(0, requests);
    assert_eq!(set.is_out(0), expected, "{requests}");
    assert_eq!((set.outliers.active(), set.is_out(1)), (usize::from(expected), false), "{requests}");
}

#[test]
fn many_failures_in_a_row_are_too_many() {
    check("ffff", |_| {}, false);
    check("fffff", |_| {}, true);
    check("ffffsffff", |_| {}, false);
    check("ff", |config| config.consecutive_5xx = 2, true);
    check(&"f".repeat(49), |config| config.consecutive_5xx = 0, false);
    check("u", |_| {}, true);
}

#[test]
fn so_is_a_large_share_of_enough_requests() {
    let share =
        |threshold| move |config: &mut OutlierDetection| config.failure_percentage_threshold = threshold;
    check(&"fffs".repeat(12), share(75), false);
    check(&format!("{}ff", "fffs".repeat(12)), share(75), true);
    check(&"fffs".repeat(50), share(80), false);
    check(&"fffs".repeat(50), share(0), false);
}

#[test]
fn a_success_of_one_that_is_well_reads_no_clock() {
    let set = Set::new(2, |_| {});
    set.endpoints[0].report(Report::Success, || panic!("nothing failed lately"));
}

// | 0 ejected | 1 probe fails | 3 probe fails | 7 probe succeeds |
#[test]
fn it_is_out_for_longer_each_time_and_one_request_probes_it() {
    let mut set = Set::new(2, |_| {});
    set.report(0, "u");
    for seconds in [1, 2, 4] {
        assert!(!set.probes(0));
        set.pass(seconds);
        assert!(set.probes(0), "after {seconds}");
        assert!(!set.probes(0) && set.is_out(0), "the rest wait");
        set.report(0, "f");
        assert!(set.is_out(0));
    }
    set.pass(8);
    assert!(set.probes(0));
    set.report(0, "s");
    assert_eq!((set.is_out(0), set.outliers.active()), (false, 0));
    assert_eq!(set.outliers.ejections.get(), 4);
}

#[test]
fn it_is_forgiven_by_intervals_without_a_failure() {
    let mut set = Set::new(2, |_| {});
    set.report(0, "u");
    set.pass(1);
    assert!(set.probes(0));
    set.report(0, "fs");
    assert_eq!(set.endpoints[0].stand(), (State::Ejected, 2), "what was under way says nothing");
    set.pass(2);
    assert!(set.probes(0));
    set.report(0, "s");
    for (state, ejections) in [(State::Watched, 1), (State::Healthy, 0)] {
        set.pass(10);
        set.report(0, "s");
        assert_eq!(set.endpoints[0].stand(), (state, ejections));
    }
}

#[test]
fn it_is_never_out_for_longer_than_the_longest() {
    let config = OutlierDetection::default();
    let times: Vec<_> =
        [0, 1, 4, 5, 100].iter().map(|before| config.ejection_time(*before).as_secs()).collect();
    assert_eq!(times, [1, 2, 16, 30, 30]);
}

#[test]
fn a_probe_that_nobody_hears_of_is_not_waited_for_for_ever() {
    let mut set = Set::new(2, |_| {});
    set.report(0, "u");
    set.pass(1);
    assert!(set.probes(0));
    set.pass(29);
    assert!(!set.probes(0));
    set.pass(1);
    assert!(set.probes(0));
}

#[test]
fn some_are_always_tried() {
    for (endpoints, percent, expected) in
        [(1, 100, 0), (2, 50, 1), (2, 100, 1), (3, 50, 2), (4, 50, 2), (10, 10, 1), (10, 0, 0), (10, 100, 9)]
    {
        let set = Set::new(endpoints, |config| config.max_ejection_percent = percent);
        (0..endpoints).for_each(|endpoint| set.report(endpoint, "fffff"));
        let out = (0..endpoints).filter(|endpoint| set.is_out(*endpoint)).count();
        assert_eq!((out, set.outliers.active()), (expected, expected), "{endpoints} {percent}");
    }
}

#[test]
fn only_the_listed_statuses_are_failures() {
    let config = OutlierDetection::default();
    for (status, expected) in [
        (200, Report::Success),
        (404, Report::Success),
        (429, Report::Success),
        (500, Report::Failure),
        (501, Report::Success),
        (503, Report::Failure),
    ] {
        assert_eq!(config.report(StatusCode::from_u16(status).unwrap()), expected, "{status}");
    }
}
