//! The response to a client: the outcome of the last attempt, or a local reply.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderName, HeaderValue, Response, StatusCode, Version, header};
use http_body_util::Either;
use pin_project_lite::pin_project;
use tower_http_retry::future::ResponseFuture as RetryFuture;
use tower_http_retry::grpc::GrpcCode;
use tower_http_retry::markers::{Concrete, Paced};
use tower_http_retry::{GiveUpReason, RetryInfo};

use crate::connection::rejection::Rejection;
use crate::llm::BodySignal;
use crate::message::forwarding;
use crate::message::grpc_call;
use crate::message::upgrade::Upgrade;
use crate::proxy::fallback::{FallbackOutcome, FallbackRequest};
use crate::proxy::local_reply::{self, LocalReply};
use crate::proxy::policy::GatewayPolicy;
use crate::proxy::record::RequestRecord;
use crate::proxy::recorded_body::RecordedBody;
use crate::proxy::response_version::set_version;
use crate::proxy::waiting::WaitingPermit;
use crate::telemetry::reason::FallbackReason;
use crate::telemetry::request_log::BodyFailure;
use crate::upstream::error::AttemptError;
use crate::upstream::pool::error::SendError;
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
        // `None` after the response, whose body has it.
        pub(crate) record: Option<Box<RequestRecord>>,
        pub(crate) upgrade: Option<Upgrade>,
        // Version of the request.
        pub(crate) version: Version,
        pub(crate) adds_explain_headers: bool,
    }

    impl PinnedDrop for ResponseFuture {
        // The record then tells why a request without a response waited.
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(record) = this.record {
                (record.info, record.pace_wait) = match &*this.target {
                    TargetFuture::Unpaced { response } => (response.info_so_far(), None),
                    TargetFuture::Paced { response } => (response.info_so_far(), response.pace_wait_so_far()),
                    TargetFuture::WithFallback { .. }
                    | TargetFuture::UnreadModel { .. }
                    | TargetFuture::ReadingModel { .. }
                    | TargetFuture::LocalReply { .. } => return,
                };
            }
        }
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
        /// The pace goes by a model that stands in the request's body, which the gateway reads at the first poll. `None`
        /// from then on.
        UnreadModel { request: Option<FallbackRequest> },
        /// The gateway waits for the part of the body that has the model. The request then goes to the target that this
        /// resolves with.
        ReadingModel { target: Pin<Box<dyn Future<Output = TargetFuture> + Send>> },
        /// The gateway answers the request itself and sends no attempt.
        LocalReply {
            reply: LocalReply,
            // Set if the connection closes after the reply.
            closes: bool,
        },
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<RecordedBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let record = this.record.as_mut().expect(ALREADY_RESOLVED);
        loop {
            let target = match (this.target.as_mut().project(), &record.route) {
                (TargetFutureProj::UnreadModel { request }, Some(route)) => match request.take() {
                    Some(request) => route.read_model(request, cx),
                    None => break,
                },
                (TargetFutureProj::ReadingModel { target }, _) => {
                    let Poll::Ready(target) = target.as_mut().poll(cx) else {
                        record.wait_for_body();
                        return Poll::Pending;
                    };
                    record.waiting = WaitingPermit::default();
                    target
                }
                _ => break,
            };
            this.target.set(target);
        }
        let (result, info) = match this.target.project() {
            TargetFutureProj::Unpaced { mut response } => match response.as_mut().poll(cx) {
                Poll::Ready(result) => {
                    (result.map(|response| response.map(UpstreamBody::from)), response.info())
                }
                Poll::Pending => (Err(ready!(record.poll_wait(cx, || None))), response.info_so_far()),
            },
            TargetFutureProj::Paced { response } => match response.as_mut().poll(cx) {
                Poll::Ready(result) => {
                    let result = result.map_err(AttemptError::from);
                    (result.map(|response| response.map(UpstreamBody::from)), response.info())
                }
                Poll::Pending => {
                    let error = ready!(record.poll_wait(cx, || response.pace_why()));
                    record.pace_wait = response.pace_wait_so_far();
                    (Err(error), response.info_so_far())
                }
            },
            TargetFutureProj::WithFallback { response } => match response.as_mut().poll(cx) {
                Poll::Ready(FallbackOutcome { result, info, summary }) => {
                    record.fallback = Some(Box::new(summary));
                    (result, info)
                }
                Poll::Pending => (Err(ready!(record.poll_wait(cx, || None))), None),
            },
            // The target that was read for is none that reads.
            TargetFutureProj::UnreadModel { .. } | TargetFutureProj::ReadingModel { .. } => {
                return Poll::Pending;
            }
            TargetFutureProj::LocalReply { reply, closes } => {
                let mut response = reply.response(record);
                reply.set_pushback(&mut response, record, false);
                if *closes {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                record.on_local_reply(&response);
                return Poll::Ready(Ok(recorded(response, this.record.take())));
            }
        };
        record.info = info;
        record.waiting = WaitingPermit::default();
        let has_unread_body = record.request_log.has_unread_body();
        if let Some(active_request) = record.active_request.as_ref().filter(|_| !has_unread_body) {
            active_request.set_unread_body(false);
        }
        match &result {
            Err(AttemptError::TooManyWaiters(_)) => record.rejection = Some(Rejection::Pending),
            Err(AttemptError::Shutdown) => record.rejection = Some(Rejection::Shutdown),
            Err(AttemptError::Overflow(_)) => record.rejection = Some(Rejection::Overflow),
            Err(AttemptError::Paced { rejection, .. }) => record.on_pace_rejection(*rejection),
            Err(_) => {}
            Ok(response) => record.pace_wait = response.extensions().get().copied(),
        }
        let mut local = None;
        let mut response = match result {
            Err(error) => match record.request_log.body_failure() {
                None => local.insert(local_reply::to_attempt_error(&error)).response(record),
                Some(failure) => {
                    let response = local.insert(local_reply::to_body_failure(failure)).response(record);
                    match failure {
                        BodyFailure::Timeout => record.rejection = Some(Rejection::BodyTimeout),
                        BodyFailure::TooSlow => record.rejection = Some(Rejection::BodyMinRate),
                        BodyFailure::Incomplete => {}
                        // The client has gone and reads no reply, so the record has none.
                        BodyFailure::Aborted => {
                            *this.record = None;
                            return Poll::Ready(Ok(recorded(response, None)));
                        }
                    }
                    response
                }
            },
            Ok(response)
                if response.status() == StatusCode::SWITCHING_PROTOCOLS && this.upgrade.is_none() =>
            {
                // The client did not ask for an upgrade, so it would read what follows as its next response.
                local
                    .insert(local_reply::to_attempt_error(
                        &AttemptError::Client(SendError::unasked_upgrade()),
                    ))
                    .response(record)
            }
            Ok(mut response) => {
                BodySignal::clear(&mut response);
                forwarding::response(&mut response);
                let mut active_request = record.active_request.take();
                if *this.version < Version::HTTP_2 {
                    set_version(&mut response, *this.version, has_unread_body, active_request.as_ref());
                }
                if let Some(upgrade) = this.upgrade.take() {
                    // A tunnel is a request in flight, and counts in all limits until it ends.
                    let guards = (response.status() == StatusCode::SWITCHING_PROTOCOLS)
                        .then(|| response.body_mut().take_guards());
                    active_request = upgrade.start_tunnel(&mut response, active_request, guards);
                }
                response.body_mut().attach(active_request);
                response.map(Either::Left)
            }
        };
        let gave_up = gave_up(&response, local, record, info);
        if gave_up {
            response.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if *this.adds_explain_headers {
            add_explain_headers(&mut response, record, info);
        }
        match local {
            Some(reply) => {
                reply.set_pushback(&mut response, record, gave_up);
                record.on_local_reply(&response);
            }
            None => record.on_response(&response),
        }
        Poll::Ready(Ok(recorded(response, this.record.take())))
    }
}

/// Hands the record of a request over to the body of its response.
fn recorded(response: Response<GatewayBody>, record: Option<Box<RequestRecord>>) -> Response<RecordedBody> {
    response.map(|body| RecordedBody::new(body, record))
}

/// Returns whether the gateway has done what retries can do for a request, so that its client should not retry it as well: it
/// tried more than once, or it gave up because of the pace, the budget or a limit of requests. The SDKs of OpenAI, Anthropic
/// and Stripe obey `x-should-retry: false`. Retries on two levels would multiply.
fn gave_up(
    response: &Response<GatewayBody>,
    local: Option<LocalReply>,
    record: &RequestRecord,
    info: Option<RetryInfo>,
) -> bool {
    let status = local.map_or(response.status(), |reply| reply.problem.status());
    // Nearly every response is a success. A gRPC call that failed has the status 200.
    let is_failed_call = || record.grpc_call.is_some() && is_failure(grpc_call::code(response.headers()));
    if status.as_u16() < 400 && (info.is_none() || !is_failed_call()) {
        return false;
    }
    match record.rejection {
        Some(Rejection::Overflow | Rejection::Pending) => return true,
        // The client itself was too slow.
        Some(_) => return false,
        None if record.pace_rejection.is_some() => return true,
        None => {}
    }
    let Some(info) = info else { return false };
    match info.reason() {
        Some(GiveUpReason::Budget | GiveUpReason::Pace | GiveUpReason::NotReady) => true,
        Some(GiveUpReason::Nested) => false,
        reason => info.attempts() > 1 && (reason.is_some() || local.is_some()),
    }
}

fn is_failure(code: Option<GrpcCode>) -> bool {
    code.is_some_and(|code| code != GrpcCode::Ok)
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

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-retry-attempts");
const UPSTREAM: HeaderName = HeaderName::from_static("x-retry-upstream");
const REASON: HeaderName = HeaderName::from_static("x-retry-reason");
const ALREADY_RESOLVED: &str = "the future is not polled after it has resolved";
