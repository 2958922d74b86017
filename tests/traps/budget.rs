//! What a layer's budget counts, through the layer.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use http_retry::RetryCost;
use tower::{Layer, ServiceBuilder};
use tower_http_retry::{Budget, GiveUpReason, RetryLayer};

use crate::support::upstream::Upstream;
use crate::support::{A_SECOND, get, info, request, status, with_header};

/// Trap 4: the ratio is what it says, above one half too.
#[tokio::test(start_paused = true)]
async fn the_ratio_of_resends_to_successes_is_exact() {
    for percent in [10, 20, 40, 60, 90] {
        let budget = Budget::percent(percent).min_per_second(0).capacity(100);
        budget.withdraw(RetryCost::from_thousandths(100_000), Duration::ZERO).unwrap().commit();
        let upstream = Upstream::answers(|number| status(if number <= 100 { 200 } else { 500 }));
        let client = RetryLayer::new(A_SECOND).max_attempts(2).budget(budget).layer(upstream.handle());
        for _ in 0..100 {
            client.clone().oneshot(get("/")).await.unwrap();
        }
        let failing = (0..100).map(|_| client.clone().oneshot(get("/")));
        join_all(failing).await;
        assert_eq!(upstream.sent() - 200, percent as usize, "{percent} %");
    }
}

/// Trap 4: one bucket, however many clones of the service and of the layer there are.
#[tokio::test(start_paused = true)]
async fn all_clones_of_a_layer_share_one_budget() {
    let layer =
        RetryLayer::new(A_SECOND).budget(Budget::percent(0).min_per_second(0).capacity(3)).max_attempts(2);
    let upstream = Upstream::statuses([500]);
    let first = layer.layer(upstream.handle());
    let clients =
        [first.clone(), first, layer.clone().layer(upstream.handle()), layer.layer(upstream.handle())];
    let sent = clients
        .iter()
        .flat_map(|client| [client.clone().oneshot(get("/")), client.clone().oneshot(get("/"))]);
    let responses = join_all(sent).await;
    let reasons = responses.into_iter().map(|response| info(&response.unwrap()).reason());
    assert_eq!(reasons.filter(|reason| *reason == Some(GiveUpReason::Budget)).count(), 5);
    assert_eq!(upstream.sent(), 8 + 3);
}

/// A thousand tasks at once on several threads get what is there, and not a token more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_does_not_overdraw() {
    let budget = Budget::percent(0).min_per_second(0).capacity(37);
    let layer = RetryLayer::new(crate::support::QUICKLY).max_attempts(2).budget(budget.clone());
    let upstream = Upstream::statuses([500]);
    let client = layer.layer(upstream.handle());
    let sent = (0..1_000).map(|_| tokio::spawn(client.clone().oneshot(get("/"))));
    join_all(sent).await;
    assert_eq!(upstream.sent(), 1_000 + 37);
    assert_eq!(budget.tokens(), 0.0);
}

/// Trap 20: what cannot happen is not paid for.
#[tokio::test(start_paused = true)]
async fn a_resend_that_is_not_allowed_costs_nothing() {
    let budget = Budget::percent(0).min_per_second(0).capacity(10);
    let layer = || RetryLayer::new(A_SECOND).budget(budget.clone());
    let check = async |layer: RetryLayer<_, _>, reason| {
        let before = budget.tokens();
        let client = ServiceBuilder::new().layer(layer).service(Upstream::statuses([500]));
        let response = client.oneshot(request(Method::PUT, "/", "a body")).await.unwrap();
        assert_eq!(info(&response).reason(), Some(reason));
        before - budget.tokens()
    };
    assert_eq!(check(layer().max_elapsed(Duration::from_millis(999)), GiveUpReason::MaxElapsed).await, 0.0);
    assert_eq!(check(layer().replay_limit(5), GiveUpReason::Body).await, 0.0);
    // Two resends are paid for; the third cannot happen.
    assert_eq!(check(layer().max_attempts(3), GiveUpReason::MaxAttempts).await, 2.0);
}

/// Trap 20, where the server forbids it, or asks for too much.
#[tokio::test(start_paused = true)]
async fn a_hint_that_is_not_obeyed_costs_nothing() {
    let budget = Budget::percent(0).min_per_second(0).capacity(10);
    let layer = RetryLayer::default().budget(budget.clone());
    let upstream = Upstream::answers(|_| with_header(429, "retry-after", "121"));
    let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
    let response = client.oneshot(get("/")).await.unwrap();
    assert_eq!(info(&response).reason(), Some(GiveUpReason::HintTooLong));
    assert_eq!((upstream.sent(), budget.tokens()), (1, 10.0));
}
