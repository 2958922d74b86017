//! Whose wait does not fit before the deadline does not wait, and is not sent.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};
use tower_http_retry::body::ReplayMemory;
use tower_http_retry::pace::PaceRejection;
use tower_http_retry::policy::FixedDelay;
use tower_http_retry::{Budget, GiveUpReason, Pace, PaceLayer, RetryInfo, RetryLayer, RetryOverride};

use super::{MS, SECOND, busy, close, closed, far, numbered, per_authority, refusal, sends};
use crate::support::upstream::Upstream;
use crate::support::{A_SECOND, Answer, Sent, assert_status, eventually, info, request, status};

/// Who may say how long a request has.
#[derive(Clone, Copy, Debug)]
enum By {
    Layer,
    Request,
    RequestThatIsNeverResent,
    PaceLayer,
}

/// A first attempt, while the gate is closed for five seconds.
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
            assert_eq!(refusal(&result.unwrap_err()), expected, "{row}");
            assert_eq!((upstream.sent(), start.elapsed()), (0, Duration::ZERO), "{row}");
        }
    }
    assert_eq!((pace.waiting(), budget.tokens()), (0, 10.0), "{row}");
}

#[tokio::test(start_paused = true)]
async fn a_first_attempt_that_cannot_go_in_time_is_refused_at_once() {
    for by in [By::Layer, By::Request, By::RequestThatIsNeverResent, By::PaceLayer] {
        check_first(by, Some(Duration::ZERO), Err(PaceRejection::Deadline)).await;
        check_first(by, Some(4_999 * MS), Err(PaceRejection::Deadline)).await;
        check_first(by, Some(5_000 * MS), Ok(5_000)).await;
        check_first(by, Some(Duration::MAX), Ok(5_000)).await;
        check_first(by, None, Ok(5_000)).await;
    }
}

/// At two seconds the server asks for three more, and those who have four are told then, and not later.
#[tokio::test(start_paused = true)]
async fn a_first_attempt_is_refused_as_soon_as_the_gate_is_closed_for_longer() {
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
        (refusal(&error), Instant::now())
    });
    let paced = PaceLayer::new(pace.clone()).max_wait(4 * SECOND).layer(upstream.handle());
    let paced = tokio::spawn(async move {
        let error = paced.oneshot(numbered(3)).await.unwrap_err();
        (error.rejection().unwrap(), Instant::now())
    });
    let patient = PaceLayer::new(pace.clone()).max_wait(9 * SECOND).layer(upstream.handle());
    let patient = tokio::spawn(patient.oneshot(numbered(4)));
    assert_status(&probe.await.unwrap().unwrap(), 429);
    for task in [retried, paced] {
        assert_eq!(eventually(task).await.unwrap(), (PaceRejection::Deadline, start + 2 * SECOND));
    }
    eventually(patient).await.unwrap().unwrap();
    assert_eq!(sends(&upstream, start), [(4, 5_000)]);
}

/// The turn has come and the service is not ready in time.
#[tokio::test(start_paused = true)]
async fn a_first_attempt_that_is_not_ready_in_time_is_refused() {
    let (mock, mut handle) = tower_test::mock::pair::<Sent, Answer>();
    handle.allow(0);
    let client = PaceLayer::new(Pace::per_authority()).max_wait(2 * SECOND).layer(mock);
    let start = Instant::now();
    let error = eventually(client.oneshot(numbered(1))).await.unwrap_err();
    assert_eq!((error.rejection(), start.elapsed()), (Some(PaceRejection::Deadline), 2 * SECOND));
    handle.allow(1);
    assert!(eventually(handle.next_request()).await.is_none());
}

/// Two are refused for two seconds. The first is refused again, for three; the other has four seconds in all.
#[tokio::test(start_paused = true)]
async fn a_resend_that_waits_in_vain_returns_the_last_outcome() {
    for (body, is_kept) in [("busy".to_owned(), true), ("very busy ".repeat(10_000), false)] {
        let budget = Budget::percent(0).min_per_second(0).capacity(10);
        let content = body.clone();
        let upstream = Upstream::answers(move |number| match number {
            1 | 2 => busy(2).map(|_| content.clone().into()),
            _ => busy(3),
        });
        let layer = RetryLayer::default().budget(budget.clone());
        let pace = per_authority();
        let service = far(&upstream, 20 * MS);
        let start = Instant::now();
        let patient = layer.clone().max_attempts(2).pace(pace.clone()).layer(service.clone());
        let patient = tokio::spawn(patient.oneshot(numbered(1)));
        let hurried = layer.max_elapsed(4 * SECOND).pace(pace.clone()).layer(service);
        let hurried = tokio::spawn(hurried.oneshot(numbered(2)));
        let result = eventually(hurried).await.unwrap();
        assert_eq!(start.elapsed(), 2_040 * MS);
        match result {
            Ok(response) if is_kept => {
                assert_status(&response, 429);
                assert_eq!(
                    (info(&response).reason(), info(&response).attempts()),
                    (Some(GiveUpReason::MaxElapsed), 1)
                );
                assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);
            }
            Err(error) if !is_kept => assert_eq!(refusal(&error), PaceRejection::Deadline),
            other => panic!("{other:?}"),
        }
        assert_status(&eventually(patient).await.unwrap().unwrap(), 429);
        assert_eq!(sends(&upstream, start), [(1, 0), (2, 0), (1, 2_020)]);
        assert_eq!(budget.tokens(), 9.75, "the resend that was sent is paid for, and no other");
    }
}

/// Its own delay would fit, and that of the server would not.
#[tokio::test(start_paused = true)]
async fn a_resend_whose_turn_comes_too_late_returns_the_last_response_at_once() {
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

/// What is never sent again waits for its turn all the same, and nothing of it is kept.
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

/// A refusal of the server closes the gate, also if it is said to a request that is never resent.
#[tokio::test(start_paused = true)]
async fn what_a_request_that_is_never_resent_hears_holds_the_others() {
    let (pace, upstream) = (per_authority(), Upstream::answers(|number| busy(number as u64)));
    let client = RetryLayer::default().pace(pace).layer(upstream.handle());
    let start = Instant::now();
    for number in 1..=3 {
        let mut once = numbered(number);
        once.extensions_mut().insert(RetryOverride::never());
        assert_status(&client.clone().oneshot(once).await.unwrap(), 429);
    }
    assert_eq!(sends(&upstream, start), [(1, 0), (2, 1_000), (3, 3_000)]);
}
