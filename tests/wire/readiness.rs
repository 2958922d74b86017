//! A service that is not ready when the wait is over.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, Sleep};
use tower::{Layer, Service};
use tower_http_retry::{GiveUpReason, ReplayBody, RetryLayer};

use crate::support::{A_SECOND, Answer, assert_status, eventually, get, info};

/// Ready at first, and then only when so much time has passed; answers with these responses in turn.
struct Busy {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    calls: Arc<Mutex<Vec<Instant>>>,
    ready_in: Duration,
    until: Option<std::pin::Pin<Box<Sleep>>>,
}

impl Busy {
    fn new<const N: usize>(ready_in: Duration, answers: [Answer; N]) -> Self {
        let answers = Arc::new(Mutex::new(answers.into()));
        Self { answers, calls: Arc::default(), ready_in, until: None }
    }
}

impl Clone for Busy {
    fn clone(&self) -> Self {
        let (answers, calls) = (Arc::clone(&self.answers), Arc::clone(&self.calls));
        Self { answers, calls, ready_in: self.ready_in, until: None }
    }
}

impl Service<Request<ReplayBody<Full<Bytes>>>> for Busy {
    type Response = Answer;
    type Error = Infallible;
    type Future = Ready<Result<Answer, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.calls.lock().unwrap().is_empty() {
            return Poll::Ready(Ok(()));
        }
        let ready_in = self.ready_in;
        let until = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(ready_in)));
        until.as_mut().poll(cx).map(Ok)
    }

    fn call(&mut self, _: Request<ReplayBody<Full<Bytes>>>) -> Self::Future {
        self.calls.lock().unwrap().push(Instant::now());
        ready(Ok(self.answers.lock().unwrap().pop_front().expect("an answer for each call")))
    }
}

fn failed(content: usize) -> Answer {
    Response::builder()
        .status(503)
        .header("x-from", "upstream")
        .header("content-length", content)
        .body(Full::from(Bytes::from(vec![b'.'; content])))
        .unwrap()
}

//           0 s        1 s                     5 s          10 s
// deadline  |-----------------------------------|
// service   503        asked whether it is ready              ready
#[tokio::test(start_paused = true)]
async fn a_drained_response_is_returned_whole_at_the_deadline() {
    let busy = Busy::new(Duration::from_secs(9), [failed(7)]);
    let start = Instant::now();
    let layer = RetryLayer::new(A_SECOND).max_elapsed(Duration::from_secs(5));
    let response = eventually(layer.layer(busy.clone()).oneshot(get("http://api/"))).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_status(&response, 503);
    assert_eq!(info(&response).reason(), Some(GiveUpReason::NotReady));
    assert_eq!(info(&response).attempts(), 1);
    assert_eq!(response.headers()["x-from"], "upstream");
    assert_eq!(response.headers()["content-length"], "7");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), ".......");
    assert_eq!(busy.calls.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_response_without_content_keeps_its_headers() {
    let busy = Busy::new(Duration::from_secs(9), [failed(0)]);
    let layer = RetryLayer::new(A_SECOND).max_elapsed(Duration::from_secs(5));
    let response = eventually(layer.layer(busy).oneshot(get("http://api/"))).await.unwrap();
    assert_eq!(response.headers()["content-length"], "0");
}

#[tokio::test(start_paused = true)]
async fn where_the_response_was_too_large_to_drain_the_resend_goes_out_late() {
    let busy = Busy::new(Duration::from_secs(9), [failed(1_000_000), Answer::default()]);
    let start = Instant::now();
    let layer = RetryLayer::new(A_SECOND).max_elapsed(Duration::from_secs(5));
    let response = eventually(layer.layer(busy.clone()).oneshot(get("http://api/"))).await.unwrap();
    assert_status(&response, 200);
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(busy.calls.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_ready_before_the_deadline_gets_the_resend() {
    let busy = Busy::new(Duration::from_secs(3), [failed(7), Answer::default()]);
    let layer = RetryLayer::new(A_SECOND).max_elapsed(Duration::from_secs(5));
    let start = Instant::now();
    let response = eventually(layer.layer(busy).oneshot(get("http://api/"))).await.unwrap();
    assert_status(&response, 200);
    assert_eq!(start.elapsed().as_secs(), 4);
}

/// A caller that polls late, as one does behind a slow consumer, or on a laptop that slept.
#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_the_deadline_however_late_the_future_is_polled() {
    let busy = Busy::new(Duration::ZERO, [failed(7), Answer::default()]);
    let layer = RetryLayer::new(A_SECOND).max_elapsed(Duration::from_secs(5));
    let mut call = Box::pin(layer.layer(busy.clone()).oneshot(get("http://api/")));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(call.as_mut().poll(&mut cx).is_pending());
    tokio::time::advance(Duration::from_secs(3_600)).await;
    let response = eventually(call).await.unwrap();
    assert_status(&response, 503);
    assert_eq!(info(&response).reason(), Some(GiveUpReason::MaxElapsed));
    assert_eq!(busy.calls.lock().unwrap().len(), 1);
}
