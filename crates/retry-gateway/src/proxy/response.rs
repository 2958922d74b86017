//! The response to a client: the outcome of the last attempt, or a local reply.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Either;
use pin_project_lite::pin_project;
use tower_http_retry::failure::failure_kind_assuming_sent;
use tower_http_retry::future::ResponseFuture as RetryFuture;
use tower_http_retry::markers::{Concrete, Paced};
use tower_http_retry::pace::PaceRejection;
use tower_http_retry::{FailureKind, RetryInfo};

use crate::connection::rejection::Rejection;
use crate::llm::BodySignal;
use crate::message::forwarding;
use crate::message::problem::ProblemDetails;
use crate::message::upgrade::Upgrade;
use crate::proxy::fallback::FallbackOutcome;
use crate::proxy::policy::GatewayPolicy;
use crate::proxy::record::RequestRecord;
use crate::telemetry::reason::FallbackReason;
use crate::telemetry::request_log::RequestLog;
use crate::upstream::error::AttemptError;
use crate::upstream::request_body::RequestBody;
use crate::upstream::response_body::{GatewayBody, UpstreamBody};
use crate::upstream::service::AttemptService;

pin_project! {
    /// Resolves with the response to a request.
    ///
    /// It is written by hand, because an `async` block would hold all of it twice, and it is moved a few
    /// times before it is polled.
    pub(crate) struct ResponseFuture {
        #[pin]
        pub(crate) target: TargetFuture,
        pub(crate) record: RequestRecord,
        pub(crate) upgrade: Option<Upgrade>,
        pub(crate) is_http1: bool,
        pub(crate) adds_explain_headers: bool,
    }
}

pin_project! {
    /// The response of a route's target, or the parts of a local reply.
    #[project = TargetFutureProj]
    pub(crate) enum TargetFuture {
        Unpaced { #[pin] response: RetryFuture<AttemptService, GatewayPolicy, RequestBody> },
        Paced { response: Pin<Box<RetryFuture<AttemptService, GatewayPolicy, RequestBody, Concrete, Paced>>> },
        /// The request goes to one target after the other.
        WithFallback { response: Pin<Box<dyn Future<Output = FallbackOutcome> + Send>> },
        /// The gateway answers the request itself and sends no attempt.
        LocalReply { problem: ProblemDetails, detail: &'static str },
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<GatewayBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (result, info) = match this.target.project() {
            TargetFutureProj::Unpaced { mut response } => {
                let result = ready!(response.as_mut().poll(cx));
                (result.map(|response| response.map(UpstreamBody::from)), response.info())
            }
            TargetFutureProj::Paced { response } => {
                let result = ready!(response.as_mut().poll(cx)).map_err(AttemptError::from);
                (result.map(|response| response.map(UpstreamBody::from)), response.info())
            }
            TargetFutureProj::WithFallback { response } => {
                let FallbackOutcome { result, info, permit, summary } = ready!(response.as_mut().poll(cx));
                (this.record.permit, this.record.fallback) = (permit, Some(Box::new(summary)));
                if let Err(AttemptError::Overflow) = result {
                    this.record.rejection = Some(Rejection::Overflow);
                }
                (result, info)
            }
            TargetFutureProj::LocalReply { problem, detail } => {
                let mut response = local_reply(*problem, detail, &this.record.request_log);
                if *this.is_http1 {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                this.record.status = Some(response.status());
                return Poll::Ready(Ok(response));
            }
        };
        this.record.info = info;
        let mut response = match result {
            Err(_) if this.record.request_log.body_timed_out() => {
                this.record.rejection = Some(Rejection::BodyTimeout);
                let detail = "the client sent no part of the request body for limits.body_timeout";
                local_reply(ProblemDetails::BodyTimeout, detail, &this.record.request_log)
            }
            // The client has gone, or it has closed its half of the connection and still reads.
            Err(_) if this.record.request_log.body_aborted() => {
                let detail = "the request body is incomplete";
                return Poll::Ready(Ok(local_reply(
                    ProblemDetails::BadRequest,
                    detail,
                    &this.record.request_log,
                )));
            }
            Err(error) => error_reply(&error, &this.record.request_log),
            Ok(response)
                if response.status() == StatusCode::SWITCHING_PROTOCOLS && this.upgrade.is_none() =>
            {
                // The client did not ask for an upgrade, so it would read what follows as its next response.
                error_reply(&AttemptError::Framing, &this.record.request_log)
            }
            Ok(mut response) => {
                BodySignal::clear(&mut response);
                forwarding::response(&mut response);
                if *this.is_http1 && response.body().is_early() {
                    // hyper closes the connection, because the client may send its body after this response.
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                let mut active_request = this.record.active_request.take();
                if let Some(upgrade) = this.upgrade.take() {
                    active_request = upgrade.start_tunnel(&mut response, active_request);
                }
                response.body_mut().attach(this.record.permit.take(), active_request);
                response.map(Either::Left)
            }
        };
        if *this.adds_explain_headers {
            add_explain_headers(&mut response, this.record, info);
        }
        this.record.status = Some(response.status());
        Poll::Ready(Ok(response))
    }
}

/// Adds the number of attempts, the upstream and the reason to a response.
fn add_explain_headers(
    response: &mut Response<GatewayBody>,
    record: &RequestRecord,
    info: Option<RetryInfo>,
) {
    let headers = response.headers_mut();
    headers.insert(ATTEMPTS, HeaderValue::from(record.request_log.attempts()));
    let upstream = record.upstream_among_several();
    if let Some(name) = upstream.and_then(|name| HeaderValue::from_str(name).ok()) {
        headers.insert(UPSTREAM, name);
    }
    let give_up = info.and_then(|info| info.reason()).map(|reason| reason.as_str());
    let cause = info.and_then(|info| info.cause()).map(|cause| cause.as_str());
    let fallback = record.fallback.as_ref().and_then(|fallback| fallback.reason).map(FallbackReason::as_str);
    if let Some(reason) = give_up.or(cause).or(fallback) {
        headers.insert(REASON, HeaderValue::from_static(reason));
    }
}

/// Returns the reply to a request whose last attempt got no response.
fn error_reply(error: &AttemptError, request_log: &RequestLog) -> Response<GatewayBody> {
    const TIMEOUT: &str = "the upstream sent no response within per_try_timeout or timeout";
    let (problem, detail) = match error {
        AttemptError::Paced(PaceRejection::Deadline) => {
            (ProblemDetails::Paced, "the upstream asked for a wait beyond the route's timeout")
        }
        AttemptError::Paced(PaceRejection::Keys) => {
            (ProblemDetails::Paced, "the keys limit of the upstream's pace is reached")
        }
        AttemptError::Paced(_) => {
            (ProblemDetails::Paced, "the waiters limit of the upstream's pace is reached")
        }
        AttemptError::Timeout(_) => (ProblemDetails::Timeout, TIMEOUT),
        AttemptError::Framing => {
            (ProblemDetails::Disconnected, "the end of the upstream's response is ambiguous")
        }
        AttemptError::Overflow => (ProblemDetails::Overflow, MAX_REQUESTS_REACHED),
        AttemptError::Target => (ProblemDetails::BadRequest, "invalid request target"),
        AttemptError::Client(_) => match failure_kind_assuming_sent(error) {
            FailureKind::NeverSent => (ProblemDetails::Unreachable, "the upstream could not be reached"),
            FailureKind::Unprocessed => {
                (ProblemDetails::Unreachable, "the upstream did not process the request")
            }
            FailureKind::Timeout => (ProblemDetails::Timeout, TIMEOUT),
            FailureKind::Permanent => (
                ProblemDetails::Unusable,
                "the connection to the upstream fails each time, as with an untrusted certificate",
            ),
            _ => (ProblemDetails::Disconnected, "the connection to the upstream failed before the response"),
        },
    };
    local_reply(problem, detail, request_log)
}

fn local_reply(problem: ProblemDetails, detail: &str, request_log: &RequestLog) -> Response<GatewayBody> {
    problem.response(detail, request_log.attempts()).map(Either::Right)
}

/// The detail of a reply when no upstream of the route has a permit left.
pub(crate) const MAX_REQUESTS_REACHED: &str = "the upstream's max_requests limit is reached";
const ATTEMPTS: HeaderName = HeaderName::from_static("x-retry-attempts");
const UPSTREAM: HeaderName = HeaderName::from_static("x-retry-upstream");
const REASON: HeaderName = HeaderName::from_static("x-retry-reason");
