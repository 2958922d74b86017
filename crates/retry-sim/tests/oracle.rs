//! The pace against an oracle that knows the server's limit as soon as the first request is refused.

use std::ops::RangeInclusive;

use retry_sim::{Bucket, Call, Strategy, Trial};

const BUCKETS: [Bucket; 4] = [
    Bucket { rate: 10, burst: 10 },
    Bucket { rate: 25, burst: 5 },
    Bucket { rate: 50, burst: 10 },
    Bucket { rate: 200, burst: 20 },
];
/// Each call takes as long as any other, or one in which they overtake each other.
const LATENCIES: [RangeInclusive<u64>; 5] = [2..=2, 20..=20, 100..=100, 200..=200, 1..=200];
const SEEDS: u32 = 20;

#[test]
fn everybody_is_served_for_little_more_than_the_oracle_needs() {
    for latency_ms in LATENCIES {
        for bucket in BUCKETS {
            for way in [Strategy::Pace, Strategy::SlowStart] {
                check(
                    &Trial { latency_ms: latency_ms.clone(), seeds: SEEDS, ..Trial::default() },
                    bucket,
                    way,
                );
            }
        }
    }
}

#[track_caller]
fn check(trial: &Trial, bucket: Bucket, way: Strategy) {
    let row = trial.row(bucket, way);
    let what = format!("{bucket}, {}, {:?} ms: {row:?}", way.name(), trial.latency_ms);
    assert_eq!(row.served, trial.requests, "{what}");
    assert!(row.calls_to_oracle <= 1.15, "{what}");
    let oracle = row.seconds_worst / row.time_to_oracle;
    assert!(row.seconds_worst <= 2.5 * oracle + 2.0, "{what}");
}

#[test]
fn who_starts_slowly_finds_the_limit_with_fewer_calls() {
    for latency_ms in LATENCIES {
        let trial = Trial { latency_ms, ..Trial::default() };
        for (bucket, seed) in runs() {
            let [at_once, slowly] =
                [Strategy::Pace, Strategy::SlowStart].map(|way| trial.run(bucket, way, seed).calls.len());
            assert!(slowly < at_once, "{bucket}, seed {seed}: {slowly} calls, and {at_once} at once");
        }
    }
}

#[test]
fn what_an_opening_taught_serves_in_the_next() {
    let trial = Trial { requests: 400, attempts: 4, ..Trial::default() };
    for (bucket, seed) in runs() {
        let report = trial.run(bucket, Strategy::Pace, seed);
        assert_eq!(report.served, 400, "{bucket}, seed {seed}");
        let later: Vec<_> = openings(report.calls).into_iter().skip(2).flatten().collect();
        let refused = later.iter().filter(|call| !call.served).count();
        assert!(refused * 10 < later.len(), "{bucket}, seed {seed}: {refused} of {}", later.len());
    }
}

/// The calls that were sent while nobody was asked to wait. The first are those that came before the limit was
/// known, the next those after the first wait, and so on.
fn openings(mut calls: Vec<Call>) -> Vec<Vec<Call>> {
    calls.sort_by_key(|call| call.sent_at);
    let is_open = |earlier: &Call, later: &Call| later.sent_at - earlier.sent_at < Bucket::RETRY_AFTER;
    calls.chunk_by(is_open).map(<[Call]>::to_vec).collect()
}

#[test]
fn nobody_comes_back_before_the_server_wants_it() {
    let trial = Trial::default();
    for (bucket, seed) in runs() {
        for way in Strategy::ALL {
            let mut calls = trial.run(bucket, way, seed).calls;
            calls.sort_by_key(|call| (call.request, call.attempt));
            for pair in calls.windows(2).filter(|pair| pair[0].request == pair[1].request) {
                assert!(!pair[0].served, "{pair:?} was served twice");
                assert_eq!(pair[0].attempt + 1, pair[1].attempt);
                // There, as long for the way back, and then the wait.
                let refused_at = pair[0].reached_at * 2 - pair[0].sent_at;
                assert!(pair[1].sent_at >= refused_at + Bucket::RETRY_AFTER, "{pair:?} is early");
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let trial = Trial::default();
    for bucket in BUCKETS {
        for way in Strategy::ALL {
            let [first, second, other] = [1, 1, 2].map(|seed| trial.run(bucket, way, seed));
            assert_eq!(first, second, "{bucket}, {}", way.name());
            assert_ne!(first, other, "{bucket}, {}", way.name());
        }
    }
}

fn runs() -> impl Iterator<Item = (Bucket, u64)> {
    BUCKETS.into_iter().flat_map(|bucket| (0..SEEDS.into()).map(move |seed| (bucket, seed)))
}
