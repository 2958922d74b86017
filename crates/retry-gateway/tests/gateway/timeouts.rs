//! Each wait is bounded by its own timeout, and by no other.

use std::thread;
use std::time::{Duration, Instant};

use crate::process::Gateway;

mod idle;
mod late_uploads;
mod pauses;
mod responses;
mod slow_readers;
mod slow_upstreams;
mod streams;
mod tunnels;
mod uploads;

/// A gateway with these limits, and lines of its upstream, its route and the route's retries.
#[track_caller]
fn gateway(url: &str, limits: &str, upstream: &str, route: &str, retry: &str) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[limits]\n{limits}\n[upstreams.api]\nendpoints = [{url:?}]\n{upstream}\n\
         [[routes]]\nupstream = \"api\"\n{route}\n[routes.retry]\n{retry}\n"
    ))
}

/// Asserts that a time is within these bounds, in milliseconds.
#[track_caller]
fn check_took(since: Instant, from: u64, to: u64) {
    let took = since.elapsed();
    let range = Duration::from_millis(from)..Duration::from_millis(to);
    assert!(range.contains(&took), "{took:?} is not within {range:?}");
}

/// Waits until the gateway has no request in flight.
#[track_caller]
fn check_no_load(gateway: &Gateway) {
    let end = Instant::now() + Duration::from_secs(2);
    loop {
        let upstream = gateway.status()["upstreams"][0].clone();
        if upstream["in_flight"] == 0 && upstream["endpoints"][0]["load"] == 0 {
            return;
        }
        assert!(Instant::now() < end, "{upstream}");
        thread::sleep(Duration::from_millis(10));
    }
}
