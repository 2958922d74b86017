//! What dropping the caller's future leaves behind: nothing, wherever it is dropped.

use std::time::Duration;

use http::Request;
use tokio::time::{sleep, timeout};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_http_retry::body::ReplayMemory;
use tower_http_retry::{Budget, ReplayBody, RetryLayer};
use tower_test::mock::{Handle, SendResponse};

use crate::support::bodies::{Frames, Life};
use crate::support::{A_SECOND, Answer, next, status};

type Uploaded = Request<ReplayBody<Frames>>;

/// An upload through the layer, and all that it may leave behind.
struct Upload {
    handle: Handle<Uploaded, Answer>,
    budget: Budget,
    memory: ReplayMemory,
    life: Life,
    task: tokio::task::JoinHandle<()>,
}

impl Upload {
    fn start() -> Self {
        let (mock, mut handle) = tower_test::mock::pair::<Uploaded, Answer>();
        handle.allow(1);
        let (budget, memory) = (Budget::percent(0).min_per_second(0).capacity(10), ReplayMemory::new(1_000));
        let layer = RetryLayer::new(A_SECOND).budget(budget.clone()).replay_memory(memory.clone());
        let client = ServiceBuilder::new().layer(layer).service(mock);
        let body = Frames::new(["one ", "two ", "three"]);
        let life = body.life();
        let sent = client.oneshot(Request::put("/").body(body).unwrap());
        let task = tokio::spawn(async move {
            let _ = sent.await;
        });
        Self { handle, budget, memory, life, task }
    }

    /// The first attempt, which has read its body.
    async fn first_attempt(&mut self) -> SendResponse<Answer> {
        let (request, respond) = next(&mut self.handle).await;
        http_body_util::BodyExt::collect(request.into_body()).await.unwrap();
        assert_eq!(self.memory.used(), 13);
        respond
    }

    /// Drops the caller's future, and checks what is left.
    async fn drop_it(mut self, tokens: f64) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled(), "it was over before it was dropped");
        assert_eq!(self.budget.tokens(), 10.0 - tokens, "tokens are those of the resends that were sent");
        assert_eq!(self.memory.used(), 0, "nothing is kept");
        assert!(self.life.is_over(), "the body is freed");
        self.handle.allow(9);
        let next = timeout(Duration::from_secs(1_000), self.handle.next_request()).await;
        assert!(!matches!(next, Ok(Some(_))), "something was sent after the caller had left");
    }
}

/// Trap 30: while the first attempt is under way.
#[tokio::test(start_paused = true)]
async fn dropped_during_the_first_attempt() {
    let mut upload = Upload::start();
    let _respond = upload.first_attempt().await;
    upload.drop_it(0.0).await;
}

/// Trap 30: while it waits for its next attempt, whose token is taken but not spent.
#[tokio::test(start_paused = true)]
async fn dropped_during_the_wait() {
    let mut upload = Upload::start();
    upload.first_attempt().await.send_response(status(503));
    sleep(Duration::from_millis(500)).await;
    assert_eq!(upload.budget.tokens(), 9.0);
    upload.drop_it(0.0).await;
}

/// Trap 30: while the inner service is not ready.
#[tokio::test(start_paused = true)]
async fn dropped_while_the_service_is_not_ready() {
    let mut upload = Upload::start();
    upload.first_attempt().await.send_response(status(503));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(upload.budget.tokens(), 9.0);
    upload.drop_it(0.0).await;
}

/// Trap 30: while a resend is under way. That one is paid for.
#[tokio::test(start_paused = true)]
async fn dropped_during_a_resend() {
    let mut upload = Upload::start();
    upload.first_attempt().await.send_response(status(503));
    upload.handle.allow(1);
    let (request, _respond) = next(&mut upload.handle).await;
    drop(request);
    upload.drop_it(1.0).await;
}

/// Trap 30: before it was polled at all, when the request is already on its way.
#[tokio::test(start_paused = true)]
async fn dropped_before_the_first_poll() {
    let (mock, mut handle) = tower_test::mock::pair::<Uploaded, Answer>();
    let memory = ReplayMemory::new(1_000);
    let layer = RetryLayer::new(A_SECOND).replay_memory(memory.clone());
    let mut client = ServiceBuilder::new().layer(layer).service(mock);
    let body = Frames::new(["one "]);
    let life = body.life();
    drop(client.ready().await.unwrap().call(Request::put("/").body(body).unwrap()));
    let (request, respond) = next(&mut handle).await;
    drop(request);
    assert!(life.is_over());
    respond.send_response(status(503));
    let next = timeout(Duration::from_secs(1_000), handle.next_request()).await;
    assert!(!matches!(next, Ok(Some(_))), "something was sent after the caller had left");
}

/// An attempt that still reads its body when the caller leaves owns what is left of it, and frees it.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_outlives_the_session_reads_on_alone() {
    let mut upload = Upload::start();
    let (request, respond) = next(&mut upload.handle).await;
    let mut body = request.into_body();
    let mut read = Vec::new();
    for _ in 0..2 {
        let frame = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap();
        read.extend_from_slice(&frame.into_data().unwrap());
        assert_eq!(upload.memory.used(), read.len());
    }
    upload.task.abort();
    let _ = (&mut upload.task).await;
    assert_eq!(upload.memory.used(), 0, "no attempt will follow");
    let rest = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    assert_eq!((read.as_slice(), &rest[..]), (&b"one two "[..], &b"three"[..]));
    assert!(upload.life.is_over());
    drop(respond);
}
