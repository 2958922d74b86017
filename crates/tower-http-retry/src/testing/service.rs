//! A service that follows a script.

use std::fmt;
use std::future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body;
use http_retry::testing::{Script, Scripted};
use tokio::time::Instant;
use tower_service::Service;

use super::{ScriptedBody, ScriptedFailure};
use crate::lock::lock;

/// A service that reads each request, records it, and then answers as its script says.
///
/// Clones share the records and the position in the script. The service takes any request with a body of
/// `Bytes`, so other layers may stand between it and a [`RetryLayer`](crate::RetryLayer). The
/// [module](crate::testing) has an example.
#[derive(Clone)]
pub struct ScriptedService {
    script: Arc<Script>,
    received: Arc<Mutex<Vec<Received>>>,
    start: Instant,
}

/// A request, as the service received it. The [module](crate::testing) has an example.
#[derive(Clone, Debug)]
pub struct Received {
    /// Time between the creation of the service and the request, by tokio's clock.
    pub at: Duration,
    /// The request, with as much of its body as could be read.
    /// [`AttemptNumber::from_request`](crate::AttemptNumber::from_request) returns the number of the attempt.
    pub request: Request<Bytes>,
}

impl ScriptedService {
    /// Creates a service that starts with the script's first answer. Its clock starts now.
    pub fn new(script: Script) -> Self {
        Self { script: Arc::new(script), received: Arc::default(), start: Instant::now() }
    }

    /// Returns the requests so far, in the order of their arrival.
    pub fn received(&self) -> Vec<Received> {
        self.lock().clone()
    }

    /// Returns the arrival times of the requests so far.
    pub fn times(&self) -> Vec<Duration> {
        self.lock().iter().map(|received| received.at).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Received>> {
        lock(&self.received)
    }
}

/// The future of a [`ScriptedService`]. The [module](crate::testing) has an example.
pub type ScriptedFuture =
    Pin<Box<dyn Future<Output = Result<Response<ScriptedBody>, ScriptedFailure>> + Send>>;

impl<B> Service<Request<B>> for ScriptedService
where
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<ScriptedBody>;
    type Error = ScriptedFailure;
    type Future = ScriptedFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ScriptedFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ScriptedFuture {
        let (parts, body) = request.into_parts();
        let number = {
            let mut received = self.lock();
            let request = Request::from_parts(parts, Bytes::new());
            received.push(Received { at: self.start.elapsed(), request });
            received.len()
        };
        let service = self.clone();
        Box::pin(async move {
            let body = collect(body).await;
            *service.lock()[number - 1].request.body_mut() = body;
            match service.script.nth(number) {
                Scripted::Response(response) => Ok(response.map(|()| ScriptedBody)),
                Scripted::Failure(kind) => Err(ScriptedFailure::new(kind)),
                Scripted::Pending => future::pending().await,
            }
        })
    }
}

/// Reads a body up to its end or its failure.
async fn collect<B: Body<Data = Bytes>>(body: B) -> Bytes {
    let mut body = Box::pin(body);
    let mut all = BytesMut::new();
    while let Some(Ok(frame)) = future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Some(data) = frame.data_ref() {
            all.extend_from_slice(data);
        }
    }
    all.freeze()
}

impl fmt::Debug for ScriptedService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedService").field("calls", &self.lock().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use http_retry::{FailureKind, FixedDelay};
    use tower::ServiceBuilder;

    use super::*;
    use crate::{AttemptNumber, RetryLayer};

    const A_SECOND: FixedDelay = FixedDelay::new(Duration::from_secs(1));

    /// Sends a POST, and returns the times of the calls, in seconds, and the status or the failure.
    async fn post(script: Script) -> (Vec<u64>, Result<u16, FailureKind>) {
        let service = ScriptedService::new(script);
        let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(service.clone());
        let request = Request::post("/orders").header("x-a", "b").body(Full::<Bytes>::from("text")).unwrap();
        let response = client.oneshot(request).await;
        for (number, received) in (1..).zip(service.received()) {
            assert_eq!(AttemptNumber::from_request(&received.request), number);
            assert_eq!(
                (received.request.body().as_ref(), &received.request.headers()["x-a"]),
                (&b"text"[..], &"b".parse().unwrap())
            );
        }
        let seconds = service.times().iter().map(Duration::as_secs).collect();
        (seconds, response.map(|response| response.status().as_u16()).map_err(|failure| failure.kind()))
    }

    #[tokio::test(start_paused = true)]
    async fn each_call_is_recorded_and_answered_as_the_script_says() {
        let script = Script::new;
        assert_eq!(post(script().status(204)).await, (vec![0], Ok(204)));
        assert_eq!(post(script().status(429).times(2).status(200)).await, (vec![0, 1, 2], Ok(200)));
        let hinted = script().status(429).header("retry-after", "9").status(200);
        assert_eq!(post(hinted).await, (vec![0, 9], Ok(200)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_scripted_failure_has_the_kind_of_the_script() {
        for (kind, seconds) in [
            (FailureKind::NeverSent, vec![0, 1]),
            (FailureKind::Unprocessed, vec![0, 0]),
            (FailureKind::MaybeProcessed, vec![0]),
            (FailureKind::Timeout, vec![0]),
            (FailureKind::Overloaded, vec![0]),
            (FailureKind::Permanent, vec![0]),
        ] {
            let expected = if seconds.len() == 1 { Err(kind) } else { Ok(200) };
            assert_eq!(post(Script::new().failure(kind).status(200)).await, (seconds, expected), "{kind:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pending_answer_never_arrives() {
        let hour = Duration::from_secs(3_600);
        assert!(tokio::time::timeout(hour, post(Script::new().pending())).await.is_err());
    }
}
