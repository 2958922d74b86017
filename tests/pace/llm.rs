//! The preset for APIs of language models.

use std::io;
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep};
use tower::util::MapErr;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_http_retry::future::ResponseFuture;
use tower_http_retry::markers::{Boxed, Concrete, Paced};
use tower_http_retry::pace::PaceRejection;
use tower_http_retry::policy::LlmPolicy;
use tower_http_retry::{GiveUpReason, PaceError, Retry, RetryLayer, presets};

use super::{MS, SECOND, busy, far, rejection};
use crate::support::upstream::Upstream;
use crate::support::{Answer, Sent, assert_status, eventually, info, refused, request, reset, status};

type Fallible = MapErr<Upstream, fn(BoxError) -> io::Error>;

/// A client of somebody's, whose error is concrete.
#[derive(Clone)]
struct OverConcrete {
    client: Retry<Fallible, LlmPolicy, Concrete, Paced>,
}

/// Another, whose error is boxed.
#[derive(Clone)]
struct OverBoxed {
    client: Retry<Upstream, LlmPolicy, Boxed, Paced>,
}

fn fallible(upstream: &Upstream) -> Fallible {
    MapErr::new(upstream.handle(), io::Error::other)
}

/// A completion for one who pays.
fn post(key: &str) -> Sent {
    let mut post = request(Method::POST, "https://api.example/v1/messages", r#"{"model": ".."}"#);
    post.headers_mut().insert("authorization", key.parse().unwrap());
    post
}

#[tokio::test(start_paused = true)]
async fn a_struct_field_names_the_service() {
    let upstream = Upstream::statuses([500, 200]);
    let mut over = OverConcrete { client: presets::llm().layer(fallible(&upstream)) };
    let sent: ResponseFuture<_, _, _, Concrete, Paced> = over.client.call(post("ours"));
    let response: Result<_, PaceError<io::Error>> = sent.await;
    assert_status(&response.unwrap(), 200);
    let upstream = Upstream::statuses([500, 200]);
    let over = OverBoxed { client: presets::llm().layer(upstream) };
    let response: Result<_, BoxError> = over.client.oneshot(post("ours")).await;
    assert_status(&response.unwrap(), 200);
}

#[test]
fn the_types_go_across_threads() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn sent<T: Send + 'static>(_: &T) {}
    shared::<RetryLayer<LlmPolicy, Concrete, Paced>>();
    shared::<RetryLayer<LlmPolicy, Boxed, Paced>>();
    shared::<OverConcrete>();
    shared::<OverBoxed>();
    let mut client = OverBoxed { client: presets::llm().layer(Upstream::statuses([200])) };
    sent(&client.client.call(post("ours")));
}

/// `ServiceBuilder` infers which kind of error it is.
#[tokio::test(start_paused = true)]
async fn it_is_a_layer_like_any_other() {
    let upstream = Upstream::statuses([500, 529, 200]);
    let concrete = ServiceBuilder::new().layer(presets::llm()).service(fallible(&upstream));
    assert_status(&concrete.oneshot(post("ours")).await.unwrap(), 200);
    let upstream = Upstream::statuses([500, 529, 200]);
    let boxed = ServiceBuilder::new()
        .concurrency_limit(8)
        .layer(presets::llm())
        .timeout(5 * SECOND)
        .service(upstream.handle());
    assert_status(&boxed.oneshot(post("ours")).await.unwrap(), 200);
    assert_eq!(upstream.sent(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_post_is_sent_four_times_in_all() {
    for code in [408, 409, 429, 500, 502, 503, 504, 529] {
        let upstream = Upstream::statuses([code]);
        let client = ServiceBuilder::new().layer(presets::llm()).service(upstream.handle());
        let response = eventually(client.oneshot(post("ours"))).await.unwrap();
        assert_status(&response, code);
        assert_eq!(
            (upstream.sent(), info(&response).reason()),
            (4, Some(GiveUpReason::MaxAttempts)),
            "{code}"
        );
        assert!(upstream.calls().iter().all(|call| call.body == r#"{"model": ".."}"#));
    }
    for code in [200, 400, 401, 403, 404, 413, 422, 501] {
        let upstream = Upstream::statuses([code]);
        let client = ServiceBuilder::new().layer(presets::llm()).service(upstream.handle());
        client.oneshot(post("ours")).await.unwrap();
        assert_eq!(upstream.sent(), 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_of_two_minutes_is_obeyed_and_a_longer_one_returned() {
    for (hint, expected) in [(120, &[120_000][..]), (121, &[])] {
        let upstream = Upstream::answers(move |number| match number {
            1 => busy(hint).map(|_| "not just now".into()),
            _ => status(200),
        });
        let client = ServiceBuilder::new().layer(presets::llm()).service(upstream.handle());
        let start = Instant::now();
        let response = eventually(client.oneshot(post("ours"))).await.unwrap();
        assert_eq!(upstream.gaps(), expected, "{hint} s");
        if expected.is_empty() {
            assert_eq!(info(&response).reason(), Some(GiveUpReason::HintTooLong));
            assert_eq!(start.elapsed(), Duration::ZERO);
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "not just now");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_pays_waits_for_himself() {
    let upstream = Upstream::answers(|number| if number <= 16 { busy(9) } else { status(200) });
    let client = ServiceBuilder::new().layer(presets::llm()).service(far(&upstream, MS));
    let start = Instant::now();
    let refused: Vec<_> = (0..16).map(|_| tokio::spawn(client.clone().oneshot(post("ours")))).collect();
    sleep(MS + MS).await;
    client.clone().oneshot(post("theirs")).await.unwrap();
    assert_eq!(start.elapsed(), 3 * MS, "another account is held");
    client.oneshot(post("ours")).await.unwrap();
    // It is the probe that goes after half of the stop.
    assert!(start.elapsed() >= 4_500 * MS, "the same account is not held");
    for refused in refused {
        assert_status(&eventually(refused).await.unwrap().unwrap(), 200);
    }
}

/// The server asks for two minutes again and again, and nobody waits for more than ten in all.
#[tokio::test(start_paused = true)]
async fn ten_minutes_are_enough_for_four_attempts_and_not_for_more() {
    let upstream = Upstream::answers(|_| busy(120));
    let client = ServiceBuilder::new().layer(presets::llm()).service(upstream.handle());
    let response = eventually(client.oneshot(post("ours"))).await.unwrap();
    assert_eq!((upstream.sent(), info(&response).reason()), (4, Some(GiveUpReason::MaxAttempts)));

    let upstream = Upstream::answers(|_| busy(120));
    let layer = presets::llm().max_attempts(99);
    let start = Instant::now();
    let response = eventually(layer.layer(upstream.handle()).oneshot(post("ours"))).await.unwrap();
    assert_eq!((upstream.sent(), info(&response).reason()), (6, Some(GiveUpReason::MaxElapsed)));
    assert_eq!(start.elapsed(), 600 * SECOND);
}

/// A first attempt is not held for longer either.
#[tokio::test(start_paused = true)]
async fn a_first_attempt_that_does_not_fit_is_rejected() {
    let upstream = Upstream::answers(|_| busy(120));
    let client = presets::llm().max_elapsed(60 * SECOND).layer(far(&upstream, MS));
    for response in join_all((0..16).map(|_| client.clone().oneshot(post("ours")))).await {
        assert_status(&response.unwrap(), 429);
    }
    let error = client.oneshot(post("ours")).await.unwrap_err();
    assert_eq!(rejection(&error), PaceRejection::TooLong);
    assert_eq!(upstream.sent(), 16);
}

/// What may have been paid for is not bought twice; what was never sent is sent.
#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_no_reason_to_pay_again() {
    let upstream = Upstream::new(|_| Err::<Answer, _>(reset()));
    let client = ServiceBuilder::new().layer(presets::llm()).service(upstream.handle());
    client.oneshot(post("ours")).await.unwrap_err();
    assert_eq!(upstream.sent(), 1);
    let upstream = Upstream::new(|number| if number == 1 { Err(refused()) } else { Ok(status(200)) });
    let client = ServiceBuilder::new().layer(presets::llm()).service(upstream.handle());
    assert_status(&client.oneshot(post("ours")).await.unwrap(), 200);
}
