//! The model of a request that stands in its body, where the key of a pace asks for it.
//!
//! Mostly no request of the credential has to wait, whatever its model is. Then the request is sent at once, and its model
//! is read in what the retry layer has saved, if its answer tells something of a limit. Otherwise the body is read ahead, up to
//! its model, because the pace decides before the first byte is sent. A slow client makes its request wait for a moment
//! only: the request then goes by its credential alone.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, Request};
use http_body::Body;
use tokio::time::Instant;
use tower_http_retry::RequestHead;
use tower_http_retry::body::{MemoryLease, ReplayMemory};
use tower_http_retry::pace::SharedPace;

use crate::config::{PaceConfig, PaceKey};
use crate::llm::{self, BodyModel, ModelReading};
use crate::telemetry::request_log::RequestLog;
use crate::time::pooled_timeout::TimerPool;
use crate::upstream::pace;
use crate::upstream::request_body::RequestBody;

/// Reads the models of the requests of a route.
#[derive(Debug)]
pub(crate) struct ModelReader {
    /// The paces of the route's upstreams, and the headers that name the model for them.
    paces: Vec<(SharedPace, HeaderName)>,
    /// Set if the retry layer saves the bodies of all requests, so that a model can be read after the send.
    is_lazy: bool,
    /// The most bytes of a body that are read.
    max_bytes: usize,
    memory: ReplayMemory,
    timers: TimerPool,
}

impl ModelReader {
    /// Creates a reader for upstreams with these paces. Returns `None` if the key of none has the model.
    pub(crate) fn new<'a>(
        paces: impl Iterator<Item = (&'a PaceConfig, &'a SharedPace)>,
        is_lazy: bool,
        max_bytes: usize,
        memory: &ReplayMemory,
        timers: &TimerPool,
    ) -> Option<Self> {
        let by_model = paces.filter(|(config, _)| config.key == PaceKey::CredentialAndModel);
        let paces: Vec<_> =
            by_model.map(|(config, pace)| (pace.clone(), config.model_header.clone())).collect();
        if paces.is_empty() {
            return None;
        }
        Some(Self { paces, is_lazy, max_bytes, memory: memory.clone(), timers: timers.clone() })
    }

    /// Returns true if the model of a request has to be read before the request is sent.
    pub(crate) fn reads_ahead(&self, request: &Request<RequestBody>) -> bool {
        let may_wait = || {
            let head = RequestHead::from(request);
            self.paces.iter().any(|(pace, _)| pace.may_hold(&head))
        };
        // The layer saves nothing of a body that is larger.
        let is_saved = self.is_lazy && request.body().size_hint().lower() <= self.max_bytes as u64;
        (!is_saved || may_wait()) && self.may_find(request)
    }

    /// Returns true if the model of a request may stand in its body: neither the path nor a header names it.
    fn may_find(&self, request: &Request<RequestBody>) -> bool {
        request.body().is_from_client()
            && self.paces.iter().any(|(_, name)| !request.headers().contains_key(name))
            && llm::may_name_model(request.headers())
            && !pace::path_names_model(request.uri().path())
    }

    /// Reads up to the model of a request what has arrived of its body. Mostly that is enough, because clients send the head
    /// and the start of the body at once. The request then has its model, and its body still has all of its bytes.
    ///
    /// # Errors
    ///
    /// Returns the reading that waits for more.
    pub(crate) fn read_arrived(
        &self,
        request: Request<RequestBody>,
        request_log: &RequestLog,
        cx: &mut Context<'_>,
    ) -> Result<Request<RequestBody>, Box<RequestReading>> {
        let (mut head, body) = request.into_parts();
        let reading = match ModelReading::new(&head.headers, body, self.max_bytes) {
            Ok(reading) => reading,
            Err(body) => {
                head.extensions.insert(BodyModel(None));
                return Ok(Request::from_parts(head, body));
            }
        };
        let mut reading = RequestReading { head, reading, lease: self.memory.lease(self.max_bytes) };
        match reading.poll(cx) {
            Poll::Ready(()) => Ok(reading.finish(request_log)),
            Poll::Pending => Err(Box::new(reading)),
        }
    }

    /// Goes on with a reading, for a moment at most.
    pub(crate) fn read_rest(
        &self,
        mut reading: Box<RequestReading>,
        request_log: &RequestLog,
    ) -> impl Future<Output = Request<RequestBody>> + Send + use<> {
        let (timers, request_log) = (self.timers.clone(), request_log.clone());
        async move {
            let deadline = Instant::now() + MAX_WAIT;
            // The request goes on without its model if the client is slower.
            let _ = timers.timeout_at(deadline, poll_fn(|cx| reading.poll(cx))).await;
            reading.finish(&request_log)
        }
    }
}

/// A request, and the reading of its body.
pub(crate) struct RequestReading {
    head: Parts,
    reading: ModelReading<RequestBody>,
    /// The memory of what was read.
    lease: MemoryLease,
}

impl RequestReading {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { reading, lease, .. } = self;
        reading.poll(cx, |bytes| lease.grow(bytes))
    }

    fn finish(self, request_log: &RequestLog) -> Request<RequestBody> {
        let Self { mut head, reading, lease } = self;
        let (body, model) = reading.finish();
        // From here on the request waits for no bytes of its body, until an attempt reads it.
        request_log.clock().start();
        head.extensions.insert(model);
        Request::from_parts(head, RequestBody::from_peeked(body, lease))
    }
}

/// The longest wait for the model. SDKs send a head and its body at once, and a body of a megabyte takes a tenth of this
/// at 200 Mbit/s. The upload does not end later for it, unless the way to the upstream is slower than that to the client.
const MAX_WAIT: Duration = Duration::from_millis(500);
