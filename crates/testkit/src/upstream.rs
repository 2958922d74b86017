//! A scripted service in memory, which records its requests and insists on readiness.

use std::fmt;
use std::future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, request};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower_service::Service;

use crate::{Answer, BoxError, status};

type Script = dyn Fn(usize) -> Result<Answer, BoxError> + Send + Sync;

/// Reads each request to its end, records it, and answers the `n`th as its script says.
///
/// It panics where it is called before it is ready, as many services do. A clone is not ready.
pub struct Upstream {
    script: Arc<Script>,
    log: Arc<Log>,
    is_ready: bool,
}

#[derive(Debug, Default)]
struct Log {
    sent: AtomicUsize,
    calls: Mutex<Vec<Call>>,
}

/// One request that was sent.
#[derive(Clone, Debug)]
pub struct Call {
    /// The time of the call.
    pub at: Instant,
    /// The request's head.
    pub parts: request::Parts,
    /// The request's body.
    pub body: Bytes,
    /// The request's trailers.
    pub trailers: Option<HeaderMap>,
    /// The size that the body announced before it was read.
    pub exact_size: Option<u64>,
}

impl Upstream {
    /// Answers the `n`th request, counted from 1, as `script` says.
    pub fn new<E>(script: impl Fn(usize) -> Result<Answer, E> + Send + Sync + 'static) -> Self
    where
        E: Into<BoxError>,
    {
        let script = Arc::new(move |number| script(number).map_err(Into::into));
        Self { script, log: Arc::default(), is_ready: false }
    }

    /// Answers with these statuses in turn, and then with the last of them for ever.
    pub fn statuses<const N: usize>(codes: [u16; N]) -> Self {
        Self::answers(move |number| status(codes[number.min(N) - 1]))
    }

    /// Answers the `n`th request with a response.
    pub fn answers(script: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::new(move |number| Ok::<_, BoxError>(script(number)))
    }

    /// Returns how often it was called.
    pub fn sent(&self) -> usize {
        self.log.sent.load(Ordering::SeqCst)
    }

    /// Returns the requests that it has read.
    pub fn calls(&self) -> Vec<Call> {
        self.log.calls.lock().unwrap().clone()
    }

    /// Returns the milliseconds from each request to the next.
    pub fn gaps(&self) -> Vec<u128> {
        let calls = self.calls();
        calls.windows(2).map(|pair| (pair[1].at - pair[0].at).as_millis()).collect()
    }

    /// Returns another handle, which a test keeps while the layer owns this one.
    #[must_use]
    pub fn handle(&self) -> Self {
        self.clone()
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("log", &self.log).finish_non_exhaustive()
    }
}

impl Clone for Upstream {
    fn clone(&self) -> Self {
        Self { script: Arc::clone(&self.script), log: Arc::clone(&self.log), is_ready: false }
    }
}

impl<B> Service<Request<B>> for Upstream
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Answer;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called before it was ready");
        let number = self.log.sent.fetch_add(1, Ordering::SeqCst) + 1;
        let (log, script, at) = (Arc::clone(&self.log), Arc::clone(&self.script), Instant::now());
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let exact_size = body.size_hint().exact();
            let collected = Box::pin(body).collect().await.map_err(Into::into)?;
            let trailers = collected.trailers().cloned();
            let body = collected.to_bytes();
            log.calls.lock().unwrap().push(Call { at, parts, body, trailers, exact_size });
            future::ready(script(number)).await
        })
    }
}
