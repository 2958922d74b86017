//! What those hold who wait: a sleep of their own, and no permit.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use http::Response;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tower::layer::layer_fn;
use tower::limit::ConcurrencyLimit;
use tower::{BoxError, Layer, Service, ServiceExt};
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{PaceLayer, RetryLayer};

use super::{MS, SECOND, busy, close, closed, crowd, far, flat, held, numbered, per_authority, sends};
use crate::support::clock::Watch;
use crate::support::upstream::Upstream;
use crate::support::{A_SECOND, Answer, Sent, assert_status, eventually, info, status};

/// While a crowd waits, each of it has a sleep of its own, and hardly more than one.
async fn check_own_sleeps<S, R>(watch: Watch, client: S, pace: &SharedPace)
where
    S: Service<Sent, Error = BoxError, Response = Response<R>, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    R: Send + 'static,
{
    let served = tokio::spawn(async move { crowd(&client, 1_000).await });
    sleep(500 * MS).await;
    assert_eq!(pace.waiting(), 1_000);
    let sleeps = watch.sleeps().len();
    assert!((1_000..=2_100).contains(&sleeps), "{sleeps}");
    for response in eventually(served).await.unwrap() {
        assert_status(&response.unwrap(), 200);
    }
    assert_eq!(pace.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_of_a_crowd_before_its_first_attempt_has_its_own_sleep() {
    let (watch, pace) = (Watch::new(), closed(1).await);
    let layer = RetryLayer::default().max_elapsed(None).timer(watch.clone()).pace(pace.clone());
    check_own_sleeps(watch, layer.layer(Upstream::statuses([200])), &pace).await;

    let (watch, pace) = (Watch::new(), closed(1).await);
    let layer = PaceLayer::new(pace.clone()).timer(watch.clone());
    let client = flat(&layer, Upstream::statuses([200]));
    check_own_sleeps(watch, client, &pace).await;
}

#[tokio::test(start_paused = true)]
async fn each_of_a_crowd_before_its_resends_has_its_own_sleep() {
    let (watch, pace) = (Watch::new(), per_authority());
    let upstream = Upstream::answers(|number| if number <= 1_000 { busy(1) } else { status(200) });
    let layer = RetryLayer::default().max_elapsed(None).budget(None).timer(watch.clone()).pace(pace.clone());
    check_own_sleeps(watch, layer.layer(far(&upstream, 20 * MS)), &pace).await;
}

/// Behind a limit of one, whose permit is free while five wait, and goes from hand to hand after that.
async fn check_permits<S, R>(
    layer: impl Layer<ConcurrencyLimit<Upstream>, Service = S>,
    upstream: &Upstream,
    pace: &SharedPace,
) where
    S: Service<Sent, Error = BoxError, Response = Response<R>, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    R: Send + 'static,
{
    let permits = Arc::new(Semaphore::new(1));
    let client = layer.layer(ConcurrencyLimit::with_semaphore(upstream.handle(), Arc::clone(&permits)));
    let served = tokio::spawn(async move { crowd(&client, 5).await });
    sleep(500 * MS).await;
    assert_eq!((pace.waiting(), permits.available_permits()), (5, 1));
    for response in eventually(served).await.unwrap() {
        assert_status(&response.unwrap(), 200);
    }
    assert_eq!(permits.available_permits(), 1);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_hold_no_permit() {
    let (upstream, pace) = (Upstream::statuses([200]), closed(1).await);
    check_permits(RetryLayer::default().pace(pace.clone()), &upstream, &pace).await;
    assert_eq!(upstream.sent(), 5);

    let pace = closed(1).await;
    let layer = PaceLayer::new(pace.clone());
    let layer = layer_fn(|inner| flat(&layer, inner));
    check_permits(layer, &upstream, &pace).await;
    assert_eq!(upstream.sent(), 10);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_resend_hold_no_permit() {
    let upstream = Upstream::answers(|number| if number <= 5 { busy(1) } else { status(200) });
    let pace = per_authority();
    check_permits(RetryLayer::default().pace(pace.clone()), &upstream, &pace).await;
    assert!((6..=12).contains(&upstream.sent()), "{}", upstream.sent());
}

/// A service that is never ready, and counts how often it was asked.
#[derive(Clone, Default)]
struct Busy(Arc<AtomicUsize>);

impl<R> Service<R> for Busy {
    type Response = Answer;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Poll::Pending
    }

    fn call(&mut self, _: R) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[tokio::test(start_paused = true)]
async fn under_a_pace_the_service_is_always_ready_and_the_inner_one_is_asked_when_its_turn_has_come() {
    let asked = |busy: &Busy| busy.0.load(Ordering::SeqCst);
    let pace = closed(1).await;

    let busy = Busy::default();
    let mut client = RetryLayer::default().pace(pace.clone()).layer(busy.clone());
    let ready = ServiceExt::<Sent>::ready(&mut client).now_or_never().expect("always ready").unwrap();
    let retried = tokio::spawn(ready.call(numbered(1)));
    let mut client = PaceLayer::new(pace.clone()).layer(busy.clone());
    let ready = ServiceExt::<Sent>::ready(&mut client).now_or_never().expect("always ready").unwrap();
    let paced = tokio::spawn(ready.call(numbered(2)));

    sleep(999 * MS).await;
    assert_eq!((asked(&busy), pace.waiting()), (0, 2));
    sleep(2 * SECOND).await;
    assert_eq!((asked(&busy), pace.waiting()), (2, 0));
    assert!(!retried.is_finished() && !paced.is_finished());
    retried.abort();
    paced.abort();
}

/// Without one it is as ready as the inner service.
#[tokio::test(start_paused = true)]
async fn without_a_pace_the_service_is_as_ready_as_the_inner_one() {
    let mut client = RetryLayer::default().layer(Busy::default());
    assert!(ServiceExt::<Sent>::ready(&mut client).now_or_never().is_none());
}

/// The pace admits it, and its service is not ready; all are stopped from 1 s to 6 s; the service is ready at 2 s. It is
/// the probe that goes after half of the stop.
///
/// ```text
/// 0 s: admitted   1 s: stopped   2 s: ready   3 s: the permit is free   3.5 s: sent
/// ```
async fn check_back_in_queue<S, R>(
    layer: impl Layer<ConcurrencyLimit<Upstream>, Service = S>,
    upstream: &Upstream,
    pace: &SharedPace,
) -> Response<R>
where
    S: Service<Sent, Error = BoxError, Response = Response<R>, Future: Send + 'static> + Send + 'static,
    R: Send + 'static,
{
    let permits = Arc::new(Semaphore::new(1));
    let mut client = layer.layer(ConcurrencyLimit::with_semaphore(upstream.handle(), Arc::clone(&permits)));
    let taken = Arc::clone(&permits).acquire_owned().await.unwrap();
    let mut sent = tokio::spawn(client.call(numbered(1)));
    let start = Instant::now();
    sleep(SECOND).await;
    assert_eq!((upstream.sent(), pace.waiting()), (0, 0));
    close(pace, 5).await;
    sleep(SECOND).await;
    drop(taken);
    sleep(SECOND).await;
    assert_eq!((upstream.sent(), pace.waiting()), (0, 1), "back in the queue");
    assert_eq!(permits.available_permits(), 1, "what the admission had readied is held");
    let response = eventually(&mut sent).await.unwrap().unwrap();
    assert_eq!(sends(upstream, start).last(), Some(&(1, 3_500)));
    assert_eq!(permits.available_permits(), 1);
    response
}

#[tokio::test(start_paused = true)]
async fn a_first_attempt_that_is_ready_too_late_goes_back_into_the_queue() {
    let (upstream, pace) = (Upstream::statuses([200]), per_authority());
    let layer = RetryLayer::default().pace(pace.clone());
    assert_status(&check_back_in_queue(layer, &upstream, &pace).await, 200);

    let (upstream, pace) = (Upstream::statuses([200]), per_authority());
    let layer = PaceLayer::new(pace.clone());
    let layer = layer_fn(|inner| flat(&layer, inner));
    assert_status(&check_back_in_queue(layer, &upstream, &pace).await, 200);
}

/// So does a resend, which has waited for all that time.
#[tokio::test(start_paused = true)]
async fn a_resend_that_is_ready_too_late_goes_back_into_the_queue() {
    let pace = per_authority();
    let upstream = Upstream::statuses([500, 200]);
    let permits = Arc::new(Semaphore::new(1));
    let limited = ConcurrencyLimit::with_semaphore(upstream.handle(), Arc::clone(&permits));
    let client = RetryLayer::new(A_SECOND).pace(pace.clone()).layer(limited);
    let start = Instant::now();
    let sent = tokio::spawn(client.oneshot(numbered(1)));
    sleep(500 * MS).await;
    let taken = Arc::clone(&permits).acquire_owned().await.unwrap();
    sleep(SECOND).await;
    close(&pace, 5).await;
    sleep(SECOND).await;
    drop(taken);
    sleep(SECOND).await;
    assert_eq!((upstream.sent(), pace.waiting(), permits.available_permits()), (1, 1, 1));
    let response = eventually(sent).await.unwrap().unwrap();
    assert_status(&response, 200);
    assert_eq!(sends(&upstream, start), [(1, 0), (1, 4_000)]);
    assert_eq!((info(&response).attempts(), info(&response).waited()), (2, 4_000 * MS));
}

/// The pace admits one whose service is not ready, and that holds nobody.
#[tokio::test(start_paused = true)]
async fn a_probe_that_is_never_ready_holds_nobody() {
    let pace = closed(1).await;
    let start = Instant::now();
    let stuck = tokio::spawn(PaceLayer::new(pace.clone()).layer(Busy::default()).call(numbered(1)));
    sleep(MS).await;
    let upstream = Upstream::statuses([200]);
    let client = PaceLayer::new(pace.clone()).layer(upstream.handle());
    eventually(client.oneshot(numbered(2))).await.unwrap();
    let at = sends(&upstream, start)[0].1;
    assert!((1_000..=1_022).contains(&at), "{at}");
    assert_eq!(held(&pace), (0, 0), "the one that is not ready holds nothing of the pace");
    stuck.abort();
}

/// It keeps its place: it goes before those that came later, once it is ready.
#[tokio::test(start_paused = true)]
async fn one_that_was_not_ready_keeps_its_place() {
    let (pace, upstream) = (closed(1).await, Upstream::statuses([200]));
    let permits = Arc::new(Semaphore::new(0));
    let limited = ConcurrencyLimit::with_semaphore(upstream.handle(), Arc::clone(&permits));
    let start = Instant::now();
    let first = tokio::spawn(PaceLayer::new(pace.clone()).layer(limited).call(numbered(1)));
    sleep(1_001 * MS).await;
    assert_eq!(held(&pace), (0, 0));
    close(&pace, 5).await;
    let client = PaceLayer::new(pace.clone()).layer(upstream.handle());
    let later = tokio::spawn(client.oneshot(numbered(2)));
    sleep(MS).await;
    permits.add_permits(1);
    sleep(MS).await;
    assert_eq!((held(&pace), permits.available_permits()), ((0, 2), 1));
    eventually(first).await.unwrap().unwrap();
    eventually(later).await.unwrap().unwrap();
    assert_eq!(sends(&upstream, start).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2]);
}
