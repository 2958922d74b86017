//! How long sessions wait, all of them together.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use tower::Layer;
use tower_http_retry::{Budget, ExponentialBackoff, RetryLayer};

use crate::support::clock::Watch;
use crate::support::get;
use crate::support::upstream::Upstream;

/// The first delays of a thousand sessions, each through a clone of its own.
async fn first_delays(
    layer: impl Fn(ExponentialBackoff) -> RetryLayer<ExponentialBackoff, tower_http_retry::markers::Boxed>,
) -> Vec<Duration> {
    let watch = Watch::new();
    let budget = Budget::percent(0).min_per_second(0).capacity(1_000);
    let policy = ExponentialBackoff::new(Duration::from_secs(1), Duration::from_secs(10));
    let layer = layer(policy).max_attempts(2).budget(budget).timer(watch.clone());
    let service = layer.layer(Upstream::statuses([503]));
    let sent = (0..1_000).map(|number| {
        // Clones of the service, and services of clones of the layer.
        let client =
            if number % 2 == 0 { service.clone() } else { layer.clone().layer(Upstream::statuses([503])) };
        client.oneshot(get("/"))
    });
    join_all(sent).await;
    watch.sleeps()
}

#[track_caller]
fn assert_various(delays: &[Duration]) {
    assert_eq!(delays.len(), 1_000);
    let distinct = delays.iter().collect::<HashSet<_>>().len();
    assert!(distinct >= 990, "{distinct} distinct delays in 1,000 sessions");
    // The window is `[0, 1 s]`, and fractions count.
    assert!(delays.iter().all(|delay| *delay <= Duration::from_secs(1)));
    let per_quarter = |quarter| delays.iter().filter(|delay| delay.as_millis() / 250 == quarter).count();
    assert!((0..4).all(|quarter| per_quarter(quarter) > 150), "the window is not used");
    assert!(delays.iter().any(|delay| delay.subsec_micros() % 1_000 != 0), "whole milliseconds only");
}

/// Trap 3: a thousand sessions do not come back in step.
#[tokio::test(start_paused = true)]
async fn a_thousand_sessions_wait_a_thousand_times() {
    assert_various(&first_delays(RetryLayer::new).await);
}

/// Trap 3: nor do they where the layer is seeded, since the sequence is shared and never cloned.
#[tokio::test(start_paused = true)]
async fn a_seeded_layer_shares_one_sequence() {
    assert_various(&first_delays(|policy| RetryLayer::new(policy).seed(7)).await);
}

/// A seed is for tests that want the same thing twice.
#[tokio::test(start_paused = true)]
async fn a_seed_gives_the_same_delays_again() {
    let seeded = async |seed| first_delays(move |policy| RetryLayer::new(policy).seed(seed)).await;
    let first = seeded(7).await;
    assert_eq!(first, seeded(7).await);
    assert_ne!(first, seeded(8).await);
}
