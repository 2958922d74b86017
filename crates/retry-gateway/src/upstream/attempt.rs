//! One attempt at one endpoint, from the send of its request to the head of its response.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Response, StatusCode};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};
use tower_http_retry::PaceLayer;
use tower_http_retry::grpc::GrpcCode;

use crate::connection::wait_reason::WaitReason;
use crate::telemetry::AttemptSpan;
use crate::telemetry::request_log::RequestLog;
use crate::upstream::endpoint::LoadGuard;
use crate::upstream::error::AttemptError;
use crate::upstream::expect_continue::ContinueHandle;
use crate::upstream::grpc_trailers;
use crate::upstream::in_flight::{AttemptResult, InFlight};
use crate::upstream::pool::EndpointRequest;
use crate::upstream::pool::error::SendError;
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
    /// Taken when the future resolves. `None` if no endpoint was asked.
    pub(crate) guards: Option<AttemptGuards>,
    /// Makes another attempt of an upgrade, which the retry layer sends once. Its head is lost with the attempt.
    pub(crate) redispatch: Option<Redispatch>,
}

/// Makes another attempt.
pub(crate) type Redispatch = Box<dyn FnOnce() -> AttemptFuture + Send>;

impl AttemptFuture {
    /// Creates the future of a request that is no attempt, because it is not sent.
    pub(crate) fn not_sent(
        settings: Arc<AttemptSettings>,
        request_log: RequestLog,
        error: AttemptError,
    ) -> Self {
        Self::without_endpoint(settings, request_log, Dispatch::Failed(Some(error)))
    }

    /// Creates the future of an attempt that starts when `wait` resolves.
    pub(crate) fn waiting(
        settings: Arc<AttemptSettings>,
        request_log: RequestLog,
        wait: impl Future<Output = Result<Self, AttemptError>> + Send + 'static,
    ) -> Self {
        Self::without_endpoint(settings, request_log, Dispatch::Waiting(Box::pin(wait)))
    }

    fn without_endpoint(settings: Arc<AttemptSettings>, request_log: RequestLog, dispatch: Dispatch) -> Self {
        Self { settings, request_log, number: 0, dispatch, guards: None, redispatch: None }
    }
}

/// Holds the resources of an attempt until its response arrives. The response body holds them from then on.
pub(crate) struct AttemptGuards {
    pub(crate) load: LoadGuard,
    pub(crate) continue_handle: Option<ContinueHandle>,
    pub(crate) span: AttemptSpan,
    /// Set if the request asks for another protocol.
    pub(crate) is_upgrade: bool,
}

/// The send of an attempt, with or without a pace of its endpoint.
pub(crate) enum Dispatch {
    Unpaced(InFlight),
    /// The attempt waits for the endpoint's pace first. The future is boxed, because most endpoints have no
    /// pace.
    Paced(Pin<Box<dyn Future<Output = AttemptResult> + Send>>),
    /// The attempt waits for an endpoint that takes a connection, or for a permit. The future is boxed, because that is rare.
    Waiting(Pin<Box<dyn Future<Output = Result<AttemptFuture, AttemptError>> + Send>>),
    /// The attempt failed before the send. The error is taken when the future resolves.
    Failed(Option<AttemptError>),
}

impl Dispatch {
    /// Creates an attempt that waits for `pace` until `wait_deadline` at most. `deadline` bounds the attempt, by
    /// the request's clock.
    pub(crate) fn paced(
        settings: &Arc<AttemptSettings>,
        request_log: &RequestLog,
        load: &LoadGuard,
        pace: PaceLayer,
        request: EndpointRequest,
        wait_deadline: Instant,
        deadline: Instant,
    ) -> Self {
        let (settings, request_log) = (Arc::clone(settings), request_log.clone());
        let endpoint = Arc::clone(load.endpoint());
        let is_resend = request_log.attempts() > 1;
        Self::Paced(Box::pin(async move {
            request_log.set_waits_for(Some(WaitReason::Pace));
            let max_wait = wait_deadline.saturating_duration_since(Instant::now());
            let send = service_fn(async |mut request: EndpointRequest| {
                if Instant::now() >= deadline + request_log.clock().stopped_for() {
                    return Err(AttemptError::Timeout(io::ErrorKind::TimedOut.into()));
                }
                let permit = match settings.limit.try_acquire() {
                    None if is_resend => settings.acquire_until(wait_deadline, &request_log).await?,
                    permit => permit.ok_or_else(AttemptError::overflow)?,
                };
                settings.shorten_grpc_timeout(request.headers_mut(), &request_log);
                let now = Instant::now();
                let response = endpoint.send(request, permit, now);
                let mut attempt = InFlight::new(&settings, &request_log, response, now, deadline);
                let (response, permit) = poll_fn(|cx| attempt.poll(&settings, &request_log, cx)).await?;
                Ok(response.map(|body| (body, permit)))
            });
            let response = pace.max_wait(max_wait).layer(send).oneshot(request).await?;
            let (head, (body, permit)) = response.into_parts();
            Ok((Response::from_parts(head, body), permit))
        }))
    }
}

impl Future for AttemptFuture {
    type Output = Result<Response<UpstreamBody>, AttemptError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Dispatch::Waiting(wait) = &mut self.dispatch {
            match ready!(wait.as_mut().poll(cx)) {
                Ok(attempt) => *self = attempt,
                Err(error) => {
                    self.request_log.set_waits_for(Some(WaitReason::Backoff));
                    return Poll::Ready(Err(error));
                }
            }
        }
        let Self { settings, request_log, number, dispatch, guards, redispatch } = &mut *self;
        let mut result = ready!(match dispatch {
            Dispatch::Unpaced(attempt) => attempt.poll(settings, request_log, cx),
            Dispatch::Paced(attempt) => attempt.as_mut().poll(cx),
            // An attempt that has waited does not wait again.
            Dispatch::Waiting(_) => Poll::Ready(Err(AttemptError::down())),
            Dispatch::Failed(error) => Poll::Ready(Err(error.take().expect(ALREADY_RESOLVED))),
        });
        let Some(AttemptGuards { mut load, continue_handle, span, is_upgrade }) = guards.take() else {
            return Poll::Ready(Err(result.err().unwrap_or_else(AttemptError::overflow)));
        };
        // An upload that its client did not finish says nothing about the endpoint.
        let is_clients_fault = result.is_err() && request_log.body_failure().is_some();
        let status = result.as_ref().map(|(response, _)| response.status());
        if is_clients_fault {
            result = Err(AttemptError::upload());
        } else if !is_upgrade && matches!(status, Ok(StatusCode::SWITCHING_PROTOCOLS)) {
            // A client that did not ask for an upgrade would read what follows as its next response.
            result = Err(AttemptError::Client(SendError::unasked_upgrade()));
        }
        if !is_clients_fault {
            let response = result.as_ref().map(|(response, _)| response);
            let code = response.ok().filter(|_| settings.is_grpc).and_then(grpc_trailers::failure);
            let status = response.map(|response| match code {
                // Outlier detection knows statuses only.
                Some(GrpcCode::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
                _ => response.status(),
            });
            let outcome = code.map_or(status.map_err(AttemptError::as_str), |code| Err(code.as_str()));
            request_log.end_attempt(*number, outcome);
            if let Err(AttemptError::Client(error)) = &result {
                request_log.set_detail(*number, error);
            }
            span.end(outcome);
            settings.balancer.record_outcome(&mut load, status);
        }
        // If the retry layer does not resolve now, it waits for the resend.
        request_log.set_waits_for(Some(WaitReason::Backoff));
        // From here on the request waits for no bytes of its body, until another attempt reads it.
        request_log.clock().start();
        request_log.clock().set_responding(result.is_ok());
        Poll::Ready(match result {
            Ok((mut response, permit)) => {
                settings.balancer.mark_if_last(&mut response, request_log);
                let is_tunnel = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                Ok(response.map(|body| UpstreamBody::new(body, load, continue_handle, permit, is_tunnel)))
            }
            Err(error) if error.is_never_sent() && settings.has_other_endpoint(request_log) => {
                match redispatch.take().filter(|_| settings.balancer.has_untried(request_log)) {
                    Some(redispatch) => {
                        *self = redispatch();
                        return self.poll(cx);
                    }
                    None => Err(AttemptError::Redispatch(Box::new(error))),
                }
            }
            Err(error) => Err(error),
        })
    }
}

const ALREADY_RESOLVED: &str = "the attempt's future is not polled after it has resolved";
