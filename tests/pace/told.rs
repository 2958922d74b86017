//! What is told of the waits: in the response, and to `tracing`.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt};
use tower_http_retry::pace::SharedPace;
use tower_http_retry::policy::FixedDelay;
use tower_http_retry::{Budget, Pace, PaceLayer, RetryCause, RetryInfo, RetryLayer};

use super::{MS, SECOND, busy, close, closed, crowd, far, numbered, per_authority, sends};
use crate::support::capture::Capture;
use crate::support::upstream::Upstream;
use crate::support::{A_SECOND, assert_status, eventually, info, status, with_header};

/// A delay of a second, and a stop until five and a half, which the request probes after half of it.
#[tokio::test(start_paused = true)]
async fn the_wait_that_is_told_is_the_real_one() {
    let pace = per_authority();
    let capture = Capture::start();
    let upstream = Upstream::statuses([500, 200]);
    let client = RetryLayer::new(A_SECOND).pace(pace.clone()).layer(upstream.handle());
    let sent = tokio::spawn(client.oneshot(numbered(1)));
    sleep(500 * MS).await;
    close(&pace, 5).await;
    let response = eventually(sent).await.unwrap().unwrap();
    let info = info(&response);
    assert_eq!((info.waited(), info.attempts()), (3_000 * MS, 2));
    assert_eq!((info.cause(), info.reason()), (Some(RetryCause::Transient), None));
    assert_eq!(
        capture.lines(),
        [
            "+ retry http.request.method=GET server.address=api.example",
            "retry: will resend attempt=1 cause=transient delay_ms=1000",
            "retry: held why=stopped until_ms=2000",
            "+ retry:resend attempt=2 http.request.resend_count=1",
            "retry: accepted attempt=2 cause=transient waited_ms=3000",
        ]
    );
}

/// A probe that is refused does not count against the attempts of its request, and the info says so.
#[tokio::test(start_paused = true)]
async fn refused_probes_are_told() {
    let pace = closed(1).await;
    let capture = Capture::start();
    let upstream = Upstream::answers(|number| if number <= 3 { busy(1) } else { status(200) });
    let budget = Budget::percent(0).min_per_second(0).capacity(10);
    let layer = RetryLayer::default().max_attempts(2).budget(budget.clone()).pace(pace);
    let response = eventually(layer.layer(upstream.handle()).oneshot(numbered(1))).await.unwrap();
    assert_status(&response, 200);
    assert_eq!((info(&response).attempts(), info(&response).probes()), (4, 3));
    assert_eq!(budget.tokens(), 10.0, "a probe takes no token");
    let last = capture.lines().pop().unwrap();
    assert_eq!(last, "retry: accepted attempt=4 cause=throttled waited_ms=3000 probes=3");
}

/// Of several waits, the sum; that before the first attempt is not between attempts.
#[tokio::test(start_paused = true)]
async fn the_waits_before_all_resends_add_up() {
    let upstream = Upstream::answers(|number| match number {
        1 => busy(2),
        2 => busy(3),
        _ => status(200),
    });
    let client = RetryLayer::default().pace(closed(1).await).layer(upstream.handle());
    let response = client.oneshot(numbered(1)).await.unwrap();
    assert_eq!((info(&response).attempts(), info(&response).waited()), (3, 5 * SECOND));
    assert_eq!(upstream.gaps(), [2_000, 3_000]);
}

/// A first answer carries nothing, however long its request was held.
#[tokio::test(start_paused = true)]
async fn a_first_answer_carries_nothing() {
    let client = RetryLayer::default().pace(closed(1).await).layer(Upstream::statuses([200]));
    let response = client.oneshot(numbered(1)).await.unwrap();
    assert_eq!(response.extensions().get::<RetryInfo>(), None);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_held_is_told_of_once() {
    let pace = async |held| if held { closed(1).await } else { per_authority() };
    for (held, expected) in [(false, &[][..]), (true, &[": held why=stopped until_ms=1000"])] {
        let retried = RetryLayer::default().pace(pace(held).await).layer(Upstream::statuses([200]));
        let capture = Capture::start();
        retried.oneshot(numbered(1)).await.unwrap();
        assert_eq!(capture.lines(), expected);
        drop(capture);
        let paced = PaceLayer::new(pace(held).await).layer(Upstream::statuses([200]));
        let capture = Capture::start();
        paced.oneshot(numbered(1)).await.unwrap();
        assert_eq!(capture.lines(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_rejected_is_told_of() {
    let pace = SharedPace::from(Pace::per_authority().waiters(0));
    close(&pace, 5).await;
    let capture = Capture::start();
    let upstream = Upstream::statuses([200]);
    let retried = || RetryLayer::default().pace(pace.clone());
    retried().layer(upstream.handle()).oneshot(numbered(1)).await.unwrap_err();
    retried().max_elapsed(SECOND).layer(upstream.handle()).oneshot(numbered(2)).await.unwrap_err();
    PaceLayer::new(pace.clone()).layer(upstream.handle()).oneshot(numbered(3)).await.unwrap_err();
    assert_eq!(
        capture.lines(),
        [": rejected rejection=full", ": rejected rejection=too_long", ": rejected rejection=full",]
    );
}

#[tokio::test(start_paused = true)]
async fn a_resend_that_may_not_wait_is_told_of_as_given_up() {
    let pace = SharedPace::from(Pace::per_authority().waiters(0));
    let capture = Capture::start();
    let client = RetryLayer::default().pace(pace).layer(Upstream::answers(|_| busy(1)));
    client.oneshot(numbered(1)).await.unwrap();
    assert_eq!(capture.lines(), ["WARN : gave up attempt=1 cause=throttled reason=pace waited_ms=0"]);
}

/// It waits, all are stopped for longer than it can wait, and its response was too long to be kept.
#[tokio::test(start_paused = true)]
async fn a_resend_that_has_nothing_to_return_is_told_of_inside_of_its_session() {
    let pace = per_authority();
    let capture = Capture::start();
    let upstream = Upstream::answers(|_| status(500).map(|_| "a long page".repeat(10_000).into()));
    let layer = RetryLayer::new(A_SECOND).max_elapsed(4 * SECOND).pace(pace.clone());
    let sent = tokio::spawn(layer.layer(upstream).oneshot(numbered(1)));
    sleep(500 * MS).await;
    close(&pace, 5).await;
    eventually(sent).await.unwrap().unwrap_err();
    assert_eq!(capture.lines().last().unwrap(), "retry: rejected rejection=too_long");
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Trap 26: the others run between two attempts, also where there is nothing to wait for.
#[tokio::test(start_paused = true)]
async fn a_resend_without_a_delay_yields() {
    let (upstream, count) = (Upstream::statuses([500, 500, 200]), Arc::<Count>::default());
    let layer = RetryLayer::new(FixedDelay::new(Duration::ZERO)).pace(per_authority());
    let mut client = layer.layer(upstream.handle());
    let mut sent = pin!(client.call(numbered(1)));
    let waker = Waker::from(Arc::clone(&count));
    for attempt in 1..=3 {
        let polled = sent.as_mut().poll(&mut Context::from_waker(&waker));
        assert_eq!(upstream.sent(), attempt);
        match polled {
            Poll::Pending => assert_eq!(count.0.load(Ordering::SeqCst), attempt, "it wakes itself"),
            Poll::Ready(response) => {
                assert_status(response.as_ref().unwrap(), 200);
                assert_eq!((attempt, info(&response.unwrap()).attempts()), (3, 3));
            }
        }
    }
}

/// Trap 26: so does one that the protocol allows at once, and it counts.
#[tokio::test(start_paused = true)]
async fn a_transparent_resend_is_paced_too() {
    let upstream = Upstream::statuses([425, 200]);
    let pace = per_authority();
    let client = RetryLayer::default().pace(pace.clone()).layer(far(&upstream, 20 * MS));
    let start = Instant::now();
    let sent = tokio::spawn(client.oneshot(numbered(1)));
    sleep(10 * MS).await;
    close(&pace, 3).await;
    let response = eventually(sent).await.unwrap().unwrap();
    assert_eq!(sends(&upstream, start), [(1, 0), (1, 1_510)]);
    assert_eq!(info(&response).waited(), 1_490 * MS);
}

/// A server that says "now" leaves the time to the policy, and one caller's pushback is nobody else's.
#[tokio::test(start_paused = true)]
async fn a_hint_for_one_caller_holds_no_other() {
    let pace = per_authority();
    let upstream = Upstream::answers(|number| match number {
        1 => with_header(503, "grpc-retry-pushback-ms", "5000"),
        _ => status(200),
    });
    let client = RetryLayer::default().pace(pace).layer(upstream.handle());
    let start = Instant::now();
    let responses = eventually(crowd(&client, 2)).await;
    assert!(responses.iter().all(Result::is_ok));
    assert_eq!(sends(&upstream, start), [(1, 0), (2, 0), (1, 5_000)]);
}
