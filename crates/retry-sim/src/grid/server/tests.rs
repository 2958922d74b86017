mod answers;
mod properties;

use std::time::SystemTime;

use super::*;
use crate::grid::testing::{assert_near, secs, server};
use crate::grid::{Limit, Outage, Quota};

/// Sends calls one after the other, each at a time in seconds and with a cost, and returns the number of served ones
/// for each entry.
fn served(spec: &ServerSpec, calls: &[(f64, u32, u32)]) -> Vec<u32> {
    let mut server = new_server(spec);
    let mut number = 0;
    let mut serve = |at: f64, cost: u32| {
        number += 1;
        u32::from(server.arrive(secs(at), &call(number, cost)).is_served)
    };
    calls.iter().map(|&(at, count, cost)| (0..count).map(|_| serve(at, cost)).sum()).collect()
}

/// Each entry is the time of some calls at once, their number, and the number of those that are served.
#[track_caller]
fn check(limit: Limit, calls: &[(f64, u32, u32)]) {
    let sent: Vec<_> = calls.iter().map(|&(at, count, _)| (at, count, 1)).collect();
    let expected: Vec<_> = calls.iter().map(|&(_, _, expected)| expected).collect();
    assert_eq!(served(&server(limit), &sent), expected);
}

fn new_server(spec: &ServerSpec) -> Server<'_> {
    Server::new(spec, 1, SystemTime::UNIX_EPOCH, Draws::new(1))
}

fn call(request: u64, cost: u32) -> Call {
    Call { request, attempt: 1, key: 0, cost, is_poison: false }
}

#[test]
fn a_bucket_serves_its_burst_and_then_as_fast_as_it_earns() {
    let bucket = Limit::Bucket { per_second: 10.0, burst: 3.0 };
    check(
        bucket.clone(),
        &[(0.0, 10, 3), (0.099, 10, 0), (0.25, 10, 2), (0.299, 1, 0), (0.3, 2, 1), (60.0, 10, 3)],
    );
    // A burst below one call would never serve any.
    check(Limit::Bucket { per_second: 1.0, burst: 0.0 }, &[(0.0, 2, 1), (1.0, 2, 1)]);
    check(Limit::Bucket { per_second: 0.0, burst: 2.0 }, &[(0.0, 3, 2), (1e6, 1, 0)]);
    let gcra = |per_second, burst| Limit::Gcra { per_second, burst };
    check(
        gcra(10.0, 3.0),
        &[(0.0, 10, 3), (0.099, 10, 0), (0.25, 10, 2), (0.299, 1, 0), (0.3, 2, 1), (60.0, 10, 3)],
    );
    check(gcra(1.0, 0.0), &[(0.0, 2, 1), (1.0, 2, 1)]);
    check(gcra(0.0, 2.0), &[(0.0, 3, 2), (1e6, 1, 0)]);
}

#[test]
fn a_sliding_window_counts_the_calls_of_its_length() {
    let sliding = |counts_refused| Limit::Sliding { count: 3, window: secs(2.0), counts_refused };
    let calls = [(0.0, 2, 2), (1.5, 2, 1), (1.999, 1, 0), (2.0, 3, 2), (3.4, 1, 0), (3.5, 2, 1), (4.0, 4, 2)];
    check(sliding(false), &calls);
    // Each refused call takes the room that a later one would have had.
    let calls = [(0.0, 4, 3), (1.5, 1, 0), (2.0, 3, 2), (3.5, 1, 0), (4.0, 2, 2), (6.0, 3, 3)];
    check(sliding(true), &calls);
}

#[test]
fn a_fixed_window_begins_anew_at_each_multiple_of_its_length() {
    let fixed = Limit::Fixed { count: 3, window: secs(2.0) };
    check(
        fixed,
        &[(0.5, 2, 2), (1.9, 2, 1), (1.999, 1, 0), (2.0, 5, 3), (3.9, 1, 0), (9.0, 1, 1), (9.9, 4, 2)],
    );
    check(Limit::Fixed { count: 0, window: Duration::ZERO }, &[(0.0, 2, 1), (1e-9, 2, 1)]);
}

#[test]
fn a_limit_at_a_time_has_room_when_a_call_ends() {
    let spec = ServerSpec { service: secs(2.0), ..server(Limit::Concurrent { limit: 2 }) };
    let calls = [(0.0, 1, 1), (1.0, 3, 1), (1.9, 1, 1), (2.0, 2, 1), (3.0, 2, 1), (10.0, 3, 1)];
    assert_eq!(served(&spec, &calls), [1, 1, 0, 1, 1, 2]);
}

#[test]
fn a_call_needs_room_in_both_quotas() {
    let quota = |limit| Some(Quota { limit, window: secs(10.0) });
    let spec = server(Limit::Quotas { requests: quota(4), units: quota(100) });
    let calls =
        [(0.0, 1, 60), (0.0, 1, 60), (0.0, 4, 1), (2.4, 1, 1), (2.5, 1, 1), (20.0, 1, 1_000), (20.0, 1, 1)];
    // The fifth call finds units and no request, and the last one a request and no units.
    assert_eq!(served(&spec, &calls), [1, 0, 3, 0, 1, 1, 0]);
    let only_units = server(Limit::Quotas { requests: None, units: quota(100) });
    assert_eq!(served(&only_units, &[(0.0, 200, 1)]), [100]);
    assert_eq!(served(&server(Limit::Quotas { requests: None, units: None }), &[(0.0, 200, 9)]), [200]);
}

#[test]
fn a_bucket_that_changes_has_the_tokens_that_it_had() {
    let bucket = |per_second, burst| Limit::Bucket { per_second, burst };
    let limits = vec![
        (secs(0.0), bucket(10.0, 5.0)),
        (secs(10.0), bucket(1.0, 2.0)),
        (secs(20.0), bucket(10.0, 5.0)),
        (secs(30.0), Limit::Gcra { per_second: 1.0, burst: 4.0 }),
        (secs(40.0), Limit::None),
        (secs(50.0), bucket(1.0, 3.0)),
    ];
    let spec = ServerSpec { limits, ..server(Limit::None) };
    let calls =
        [(9.9, 4, 1), (10.0, 9, 1), (20.0, 9, 1), (20.1, 9, 1), (29.7, 5, 1), (30.0, 9, 1), (45.0, 99, 1)];
    // At 10 s it has two tokens of five, at 20 s two again, and at 30 s three.
    assert_eq!(served(&spec, &calls), [4, 2, 2, 1, 5, 3, 99]);
    assert_eq!(served(&spec, &[(55.0, 9, 1)]), [3]);
}

#[test]
fn a_call_is_first_served_under_the_limit_of_that_time() {
    let per_second = 0.1;
    let limits = vec![
        (secs(0.0), Limit::Bucket { per_second, burst: 1.0 }),
        (secs(4.0), Limit::Bucket { per_second: 1.0, burst: 1.0 }),
        (secs(4.2), Limit::Fixed { count: 1, window: secs(5.0) }),
    ];
    let spec = ServerSpec { limits, ..server(Limit::None) };
    let mut server = new_server(&spec);
    assert!(server.arrive(secs(0.0), &call(1, 1)).is_served);
    // The window is empty when it comes into force.
    assert_near(server.first_served(secs(0.0), &call(2, 1)), 4.2);
    assert!(server.arrive(secs(4.2), &call(2, 1)).is_served);
    assert_near(server.first_served(secs(4.3), &call(3, 1)), 5.0);

    let outage = Outage { from: secs(1.0), to: secs(3.0), status: 503, hint: None };
    let spec = ServerSpec { outage: Some(outage), ..spec };
    let server = new_server(&spec);
    for (at, expected) in [(0.5, 0.5), (1.0, 3.0), (2.5, 3.0), (3.0, 3.0)] {
        assert_near(server.first_served(secs(at), &call(1, 1)), expected);
    }
}
