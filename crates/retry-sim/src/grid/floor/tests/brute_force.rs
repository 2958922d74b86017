//! The clairvoyant beside a search of all times at which a few requests could be served.

use rand::RngExt;

use super::*;
use crate::grid::draws::Purpose;
use crate::grid::testing::allows_last;

/// The distance of the times that the search tries, in seconds.
const GRID: f64 = 0.25;
/// The latest time that it tries.
const LATEST: f64 = 12.0;
/// The service time of each call.
const SERVICE: Duration = Duration::from_secs(1);

/// Returns the earliest time at which the last of the requests with these arrivals can be served.
fn earliest_end(limit: &Limit, arrivals: &[f64]) -> Option<f64> {
    let mut best = None;
    search(limit, arrivals, &mut Vec::new(), &mut best);
    best
}

/// Tries all times for the next request, and then for those after it.
fn search(limit: &Limit, arrivals: &[f64], times: &mut Vec<f64>, best: &mut Option<f64>) {
    let Some(arrival) = arrivals.get(times.len()) else {
        *best = times.last().copied();
        return;
    };
    let mut at = arrival.max(times.last().copied().unwrap_or_default());
    while at <= LATEST && best.is_none_or(|best| at < best) {
        times.push(at);
        if allows_last(limit, times, SERVICE.as_secs_f64()) {
            search(limit, arrivals, times, best);
        }
        times.pop();
        at += GRID;
    }
}

/// Returns limits whose times lie on the grid.
fn small_limits() -> [Limit; 5] {
    let window = secs(1.5);
    [
        Limit::Bucket { per_second: 2.0, burst: 2.0 },
        Limit::Gcra { per_second: 4.0, burst: 1.0 },
        Limit::Sliding { count: 2, window, counts_refused: false },
        Limit::Fixed { count: 2, window },
        Limit::Concurrent { limit: 2 },
    ]
}

#[test]
fn no_other_times_are_earlier() {
    for limit in small_limits() {
        for seed in 0..12 {
            let mut rng = Draws::new(seed).rng(Purpose::Arrivals, 0, 0);
            let mut arrivals: Vec<f64> =
                (0..5).map(|_| GRID * f64::from(rng.random_range(0..8_u32))).collect();
            arrivals.sort_by(f64::total_cmp);
            let outcome = floor_at(&limit, &arrivals);
            let last_served = served_at(&outcome).last().copied().unwrap_or_default();
            let best = earliest_end(&limit, &arrivals);
            assert_eq!(Some(last_served), best, "{limit:?} {arrivals:?}");
        }
    }
}

/// Lets the clairvoyant serve requests that come at these times.
fn floor_at(limit: &Limit, arrivals: &[f64]) -> Outcome {
    let mut scenario = scenario(limit.clone(), Arrivals::Burst { requests: arrivals.len() as u32 });
    scenario.server.service = SERVICE;
    let mut source = RequestSource::new(&scenario, Draws::new(1));
    let requests = source.first();
    let mut clairvoyant = Clairvoyant::new(&scenario, Draws::new(1));
    for (request, arrived) in requests.into_iter().zip(arrivals) {
        clairvoyant.add(ArrivingRequest { arrived: secs(*arrived), ..request });
    }
    clairvoyant.play_added()
}
