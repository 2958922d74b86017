//! Whose wait does not fit before the deadline does not wait, and is not sent.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};
use tower_http_retry::body::ReplayMemory;
use tower_http_retry::pace::PaceRejection;
use tower_http_retry::policy::FixedDelay;
use tower_http_retry::{Budget, GiveUpReason, Pace, PaceLayer, RetryInfo, RetryLayer, RetryOverride};

use super::{MS, SECOND, busy, close, closed, far, numbered, per_authority, rejection, sends};
use crate::support::upstream::Upstream;
use crate::support::{A_SECOND, Answer, Inner, Sent, assert_status, eventually, info, next, request, status};

/// Who may say how long a request has.
#[derive(Clone, Copy, Debug)]
enum By {
    Layer,
    Request,
    RequestThatIsNeverResent,
    PaceLayer,
}

/// A first attempt, while all requests are stopped for five seconds. It is the probe that goes after half of them.
async fn check_first(by: By, deadline: Option<Duration>, expected: Result<u128, PaceRejection>) {
    let (pace, upstream) = (closed(5).await, Upstream::statuses([200]));
    let budget = Budget::percent(0).min_per_second(0).capacity(10);
    let say = |say: RetryOverride| {
        let mut request = numbered(1);
        request.extensions_mut().insert(say.max_elapsed(deadline));
        request
    };
    let layer = RetryLayer::default().budget(budget.clone());
    let retry = async |layer: RetryLayer<_, _>, request: Sent| {
        let client = layer.pace(pace.clone()).layer(upstream.handle());
        client.oneshot(request).await.map(|response| response.map(drop))
    };
    let start = Instant::now();
    let result = match by {
        By::Layer => retry(layer.max_elapsed(deadline), numbered(1)).await,
        By::Request => retry(layer.max_elapsed(MS), say(RetryOverride::new())).await,
        By::RequestThatIsNeverResent => retry(layer.max_elapsed(MS), say(RetryOverride::never())).await,
        By::PaceLayer => {
            let layer = PaceLayer::new(pace.clone()).max_wait(deadline);
            layer
                .layer(upstream.handle())
                .oneshot(numbered(1))
                .await
                .map(|response| response.map(drop))
                .map_err(|error| error.flatten())
        }
    };
    let row = format!("{by:?} {deadline:?}");
    match expected {
        Ok(at) => {
            assert_status(&result.unwrap(), 200);
            assert_eq!(sends(&upstream, start), [(1, at)], "{row}");
        }
        Err(expected) => {
            assert_eq!(rejection(&result.unwrap_err()), expected, "{row}");
            assert_eq!((upstream.sent(), start.elapsed()), (0, Duration::ZERO), "{row}");
        }
    }
    assert_eq!((pace.waiting(), budget.tokens()), (0, 10.0), "{row}");
}

#[tokio::test(start_paused = true)]
async fn a_first_attempt_that_cannot_go_in_time_is_rejected_at_once() {
    for by in [By::Layer, By::Request, By::RequestThatIsNeverResent, By::PaceLayer] {
        check_first(by, Some(Duration::ZERO), Err(PaceRejection::TooLong)).await;
        check_first(by, Some(4_999 * MS), Err(PaceRejection::TooLong)).await;
        check_first(by, Some(5_000 * MS), Ok(2_500)).await;
        check_first(by, Some(Duration::MAX), Ok(2_500)).await;
        check_first(by, None, Ok(2_500)).await;
    }
}

/// All are stopped for two seconds, and the probe is refused for three more. Those who have four are rejected between the
/// refusal and their deadline.
#[tokio::test(start_paused = true)]
async fn a_first_attempt_is_rejected_at_its_deadline_where_a_stop_is_prolonged() {
    let (pace, upstream) = (per_authority(), Upstream::statuses([200]));
    close(&pace, 2).await;
    let start = Instant::now();
    let probe = Upstream::answers(|_| busy(3));
    let probe = PaceLayer::new(pace.clone()).layer(probe);
    let probe = tokio::spawn(probe.oneshot(numbered(1)));
    sleep(MS).await;
    let retried = RetryLayer::default().max_elapsed(4 * SECOND).pace(pace.clone()).layer(upstream.handle());
    let retried = tokio::spawn(async move {
        let error = retried.oneshot(numbered(2)).await.unwrap_err();
        (rejection(&error), start.elapsed())
    });
    let paced = PaceLayer::new(pace.clone()).max_wait(4 * SECOND).layer(upstream.handle());
    let paced = tokio::spawn(async move {
        let error = paced.oneshot(numbered(3)).await.unwrap_err();
        (error.rejection().unwrap(), start.elapsed())
    });
    let patient = PaceLayer::new(pace.clone()).max_wait(9 * SECOND).layer(upstream.handle());
    let patient = tokio::spawn(patient.oneshot(numbered(4)));
    assert_status(&probe.await.unwrap().unwrap(), 429);
    for task in [retried, paced] {
        let (rejection, at) = eventually(task).await.unwrap();
        assert_eq!(rejection, PaceRejection::TooLong);
        assert!((2 * SECOND..=4_002 * MS).contains(&at), "{at:?}");
    }
    eventually(patient).await.unwrap().unwrap();
    assert_eq!(sends(&upstream, start), [(4, 5_000)]);
}

/// The pace admits it, and the service is not ready in time.
#[tokio::test(start_paused = true)]
async fn a_first_attempt_that_is_not_ready_in_time_is_rejected() {
    let (mock, mut handle) = tower_test::mock::pair::<Sent, Answer>();
    handle.allow(0);
    let client = PaceLayer::new(Pace::per_authority()).max_wait(2 * SECOND).layer(mock);
    let start = Instant::now();
    let error = eventually(client.oneshot(numbered(1))).await.unwrap_err();
    assert_eq!((error.rejection(), start.elapsed()), (Some(PaceRejection::TooLong), 2 * SECOND));
    handle.allow(1);
    assert!(eventually(handle.next_request()).await.is_none());
}

/// It is refused for two seconds, and has four in all. Meanwhile all are stopped until the sixth second.
#[tokio::test(start_paused = true)]
async fn a_resend_that_waits_in_vain_returns_the_last_outcome() {
    for (body, is_kept) in [("busy".to_owned(), true), ("very busy ".repeat(10_000), false)] {
        let budget = Budget::percent(0).min_per_second(0).capacity(10);
        let content = body.clone();
        let upstream = Upstream::answers(move |_| busy(2).map(|_| content.clone().into()));
        let pace = per_authority();
        let layer = RetryLayer::default().budget(budget.clone()).max_elapsed(4 * SECOND).pace(pace.clone());
        let start = Instant::now();
        let hurried = tokio::spawn(layer.layer(far(&upstream, 20 * MS)).oneshot(numbered(2)));
        sleep(SECOND).await;
        close(&pace, 5).await;
        let result = eventually(hurried).await.unwrap();
        let at = start.elapsed();
        assert!((SECOND..=4_002 * MS).contains(&at), "{at:?}");
        match result {
            Ok(response) if is_kept => {
                assert_status(&response, 429);
                assert_eq!(
                    (info(&response).reason(), info(&response).attempts()),
                    (Some(GiveUpReason::MaxElapsed), 1)
                );
                assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);
            }
            Err(error) if !is_kept => assert_eq!(rejection(&error), PaceRejection::TooLong),
            other => panic!("{other:?}"),
        }
        assert_eq!((upstream.sent(), pace.waiting()), (1, 0));
        assert_eq!(budget.tokens(), 10.0, "a resend that was not sent is not paid for");
    }
}

/// The inner service is not ready in time for a resend whose response was too long to keep: the caller gets a rejection.
#[tokio::test(start_paused = true)]
async fn a_resend_that_is_not_ready_in_time_and_has_nothing_to_return_is_rejected() {
    let (mock, mut handle) = tower_test::mock::pair::<Inner, Answer>();
    handle.allow(1);
    let layer = RetryLayer::new(A_SECOND).max_elapsed(3 * SECOND).pace(per_authority());
    let start = Instant::now();
    let sent = tokio::spawn(layer.layer(mock).oneshot(numbered(1)));
    next(&mut handle).await.1.send_response(status(500).map(|_| "a long page".repeat(10_000).into()));
    let error = eventually(sent).await.unwrap().unwrap_err();
    assert_eq!((rejection(&error), start.elapsed()), (PaceRejection::TooLong, 3 * SECOND));
}

/// Its own delay would fit, and that of the server would not.
#[tokio::test(start_paused = true)]
async fn a_resend_that_the_pace_admits_too_late_returns_the_last_response_at_once() {
    let (pace, upstream) = (per_authority(), Upstream::answers(|_| status(500).map(|_| "broken".into())));
    let budget = Budget::percent(0).min_per_second(0).capacity(10);
    let layer = RetryLayer::new(A_SECOND).max_elapsed(3 * SECOND).budget(budget.clone()).pace(pace.clone());
    let start = Instant::now();
    let sent = tokio::spawn(layer.layer(far(&upstream, 20 * MS)).oneshot(numbered(1)));
    sleep(10 * MS).await;
    close(&pace, 5).await;
    let response = eventually(sent).await.unwrap().unwrap();
    assert_eq!(start.elapsed(), 20 * MS);
    assert_eq!(info(&response).reason(), Some(GiveUpReason::MaxElapsed));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "broken");
    assert_eq!((upstream.sent(), budget.tokens()), (1, 10.0));
}

/// What is never sent again waits for the pace all the same, and nothing of it is kept.
#[tokio::test(start_paused = true)]
async fn a_request_that_is_never_resent_is_paced_and_not_kept() {
    let upstream = Upstream::statuses([503, 200]);
    let (pace, memory) = (closed(1).await, ReplayMemory::new(1_000));
    let layer = RetryLayer::new(FixedDelay::new(SECOND)).replay_memory(memory.clone()).pace(pace.clone());
    let client = layer.layer(far(&upstream, 20 * MS));
    let mut once = request(Method::PUT, "http://api.example/1", "text");
    once.extensions_mut().insert(RetryOverride::never());
    let start = Instant::now();
    let sent = tokio::spawn(client.oneshot(once));
    sleep(1_010 * MS).await;
    assert_eq!((upstream.sent(), memory.used()), (1, 0));
    let response = eventually(sent).await.unwrap().unwrap();
    assert_status(&response, 503);
    assert_eq!(response.extensions().get::<RetryInfo>(), None);
    assert_eq!(sends(&upstream, start), [(1, 1_000)]);
    assert_eq!(upstream.calls()[0].body, "text");
}

/// Refusals of requests that are never resent stop the others too.
#[tokio::test(start_paused = true)]
async fn what_requests_that_are_never_resent_hear_stops_the_others() {
    let upstream = Upstream::answers(|number| if number <= 16 { busy(1) } else { status(200) });
    let client = RetryLayer::default().pace(per_authority()).layer(far(&upstream, 20 * MS));
    let start = Instant::now();
    let once = |number| {
        let mut once = numbered(number);
        once.extensions_mut().insert(RetryOverride::never());
        client.clone().oneshot(once)
    };
    for response in join_all((1..=16).map(once)).await {
        assert_status(&response.unwrap(), 429);
    }
    assert_status(&eventually(once(17)).await.unwrap(), 200);
    assert_eq!(sends(&upstream, start).last(), Some(&(17, 1_020)));
}
