//! tuning
use http_retry::Pace;
use retry_sim::{Bucket, World};
fn main() {
    for slow in [false, true] {
        for (lo, hi) in [(1, 200), (1, 2), (20, 20), (100, 100), (200, 200)] {
            for (rate, burst) in [(10, 10), (25, 5), (50, 10), (200, 20), (50, 1)] {
                let bucket = Bucket { rate, burst };
                let (mut worst_calls, mut sum, mut worst_time, mut unserved, mut maxcalls) =
                    (0.0f64, 0.0, 0.0f64, 0, 0);
                for seed in 0..20 {
                    let pace = if slow { Pace::per_authority().slow_start() } else { Pace::per_authority() };
                    let r = World::new(bucket, 100)
                        .attempts(std::env::var("A").ok().map_or(6, |a| a.parse().unwrap()))
                        .latency_ms(lo..=hi)
                        .pace(pace)
                        .run(seed);
                    let c = r.calls.len() as f64 / f64::from(bucket.oracle_calls(100));
                    worst_calls = worst_calls.max(c);
                    sum += c;
                    maxcalls = maxcalls.max(r.calls.len());
                    worst_time = worst_time.max(r.time.as_secs_f64());
                    unserved += 100 - r.served;
                }
                let limit = 2.5 * bucket.oracle_time(100).as_secs_f64() + 2.0;
                println!(
                    "{slow} {lo}-{hi} {rate}/{burst}: calls max {worst_calls:.3} ({maxcalls}) mean {:.3}; time {worst_time:.2} of limit {limit:.2}; unserved {unserved} {}",
                    sum / 20.0,
                    if worst_calls > 1.15 || worst_time > limit || unserved > 0 { "<<<" } else { "" }
                );
            }
        }
    }
}
