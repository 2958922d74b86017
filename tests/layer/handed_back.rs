//! A failed response that was read during a wait, and is the caller's after all.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::sleep;
use tower::{Layer, service_fn};
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{BoxError, GiveUpReason, Pace, RetryLayer};

use crate::support::{A_SECOND, Inner, assert_status, eventually, get, info, stop};

type AnyBody = UnsyncBoxBody<Bytes, Infallible>;

/// A body of two frames and trailers, so many seconds apart. It panics if it is polled again after its end.
fn unfused(apart: u64) -> AnyBody {
    let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("7"))]);
    let frames =
        [Frame::data("{\"error\":".into()), Frame::data("\"busy\"}".into()), Frame::trailers(trailers)];
    let frames = stream::unfold(frames.into_iter().enumerate(), move |mut frames| async move {
        let (number, frame) = frames.next()?;
        if number > 0 && apart > 0 {
            sleep(Duration::from_secs(apart)).await;
        }
        Some((Ok(frame), frames))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// The API's answer, as JSON of 16 bytes.
fn busy(body: AnyBody) -> Response<AnyBody> {
    let response = Response::builder().status(503).header("content-type", "application/json");
    response.header("content-length", "16").header("content-encoding", "identity").body(body).unwrap()
}

/// Checks that all of that response is here.
async fn check_whole<B>(response: Response<B>, reason: GiveUpReason)
where
    B: Body<Data = Bytes, Error: std::fmt::Debug> + Unpin,
{
    assert_status(&response, 503);
    assert_eq!((info(&response).attempts(), info(&response).reason()), (1, Some(reason)));
    for (name, value) in
        [("content-type", "application/json"), ("content-length", "16"), ("content-encoding", "identity")]
    {
        assert_eq!(response.headers()[name], value);
    }
    let mut body = response.into_body();
    assert!(!body.is_end_stream());
    assert!(body.size_hint().lower() <= 16);
    let (mut data, mut trailers) = (Vec::new(), None);
    while let Some(frame) = body.frame().await {
        match frame.unwrap().into_data() {
            Ok(bytes) => data.extend(bytes),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    assert_eq!(data, br#"{"error":"busy"}"#);
    assert_eq!(trailers.unwrap()["x-sum"], "7");
}

/// A caller that polls late is past its deadline when the wait is over.
#[tokio::test(start_paused = true)]
async fn a_body_that_was_read_to_its_end_is_handed_back_whole_and_ends_cleanly() {
    let service = service_fn(|_: Inner| async { Ok::<_, BoxError>(busy(unfused(0))) });
    let client = RetryLayer::new(A_SECOND).max_elapsed(Duration::from_secs(5)).layer(service);
    let mut call = Box::pin(client.oneshot(get("http://api.example/")));
    assert!(futures_util::poll!(call.as_mut()).is_pending());
    tokio::time::advance(Duration::from_secs(60)).await;
    let response = eventually(call).await.unwrap();
    let (head, mut body) = response.into_parts();
    // An exact hint becomes a `Content-Length` at the next hop of HTTP/1.1, which leaves no room for trailers.
    assert_eq!((body.size_hint().lower(), body.size_hint().exact(), body.is_end_stream()), (16, None, false));
    check_whole(Response::from_parts(head, &mut body), GiveUpReason::MaxElapsed).await;
    // Again and again.
    for _ in 0..2 {
        assert!(body.frame().await.is_none());
    }
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
}

/// One that was read in part goes on where reading stopped.
#[tokio::test(start_paused = true)]
async fn a_body_that_was_read_in_part_is_handed_back_whole() {
    let pace = SharedPace::from(Pace::per_authority());
    let service = service_fn(|_: Inner| async { Ok::<_, BoxError>(busy(unfused(10))) });
    let layer = RetryLayer::new(A_SECOND).max_elapsed(Duration::from_secs(5));
    let layer = layer.drain_limit(16 * 1024, Duration::from_secs(100)).pace(pace.clone());
    let call = tokio::spawn(layer.layer(service).oneshot(get("http://api.example/")));
    sleep(Duration::from_millis(500)).await;
    // Meanwhile the server asks for quiet until after the deadline.
    stop(&pace, || get("http://api.example/"), 60).await;
    let response = eventually(call).await.unwrap().unwrap();
    check_whole(response, GiveUpReason::MaxElapsed).await;
}

/// Many small frames cost memory beyond their bytes. They are read, so that the connection is free, and are not kept.
#[tokio::test(start_paused = true)]
async fn more_frames_than_are_kept_are_not_handed_back_in_part() {
    let sent = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&sent);
    let service = service_fn(move |_: Inner| {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        let frames =
            stream::iter((0..5_000).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from_static(b".")))));
        let body = StreamBody::new(frames.take(if number == 0 { 5_000 } else { 1 })).boxed_unsync();
        async move { Ok::<_, BoxError>(busy(body)) }
    });
    let layer = RetryLayer::new(A_SECOND).max_elapsed(Duration::from_secs(5)).max_attempts(2);
    let mut call = Box::pin(layer.layer(service).oneshot(get("http://api.example/")));
    assert!(futures_util::poll!(call.as_mut()).is_pending());
    tokio::time::advance(Duration::from_secs(60)).await;
    // There is nothing to return any more, and so the resend goes out late.
    let response = eventually(call).await.unwrap();
    assert_eq!((info(&response).attempts(), sent.load(Ordering::SeqCst)), (2, 2));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), ".");
}
