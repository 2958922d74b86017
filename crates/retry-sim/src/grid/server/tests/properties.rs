//! Properties of all limits, with random calls.

use rand::RngExt;

use super::*;
use crate::grid::testing::{allows, allows_last, limits};

/// Sends calls at random times, and returns the time of each with its answer.
fn random_calls(limit: &Limit, seed: u64) -> Vec<(f64, bool)> {
    let spec = ServerSpec { service: secs(0.2), ..server(limit.clone()) };
    let (mut server, mut rng) = (new_server(&spec), Draws::new(seed).rng(Purpose::Arrivals, 0, 0));
    let (mut at, mut calls) = (0.0, Vec::new());
    for number in 0..1_500 {
        // Rests and bursts follow each other.
        at += rng.random::<f64>().powi(8) * 0.5;
        calls.push((at, server.arrive(secs(at), &call(number, 1)).is_served));
    }
    calls
}

#[test]
fn no_limit_serves_more_than_it_allows() {
    for limit in limits() {
        for seed in 0..2 {
            let calls = random_calls(&limit, seed);
            let served: Vec<_> =
                calls.iter().filter(|(_, is_served)| *is_served).map(|(at, _)| *at).collect();
            assert!(allows(&limit, &served, 0.2), "{limit:?}");
            assert_eq!(served.len() < calls.len(), limit != Limit::None, "{limit:?} refuses none");
        }
    }
}

#[test]
fn no_limit_refuses_a_call_that_it_allows() {
    for limit in limits() {
        // This one has its refused calls in mind, and `allows` has not.
        if matches!(limit, Limit::Sliding { counts_refused: true, .. }) {
            continue;
        }
        let mut served = Vec::new();
        for (at, is_served) in random_calls(&limit, 9) {
            served.push(at);
            if !is_served {
                // A slack above the tolerance of `allows`.
                assert!(!allows_last(&limit, &with_last(&served, at - 1e-5), 0.2), "{limit:?} {at}");
                served.pop();
            }
        }
    }
}

/// Returns the same times with another last one.
fn with_last(times: &[f64], last: f64) -> Vec<f64> {
    let before = times.iter().take(times.len() - 1).copied();
    before.chain([last]).collect()
}

#[test]
fn gcra_is_a_bucket_of_the_same_burst() {
    for (per_second, burst) in [(30.0, 6.0), (7.0, 1.0), (400.0, 100.0), (3.3, 2.5)] {
        let bucket = random_calls(&Limit::Bucket { per_second, burst }, 3);
        let gcra = random_calls(&Limit::Gcra { per_second, burst }, 3);
        assert_eq!(bucket, gcra, "{per_second} {burst}");
    }
}

#[test]
fn a_call_is_served_at_the_first_moment_that_the_server_names_and_not_before() {
    for limit in limits() {
        let spec = ServerSpec { service: secs(0.2), ..server(limit.clone()) };
        for calls in (1..200).step_by(3) {
            // Two servers with the same history, and one call at a different time.
            let mut servers = [new_server(&spec), new_server(&spec)];
            let mut rng = Draws::new(calls).rng(Purpose::Arrivals, 0, 0);
            let mut at = Duration::ZERO;
            for number in 0..calls {
                at += secs(rng.random::<f64>().powi(3) * 0.2);
                for server in &mut servers {
                    server.arrive(at, &call(number, 1));
                }
            }
            let first = servers[0].first_served(at, &call(calls, 1));
            let earlier = first.saturating_sub(Duration::from_micros(1));
            assert!(first >= at && servers[0].arrive(first, &call(calls, 1)).is_served, "{limit:?} {calls}");
            let is_served = servers[1].arrive(earlier.max(at), &call(calls, 1)).is_served;
            assert_eq!(is_served, first == at, "{limit:?} {calls} {first:?}");
        }
    }
}
