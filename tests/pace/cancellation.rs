//! Callers who leave: nobody waits for them, and nothing of theirs is left.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::{join, join_all};
use http::Method;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tower::limit::ConcurrencyLimit;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{Budget, GiveUpReason, Pace, PaceLayer, RetryLayer};

use super::{MS, SECOND, busy, closed, far, held, numbered, per_authority, sends};
use crate::support::bucket::Bucket;
use crate::support::upstream::Upstream;
use crate::support::{A_SECOND, Answer, Inner, assert_status, eventually, info, next, request, status};

/// Five wait for a stop that ends after a second, and these leave halfway.
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
    assert!(sends.last().is_none_or(|(_, at)| *at < 5_000), "{leavers:?} left: {sends:?}");
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

/// Ten wait, and these leave. Each leave wakes only those who may be next, and each of them once.
async fn check_wakes(leavers: &[usize]) {
    let pace = closed(1).await;
    let mut client = PaceLayer::new(pace).layer(Upstream::statuses([200]));
    let counts = [(); 10].map(|()| Arc::<Count>::default());
    let mut waiting: Vec<_> = (1..=10).map(|number| Some(Box::pin(client.call(numbered(number))))).collect();
    for (future, count) in waiting.iter_mut().zip(&counts) {
        let waker = Waker::from(Arc::clone(count));
        let polled = future.as_mut().unwrap().as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    for leaver in leavers {
        waiting[leaver - 1] = None;
    }
    let woken = counts.map(|count| count.0.load(Ordering::SeqCst));
    assert!(woken.iter().all(|woken| *woken <= leavers.len()), "{leavers:?} left: {woken:?}");
    assert!(woken.iter().sum::<usize>() <= 4 * leavers.len(), "{leavers:?} left: {woken:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_wakes_only_those_who_may_be_next() {
    for leavers in [&[1][..], &[2], &[10], &[2, 1], &[10, 1], &[1, 2], &[1, 2, 3]] {
        check_wakes(leavers).await;
    }
}

/// The probe is not answered, and its caller has enough of it.
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
    sleep(1_009 * MS).await;
    assert_eq!((upstream.sent(), pace.waiting()), (0, 1), "it waits for the answer to the probe");
    probe.abort();
    assert_status(&eventually(next).await.unwrap().unwrap(), 200);
    let at = sends(&upstream, start)[0].1;
    assert!((1_010..=1_032).contains(&at), "{at}");
    assert_eq!(held(&pace).1, 0);
}

/// Resends wait, and their tokens are taken but not spent.
#[tokio::test(start_paused = true)]
async fn the_token_of_a_resend_that_is_dropped_in_the_queue_comes_back() {
    let (pace, upstream) = (per_authority(), Upstream::answers(|_| busy(1)));
    let budget = Budget::percent(0).min_per_second(0).capacity(10);
    let layer = RetryLayer::default().budget(budget.clone()).pace(pace.clone());
    let client = layer.layer(upstream.handle());
    let tasks: Vec<_> =
        (1..=8).map(|number| tokio::spawn(client.clone().oneshot(numbered(number)))).collect();
    sleep(500 * MS).await;
    // Those that were held before their first attempt pay nothing for that.
    let sent = upstream.sent();
    assert!((1..8).contains(&sent), "{sent}");
    assert_eq!((pace.waiting(), budget.tokens()), (8, 10.0 - 0.25 * sent as f64));
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    sleep(MS).await;
    assert_eq!((pace.waiting(), budget.tokens()), (0, 10.0));
    sleep(100 * SECOND).await;
    assert_eq!(upstream.sent(), sent, "sent after the caller had left");
}

/// So does the token of a resend that the pace has admitted, and whose service is not ready.
#[tokio::test(start_paused = true)]
async fn the_token_of_a_resend_that_is_dropped_while_it_is_readied_comes_back() {
    let pace = per_authority();
    let budget = Budget::percent(0).min_per_second(0).capacity(10);
    let (mock, mut handle) = tower_test::mock::pair::<Inner, Answer>();
    let layer = RetryLayer::default().budget(budget.clone()).pace(pace.clone());
    handle.allow(1);
    let sent = tokio::spawn(ServiceBuilder::new().layer(layer).service(mock).oneshot(numbered(1)));
    next(&mut handle).await.1.send_response(busy(1));
    sleep(1_200 * MS).await;
    assert_eq!((held(&pace), budget.tokens()), ((0, 0), 9.75), "it holds nothing of the pace");
    sent.abort();
    assert!(sent.await.unwrap_err().is_cancelled());
    assert_eq!(budget.tokens(), 10.0);
}

/// A session that has ended holds nothing, also if its future is still there.
#[tokio::test(start_paused = true)]
async fn a_session_whose_service_failed_holds_nothing_before_it_is_dropped() {
    let pace = per_authority();
    let (mock, mut handle) = tower_test::mock::pair::<Inner, Answer>();
    handle.allow(1);
    let mut ended = Box::pin(RetryLayer::default().pace(pace.clone()).layer(mock).call(numbered(1)));
    let driver = async {
        next(&mut handle).await.1.send_response(busy(1));
        sleep(10 * MS).await;
        assert_eq!(held(&pace), (0, 1));
        handle.send_error("the client is broken");
    };
    let (response, ()) = eventually(join(ended.as_mut(), driver)).await;
    let response = response.unwrap();
    assert_status(&response, 429);
    assert_eq!(info(&response).reason(), Some(GiveUpReason::NotReady));
    assert_eq!((held(&pace), pace.waiting()), ((0, 0), 0));
    drop(ended);
}

/// One that is dropped at any of its polls leaves nothing behind, whatever it did at that time: it waited for a probe, for its
/// inner service, for an answer, or for the end of its hint.
#[tokio::test(start_paused = true)]
async fn a_future_that_is_dropped_after_any_of_its_polls_leaves_nothing_behind() {
    let mut polls = 0;
    loop {
        let (pace, budget) = (closed(1).await, Budget::percent(0).min_per_second(0).capacity(10));
        let upstream = Upstream::answers(|number| if number < 3 { busy(1) } else { status(200) });
        let permits = Arc::new(Semaphore::new(0));
        let limited = ConcurrencyLimit::with_semaphore(far(&upstream, 20 * MS), Arc::clone(&permits));
        let layer = RetryLayer::default().budget(budget.clone()).pace(pace.clone());
        let mut sent = Box::pin(layer.layer(limited).oneshot(numbered(1)));
        tokio::spawn(async move {
            // The inner service is not ready when the pace admits the request, but somewhat later.
            sleep(1_100 * MS).await;
            permits.add_permits(1);
        });
        let mut polled = 0;
        let ended = eventually(poll_fn(|cx| {
            polled += 1;
            match sent.as_mut().poll(cx) {
                Poll::Ready(response) => Poll::Ready(Some(response)),
                Poll::Pending if polled > polls => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        }))
        .await;
        drop(sent);
        assert_eq!((held(&pace), pace.waiting()), ((0, 0), 0), "after {polled} polls");
        let client = PaceLayer::new(pace.clone()).layer(Upstream::statuses([200]));
        assert_status(&eventually(client.oneshot(numbered(2))).await.unwrap(), 200);
        if let Some(response) = ended {
            assert_status(&response.unwrap(), 200);
            assert!(polled > 6, "{polled}");
            break;
        }
        // What was not sent is not paid for, and a probe is not either.
        let resends = upstream.sent().saturating_sub(1) as f64;
        assert!(budget.tokens() >= 10.0 - 0.25 * resends, "after {polled} polls");
        polls += 1;
    }
}

/// Before it was polled at all, it is nowhere.
#[tokio::test(start_paused = true)]
async fn a_future_that_was_never_polled_was_never_in_the_queue() {
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
