//! How long a body is kept, and for whom.

use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_http_retry::body::ReplayMemory;
use tower_http_retry::{GiveUpReason, ReplayBody, RetryLayer};

use crate::support::{A_SECOND, HandedOn, Inner, QUICKLY, info, request, status};

const KIB: usize = 1024;

fn upload() -> Request<Full<Bytes>> {
    request(http::Method::PUT, "http://api/", "a thousand bytes, or thereabouts")
}

#[tokio::test]
async fn a_finished_call_keeps_nothing() {
    let inner = service_fn(|request: Inner| async move {
        request.into_body().collect().await?;
        Ok::<_, BoxError>(status(200))
    });
    let memory = ReplayMemory::new(KIB);
    let mut client = RetryLayer::new(QUICKLY).replay_memory(memory.clone()).layer(inner);
    let mut call = Box::pin(client.ready().await.unwrap().call(upload()));
    let _: HandedOn = call.as_mut().await.unwrap();
    assert_eq!(memory.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_dropped_in_its_wait_keeps_nothing_though_an_old_attempt_still_lives() {
    let lingering = Arc::new(Mutex::new(None));
    let keeper = Arc::clone(&lingering);
    let inner = service_fn(move |request: Inner| {
        let keeper = Arc::clone(&keeper);
        async move {
            let mut body = request.into_body();
            body.frame().await.unwrap().unwrap();
            *keeper.lock().unwrap() = Some(body);
            Ok::<_, BoxError>(status(503))
        }
    });
    let memory = ReplayMemory::new(KIB);
    let mut client = RetryLayer::new(A_SECOND).replay_memory(memory.clone()).layer(inner);
    let mut call = Box::pin(client.ready().await.unwrap().call(upload()));
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(memory.used() > 0);
    drop(call);
    assert_eq!(memory.used(), 0);
}

/// Sends so many frames of these bytes to a server that reads everything and fails, and says why they were not
/// sent again.
async fn reason(frames: usize, bytes: &'static [u8]) -> Option<GiveUpReason> {
    let inner = service_fn(|request: Request<ReplayBody<_>>| async move {
        request.into_body().collect().await?;
        Ok::<_, BoxError>(status(503))
    });
    let frame = move |_| Ok::<_, BoxError>(Frame::data(Bytes::from_static(bytes)));
    let body = StreamBody::new(stream::iter((0..frames).map(frame)));
    let request = Request::put("http://api/").body(body).unwrap();
    let response = RetryLayer::new(QUICKLY).layer(inner).oneshot(request).await.unwrap();
    info(&response).reason()
}

#[tokio::test]
async fn many_small_frames_do_not_pass_for_little() {
    let most = 1_024 + 64 * KIB / 256;
    assert_eq!(reason(most, b"x").await, Some(GiveUpReason::MaxAttempts));
    assert_eq!(reason(most + 1, b"x").await, Some(GiveUpReason::Body));
    // Empty frames are not kept at all.
    assert_eq!(reason(100_000, b"").await, Some(GiveUpReason::MaxAttempts));
}

#[tokio::test]
async fn a_body_that_panicked_is_not_sent_again_as_if_it_were_whole() {
    let frames = (1..=2).map(|number| match number {
        1 => Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"half"))),
        _ => panic!("this body panics, as the test wants it to"),
    });
    let sends = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&sends);
    // As hyper does over HTTP/2, it reads the body in a task of its own.
    let inner = service_fn(move |request: Request<ReplayBody<_>>| {
        *counter.lock().unwrap() += 1;
        async {
            match tokio::spawn(request.into_body().collect()).await {
                Ok(Ok(_)) => Ok(Response::new(Full::<Bytes>::default())),
                Ok(Err(_)) | Err(_) => Err::<_, BoxError>("the stream was reset".into()),
            }
        }
    });
    let body = StreamBody::new(stream::iter(frames));
    let request = Request::put("http://api/").body(body).unwrap();
    let result: Result<HandedOn, BoxError> = RetryLayer::new(QUICKLY).layer(inner).oneshot(request).await;
    result.unwrap_err();
    assert_eq!(*sends.lock().unwrap(), 1);
}
