//! One attempt at one endpoint, from when its request is on its way until the head of its response.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Response;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};
use tower_http_retry::{PaceError, PaceLayer};

use crate::llm::{self, Inspection, MaybePeeked};
use crate::message::validate;
use crate::telemetry::AttemptSpan;
use crate::telemetry::request_log::Trail;
use crate::time::pooled_timeout::PooledTimeout;
use crate::upstream::endpoint::{EndpointRequest, Occupied};
use crate::upstream::error::AttemptError;
use crate::upstream::expect_continue::Expectation;
use crate::upstream::response_body::UpstreamBody;
use crate::upstream::settings::Way;

/// Resolves with what one attempt comes to, once that is noted. Written out, because an `async` block would be four
/// times as large, and it is part of each request's future.
pub(crate) struct AttemptFuture {
    pub(crate) way: Arc<Way>,
    pub(crate) request_log: RequestLog,
    pub(crate) number: usize,
    pub(crate) sent: Sent,
    /// `None` once it has resolved.
    pub(crate) guard: Option<Guard>,
}

/// What an attempt holds until its response is there, whose body holds it then.
pub(crate) struct Guard {
    pub(crate) occupied: Occupied,
    pub(crate) expectation: Option<Expectation>,
    pub(crate) span: AttemptSpan,
}

/// What is waited for.
pub(crate) enum Sent {
    Unpaced(Try),
    /// It waits for its turn at the endpoint. Boxed, because most endpoints have no pace.
    Paced(Pin<Box<dyn Future<Output = Tried> + Send>>),
    /// Nothing: its target makes no URI there.
    Nowhere(Option<AttemptError>),
}

type Tried = Result<Response<MaybePeeked<Incoming>>, AttemptError>;

impl Sent {
    pub(crate) fn paced(
        way: &Arc<Way>,
        occupied: &Occupied,
        pace: PaceLayer,
        request: EndpointRequest,
        waits_until: Instant,
        ends_at: Instant,
    ) -> Self {
        let (way, endpoint) = (Arc::clone(way), Arc::clone(occupied.endpoint()));
        Self::Paced(Box::pin(async move {
            let left = waits_until.saturating_duration_since(Instant::now());
            let send = service_fn(|request| {
                let mut attempt = Try::new(&way, endpoint.send(request), Instant::now(), ends_at);
                let way = &way;
                std::future::poll_fn(move |cx| attempt.poll(way, cx))
            });
            match pace.max_wait(left).layer(send).oneshot(request).await {
                Err(PaceError::Rejected(refusal)) => Err(AttemptError::Paced(refusal)),
                Err(PaceError::Inner(error)) => Err(error),
                Ok(response) => Ok(response),
            }
        }))
    }
}

impl Future for AttemptFuture {
    type Output = Result<Response<UpstreamBody>, AttemptError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { way, request_log, number, sent, guard } = &mut *self;
        let result = ready!(match sent {
            Sent::Unpaced(attempt) => attempt.poll(way, cx),
            Sent::Paced(attempt) => attempt.as_mut().poll(cx),
            Sent::Nowhere(error) => Poll::Ready(Err(error.take().expect(ONCE))),
        });
        let Guard { occupied, expectation, span } = guard.take().expect(ONCE);
        let outcome = result.as_ref().map(Response::status).map_err(AttemptError::word);
        request_log.end_attempt(*number, outcome);
        span.end(outcome);
        way.upstream.report(occupied.endpoint(), &result);
        Poll::Ready(
            result.map(|response| response.map(|body| UpstreamBody::new(body, occupied, expectation))),
        )
    }
}

/// From the endpoint's turn on.
pub(crate) enum Try {
    /// Until the try's time is over, or the route's.
    Sent { response: legacy::ResponseFuture, alarm: PooledTimeout },
    /// At the beginning of the body.
    Looking(Pin<Box<dyn Future<Output = Response<MaybePeeked<Incoming>>> + Send>>),
}

impl Try {
    pub(crate) fn new(way: &Way, response: legacy::ResponseFuture, began: Instant, ends_at: Instant) -> Self {
        let at = way.per_try_timeout.map_or(ends_at, |limit| ends_at.min(began + limit));
        Self::Sent { response, alarm: way.alarms.sleep_until(at) }
    }

    fn poll(&mut self, way: &Way, cx: &mut Context<'_>) -> Poll<Tried> {
        loop {
            match self {
                Self::Sent { response, alarm } => {
                    let response = match Pin::new(response).poll(cx) {
                        Poll::Ready(response) => response.map_err(AttemptError::Client)?,
                        Poll::Pending => {
                            ready!(Pin::new(alarm).poll(cx));
                            return Poll::Ready(Err(AttemptError::Timeout(io::ErrorKind::TimedOut.into())));
                        }
                    };
                    if !validate::has_valid_framing(response.headers()) {
                        return Poll::Ready(Err(AttemptError::Framing));
                    }
                    // Below the endpoint's pace and the log, which learn what it counts as.
                    match llm::begin(way.care, response, alarm.deadline(), &way.alarms) {
                        Caring::Done(response) => return Poll::Ready(Ok(response)),
                        Caring::Looking(looking) => *self = Self::Looking(looking),
                    }
                }
                Self::Looking(looking) => return looking.as_mut().poll(cx).map(Ok),
            }
        }
    }
}

const ONCE: &str = "it is not polled after it has resolved";
