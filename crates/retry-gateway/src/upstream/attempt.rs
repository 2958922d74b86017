//! One attempt at one endpoint, from the send of its request to the head of its response.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Response;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};
use tower_http_retry::PaceLayer;

use crate::llm::{self, Inspection, MaybePeeked};
use crate::message::validate;
use crate::telemetry::AttemptSpan;
use crate::telemetry::request_log::RequestLog;
use crate::time::pooled_timeout::PooledTimeout;
use crate::upstream::endpoint::{EndpointRequest, LoadGuard};
use crate::upstream::error::AttemptError;
use crate::upstream::expect_continue::ContinueHandle;
use crate::upstream::response_body::UpstreamBody;
use crate::upstream::settings::AttemptSettings;

/// Resolves with the result of one attempt, after the log, the span and the balancer have recorded it.
///
/// It is written by hand, because an `async` block would be four times as large, and it is part of each
/// request's future.
pub(crate) struct AttemptFuture {
    pub(crate) settings: Arc<AttemptSettings>,
    pub(crate) request_log: RequestLog,
    /// Index of the attempt in the request log.
    pub(crate) number: usize,
    pub(crate) dispatch: Dispatch,
    /// Taken when the future resolves.
    pub(crate) guards: Option<AttemptGuards>,
}

/// Holds the resources of an attempt until its response arrives. The response body holds them from then on.
pub(crate) struct AttemptGuards {
    pub(crate) load: LoadGuard,
    pub(crate) continue_handle: Option<ContinueHandle>,
    pub(crate) span: AttemptSpan,
}

/// The send of an attempt, with or without a pace of its endpoint.
pub(crate) enum Dispatch {
    Unpaced(InFlight),
    /// The attempt waits for the endpoint's pace first. The future is boxed, because most endpoints have no
    /// pace.
    Paced(Pin<Box<dyn Future<Output = AttemptResult> + Send>>),
    /// The attempt failed before the send. The error is taken when the future resolves.
    Failed(Option<AttemptError>),
}

type AttemptResult = Result<Response<MaybePeeked<Incoming>>, AttemptError>;

impl Dispatch {
    /// Creates an attempt that waits for `pace` until `wait_deadline` at most. `deadline` bounds the attempt.
    pub(crate) fn paced(
        settings: &Arc<AttemptSettings>,
        load: &LoadGuard,
        pace: PaceLayer,
        request: EndpointRequest,
        wait_deadline: Instant,
        deadline: Instant,
    ) -> Self {
        let (settings, endpoint) = (Arc::clone(settings), Arc::clone(load.endpoint()));
        Self::Paced(Box::pin(async move {
            let max_wait = wait_deadline.saturating_duration_since(Instant::now());
            let send = service_fn(|request| {
                let mut attempt = InFlight::new(&settings, endpoint.send(request), Instant::now(), deadline);
                let settings = &settings;
                std::future::poll_fn(move |cx| attempt.poll(settings, cx))
            });
            pace.max_wait(max_wait).layer(send).oneshot(request).await.map_err(AttemptError::from)
        }))
    }
}

impl Future for AttemptFuture {
    type Output = Result<Response<UpstreamBody>, AttemptError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { settings, request_log, number, dispatch, guards } = &mut *self;
        let result = ready!(match dispatch {
            Dispatch::Unpaced(attempt) => attempt.poll(settings, cx),
            Dispatch::Paced(attempt) => attempt.as_mut().poll(cx),
            Dispatch::Failed(error) => Poll::Ready(Err(error.take().expect(ALREADY_RESOLVED))),
        });
        let AttemptGuards { load, continue_handle, span } = guards.take().expect(ALREADY_RESOLVED);
        let outcome = result.as_ref().map(Response::status).map_err(AttemptError::as_str);
        request_log.end_attempt(*number, outcome);
        span.end(outcome);
        settings.balancer.record_outcome(load.endpoint(), &result);
        Poll::Ready(
            result.map(|response| response.map(|body| UpstreamBody::new(body, load, continue_handle))),
        )
    }
}

/// An attempt that was sent to its endpoint.
pub(crate) enum InFlight {
    /// The attempt waits for the response head. The timeout ends at the earlier of the per-try timeout and
    /// the route's deadline.
    AwaitingHead { response: legacy::ResponseFuture, timeout: PooledTimeout },
    /// The gateway reads the start of the response body.
    Peeking(Pin<Box<dyn Future<Output = Response<MaybePeeked<Incoming>>> + Send>>),
}

impl InFlight {
    pub(crate) fn new(
        settings: &AttemptSettings,
        response: legacy::ResponseFuture,
        started: Instant,
        deadline: Instant,
    ) -> Self {
        let deadline = settings.per_try_timeout.map_or(deadline, |limit| deadline.min(started + limit));
        Self::AwaitingHead { response, timeout: settings.timers.sleep_until(deadline) }
    }

    fn poll(&mut self, settings: &AttemptSettings, cx: &mut Context<'_>) -> Poll<AttemptResult> {
        loop {
            match self {
                Self::AwaitingHead { response, timeout } => {
                    let response = match Pin::new(response).poll(cx) {
                        Poll::Ready(response) => response.map_err(AttemptError::Client)?,
                        Poll::Pending => {
                            ready!(Pin::new(timeout).poll(cx));
                            return Poll::Ready(Err(AttemptError::Timeout(io::ErrorKind::TimedOut.into())));
                        }
                    };
                    if !validate::has_valid_framing(response.headers()) {
                        return Poll::Ready(Err(AttemptError::Framing));
                    }
                    // The inspection happens below the endpoint's pace and the log, because both act on its
                    // result.
                    match llm::inspect(settings.inspection, response, timeout.deadline(), &settings.timers) {
                        Inspection::NotNeeded(response) => return Poll::Ready(Ok(response)),
                        Inspection::Running(peek) => *self = Self::Peeking(peek),
                    }
                }
                Self::Peeking(peek) => return peek.as_mut().poll(cx).map(Ok),
            }
        }
    }
}

const ALREADY_RESOLVED: &str = "the attempt's future is not polled after it has resolved";
