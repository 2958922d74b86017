//! Callers who leave: nobody waits for them, and nothing of theirs is left.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use futures_util::future::{join, join_all};
use http::Method;
use tokio::time::{Instant, sleep};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{Budget, GiveUpReason, Pace, PaceLayer, RetryLayer};

use super::{MS, SECOND, busy, closed, far, numbered, per_authority, sends};
use crate::support::bucket::Bucket;
use crate::support::upstream::Upstream;
use crate::support::{A_SECOND, Answer, Inner, assert_status, eventually, info, next, request};

/// Five wait for a gate that opens after a second, and these leave halfway.
async fn check_leavers(leavers: &[usize]) {
    let (pace, upstream) = (closed(1).await, Upstream::statuses([200]));
    let client = RetryLayer::default().pace(pace.clone()).layer(upstream.handle());
    let start = Instant::now();
    let tasks: Vec<_> =
        (1..=5).map(|number| tokio::spawn(client.clone().oneshot(numbered(number)))).collect();
    sleep(500 * MS).await;
    for leaver in leavers {
        tasks[leaver - 1].abort();
    }
    sleep(MS).await;
    assert_eq!(pace.waiting(), 5 - leavers.len(), "{leavers:?}");
    sleep(10 * SECOND).await;
    let stayers: Vec<_> = (1..=5).filter(|number| !leavers.contains(number)).collect();
    let sends = sends(&upstream, start);
    assert_eq!(sends.iter().map(|(number, _)| *number).collect::<Vec<_>>(), stayers, "{leavers:?} left");
    assert!(sends.first().is_none_or(|(_, at)| *at == 1_000), "{leavers:?} left: {sends:?}");
    assert!(sends.last().is_none_or(|(_, at)| *at < 2_000), "{leavers:?} left: {sends:?}");
    assert_eq!(pace.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_the_others_are_served_in_time() {
    for leavers in 0_usize..32 {
        let leavers: Vec<_> = (1..=5).filter(|number| leavers & (1 << (number - 1)) != 0).collect();
        check_leavers(&leavers).await;
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Three wait; when these leave, the others are woken so often.
async fn check_wakes(leavers: &[usize], expected: [usize; 3]) {
    let pace = closed(1).await;
    let mut client = PaceLayer::new(pace).layer(Upstream::statuses([200]));
    let counts = [(); 3].map(|()| Arc::<Count>::default());
    let mut waiting: Vec<_> = (1..=3).map(|number| Some(Box::pin(client.call(numbered(number))))).collect();
    for (future, count) in waiting.iter_mut().zip(&counts) {
        let waker = Waker::from(Arc::clone(count));
        let polled = future.as_mut().unwrap().as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    for leaver in leavers {
        waiting[leaver - 1] = None;
    }
    let woken = counts.map(|count| count.0.load(Ordering::SeqCst));
    assert_eq!(woken, expected, "{leavers:?} left");
}

#[tokio::test(start_paused = true)]
async fn the_first_who_leaves_wakes_the_next_and_nobody_else() {
    check_wakes(&[1], [0, 1, 0]).await;
    check_wakes(&[2], [0, 0, 0]).await;
    check_wakes(&[3], [0, 0, 0]).await;
    check_wakes(&[2, 1], [0, 0, 1]).await;
    check_wakes(&[3, 1], [0, 1, 0]).await;
    check_wakes(&[1, 2], [0, 1, 1]).await;
}

/// The first attempt after a closed gate does not come back, and its caller has enough of it.
#[tokio::test(start_paused = true)]
async fn when_the_probe_is_dropped_the_next_goes() {
    let (pace, upstream) = (closed(1).await, Upstream::statuses([200]));
    let stuck = tower::service_fn(async |_: Inner| pending::<Result<Answer, BoxError>>().await);
    let probe = RetryLayer::default().pace(pace.clone()).layer(stuck);
    let client = PaceLayer::new(pace.clone()).layer(upstream.handle());
    let start = Instant::now();
    let probe = tokio::spawn(probe.oneshot(numbered(1)));
    sleep(MS).await;
    let next = tokio::spawn(client.oneshot(numbered(2)));
    sleep(1_499 * MS).await;
    assert_eq!((upstream.sent(), pace.waiting()), (0, 1), "it waits for the answer to the probe");
    probe.abort();
    assert_status(&eventually(next).await.unwrap().unwrap(), 200);
    assert_eq!(sends(&upstream, start), [(2, 1_500)]);
}

/// A resend waits in line, and its token is taken but not spent.
#[tokio::test(start_paused = true)]
async fn the_token_of_a_resend_that_is_dropped_in_line_comes_back() {
    let (pace, upstream) = (per_authority(), Upstream::answers(|_| busy(1)));
    let budget = Budget::percent(0).min_per_second(0).capacity(10);
    let layer = RetryLayer::default().budget(budget.clone()).pace(pace.clone());
    let client = layer.layer(upstream.handle());
    let tasks: Vec<_> =
        (1..=4).map(|number| tokio::spawn(client.clone().oneshot(numbered(number)))).collect();
    sleep(500 * MS).await;
    // The others were held before their first attempt, and pay nothing for that.
    assert_eq!((upstream.sent(), pace.waiting(), budget.tokens()), (1, 4, 9.75));
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    sleep(MS).await;
    assert_eq!((pace.waiting(), budget.tokens()), (0, 10.0));
    sleep(100 * SECOND).await;
    assert_eq!(upstream.sent(), 1, "sent after the caller had left");
}

/// So does the one whose turn has come, and whose service is not ready; and the next goes at once.
#[tokio::test(start_paused = true)]
async fn a_resend_that_is_dropped_while_it_is_readied_lets_the_next_go() {
    let (pace, upstream) = (per_authority(), Upstream::statuses([200]));
    let budget = Budget::percent(0).min_per_second(0).capacity(10);
    let (mock, mut handle) = tower_test::mock::pair::<Inner, Answer>();
    let layer = RetryLayer::default().budget(budget.clone()).pace(pace.clone());
    let start = Instant::now();
    handle.allow(1);
    let probe = tokio::spawn(ServiceBuilder::new().layer(layer).service(mock).oneshot(numbered(1)));
    next(&mut handle).await.1.send_response(busy(1));
    sleep(MS).await;
    let client = PaceLayer::new(pace.clone()).layer(upstream.handle());
    let next = tokio::spawn(client.oneshot(numbered(2)));
    sleep(1_199 * MS).await;
    assert_eq!((upstream.sent(), budget.tokens()), (0, 9.75));
    probe.abort();
    eventually(next).await.unwrap().unwrap();
    assert_eq!(sends(&upstream, start), [(2, 1_200)]);
    assert_eq!(budget.tokens(), 10.0);
}

/// A session that has ended holds nothing, also if its future is still there.
#[tokio::test(start_paused = true)]
async fn a_session_whose_service_failed_lets_the_next_go_before_it_is_dropped() {
    let (pace, upstream) = (per_authority(), Upstream::statuses([200]));
    let (mock, mut handle) = tower_test::mock::pair::<Inner, Answer>();
    let start = Instant::now();
    handle.allow(1);
    let mut ended = Box::pin(RetryLayer::default().pace(pace.clone()).layer(mock).call(numbered(1)));
    let client = PaceLayer::new(pace.clone()).layer(upstream.handle());
    let other = tokio::spawn(async move {
        sleep(MS).await;
        client.oneshot(numbered(2)).await
    });
    let driver = async {
        next(&mut handle).await.1.send_response(busy(1));
        sleep(10 * MS).await;
        handle.send_error("the client is broken");
    };
    let (response, ()) = eventually(join(ended.as_mut(), driver)).await;
    let response = response.unwrap();
    assert_status(&response, 429);
    assert_eq!(info(&response).reason(), Some(GiveUpReason::NotReady));
    eventually(other).await.unwrap().unwrap();
    assert_eq!(sends(&upstream, start), [(2, 1_000)]);
    drop(ended);
}

/// Before it was polled at all, it is nowhere.
#[tokio::test(start_paused = true)]
async fn a_future_that_was_never_polled_was_never_in_line() {
    let pace = closed(1).await;
    let mut client = RetryLayer::default().pace(pace.clone()).layer(Upstream::statuses([200]));
    drop(client.call(numbered(1)));
    assert_eq!(pace.waiting(), 0);
    let start = Instant::now();
    eventually(client.oneshot(numbered(2))).await.unwrap();
    assert_eq!(start.elapsed(), SECOND);
}

/// A crowd in which people come, go and change their minds is served, and nothing is left behind.
#[tokio::test(start_paused = true)]
async fn a_crowd_that_comes_and_goes_leaves_nothing_behind() {
    let pace = SharedPace::from(Pace::per_authority());
    let bucket = Bucket::new(20, 5);
    let upstream = Upstream::answers(move |_| bucket.answer());
    let client = RetryLayer::new(A_SECOND)
        .max_attempts(9)
        .budget(None)
        .pace(pace.clone())
        .layer(far(&upstream, 30 * MS));
    let tasks = (0..200).map(|number| {
        let sent = client.clone().oneshot(request(Method::PUT, "http://api.example/", "text"));
        tokio::spawn(async move {
            sleep(number * 7 % 300 * MS).await;
            let patience = number * 37 % 1_999 * MS;
            match number % 3 {
                0 => Some(sent.await.unwrap()),
                _ => tokio::time::timeout(patience, sent).await.ok().map(Result::unwrap),
            }
        })
    });
    let answers = eventually(join_all(tasks.collect::<Vec<_>>())).await;
    let patient = answers.into_iter().step_by(3).map(|answer| answer.unwrap().expect("it had the time"));
    patient.for_each(|answer| assert_status(&answer, 200));
    assert_eq!(pace.waiting(), 0);
}
