//! The record of a request: its counts in the metrics, and its line in the access log.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_retry::Why;
use tower_http_retry::RetryInfo;
use tower_http_retry::grpc::GrpcCode;
use tower_http_retry::pace::{PaceRejection, PaceWait};

use crate::connection::info::ConnectionInfo;
use crate::connection::rejection::Rejection;
use crate::connection::timeouts::ActiveRequest;
use crate::message::grpc_call::{self, GrpcCall};
use crate::message::headers;
use crate::proxy::fallback::FallbackSummary;
use crate::proxy::state::{Gateway, Route, Targets};
use crate::proxy::waiting::WaitingPermit;
use crate::telemetry::RequestSpan;
use crate::telemetry::access_log::{self, AttemptLine, LogLine};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::reason::FallbackReason;
use crate::telemetry::request_log::{AttemptRecord, RequestLog};
use crate::telemetry::response_end::{ResponseEnd, ResponseSummary};
use crate::telemetry::upstream_counters::CLIENT_CLOSED_REQUEST;
use crate::time::millis::millis;
use crate::upstream::error::AttemptError;

/// The data of a request for the metrics and the access log. The request is counted with the head of its response,
/// or when the client has gone before. Dropping the record writes the line: after the body of the response, or when
/// the client has gone.
///
/// It is boxed, because it moves with the request from stage to stage.
pub(crate) struct RequestRecord {
    pub(crate) request_log: RequestLog,
    /// The route that matched the request.
    pub(crate) route: Option<Arc<Route>>,
    /// Status of the response. `None` if the client went away before it.
    status: Option<StatusCode>,
    /// Time from the request's arrival to that head, if the access log is on.
    took: Option<Duration>,
    response: Option<ResponseSummary>,
    /// Set if the request is a gRPC call.
    pub(crate) grpc_call: Option<GrpcCall>,
    /// The code with which the call ended, as its client sees it.
    grpc_code: Option<GrpcCode>,
    /// Set if the response is a reply of the gateway's own.
    is_local_reply: bool,
    pub(crate) info: Option<RetryInfo>,
    /// The limit for which the gateway rejected the request.
    pub(crate) rejection: Option<Rejection>,
    /// The wait for the pace of the target that answered, if the request waited.
    pub(crate) pace_wait: Option<PaceWait>,
    pub(crate) pace_rejection: Option<PaceRejection>,
    /// The permit of the request while it waits, where the route has one upstream.
    pub(crate) waiting: WaitingPermit,
    /// Resolves when a shutdown is about to end. `None` while the request does not wait.
    shutdown_end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Marks the client's connection as busy.
    pub(crate) active_request: Option<ActiveRequest>,
    /// Set if the route has a fallback and the request has ended.
    pub(crate) fallback: Option<Box<FallbackSummary>>,
    metrics: Arc<Metrics>,
    /// `None` if the access log is off.
    summary: Option<Box<RequestSummary>>,
}

/// The parts of a request's head for the access log. The log leaves out the query, because it may hold
/// secrets.
struct RequestSummary {
    method: Method,
    host: Option<String>,
    uri: Uri,
    client: IpAddr,
}

impl RequestRecord {
    pub(crate) fn new<B>(
        gateway: &Gateway,
        request: &Request<B>,
        connection: &ConnectionInfo,
        active_request: ActiveRequest,
    ) -> Box<Self> {
        let summary = || {
            let host = headers::host_of(request).and_then(|host| Some(host.to_str().ok()?.to_owned()));
            let (method, uri) = (request.method().clone(), request.uri().clone());
            let client = gateway.trusted_proxies.client_ip(connection.ip(), request.headers());
            Box::new(RequestSummary { method, host, uri, client })
        };
        Box::new(Self {
            request_log: RequestLog::new(gateway.logs_access, RequestSpan::new(request, connection)),
            route: None,
            status: None,
            took: None,
            response: None,
            grpc_call: GrpcCall::of_request(request),
            grpc_code: None,
            is_local_reply: false,
            info: None,
            rejection: None,
            pace_wait: None,
            pace_rejection: None,
            waiting: WaitingPermit::default(),
            shutdown_end: None,
            active_request: Some(active_request),
            fallback: None,
            metrics: Arc::clone(&gateway.metrics),
            summary: gateway.logs_access.then(summary),
        })
    }
}

impl RequestRecord {
    /// Returns the index of the target that answered, or else of the last one that the request went to.
    pub(crate) fn answered_by(&self) -> usize {
        self.fallback.as_ref().map_or_else(|| self.request_log.target(), |fallback| fallback.answered_by)
    }

    /// Returns the name of that target's upstream if the route has several.
    pub(crate) fn upstream_among_several(&self) -> Option<&str> {
        let targets = &self.route.as_ref()?.targets;
        targets.has_fallback().then(|| targets.get(self.answered_by()).name.as_str())
    }

    /// Counts a request without an outcome among the pending requests, unless it is at an endpoint. `pace_why` tells what it
    /// waits for at the pace of its upstream. Resolves with an error if it may not wait, or not any longer.
    #[inline]
    pub(crate) fn poll_wait(
        &mut self,
        cx: &mut Context<'_>,
        pace_why: impl FnOnce() -> Option<Why>,
    ) -> Poll<AttemptError> {
        if let Some(Targets::Single(target)) = self.route.as_ref().map(|route| &route.targets)
            && let Err(error) = self.waiting.update(&self.request_log, target, pace_why)
        {
            return Poll::Ready(error);
        }
        if self.request_log.waits_for().is_none() {
            self.shutdown_end = None;
            return Poll::Pending;
        }
        self.poll_shutdown_end(cx)
    }

    /// Counts the request as pending while it waits for the part of its body that names the model.
    pub(crate) fn wait_for_body(&mut self) {
        if let Some(route) = &self.route {
            self.waiting.wait_for_body(route.targets.get(0));
        }
    }

    /// Resolves with an error when a shutdown is about to end.
    #[inline(never)]
    fn poll_shutdown_end(&mut self, cx: &mut Context<'_>) -> Poll<AttemptError> {
        let Some(active_request) = &self.active_request else { return Poll::Pending };
        let end =
            self.shutdown_end.get_or_insert_with(|| Box::pin(active_request.shutdown_end().announced()));
        end.as_mut().poll(cx).map(|()| AttemptError::Shutdown)
    }

    /// Returns whether the gateway stopped before the request had a response.
    fn is_cut_by_shutdown(&self) -> bool {
        let is_at_end =
            || self.active_request.as_ref().is_some_and(|active| active.shutdown_end().is_announced());
        self.status.is_none() && self.request_log.body_failure().is_none() && is_at_end()
    }

    /// Records that the client gets the rejection of the pace of the last target. A request that left a target because of its
    /// pace counts among the fallbacks.
    pub(crate) fn on_pace_rejection(&mut self, rejection: PaceRejection) {
        self.pace_rejection = Some(rejection);
        if let Some(route) = &self.route {
            route.targets.get(self.answered_by()).counts.record_pace_rejection(rejection);
        }
    }

    /// Counts the request, to which the gateway replies itself.
    pub(crate) fn on_local_reply<B>(&mut self, response: &Response<B>) {
        self.is_local_reply = true;
        self.on_response(response);
    }

    /// Counts the request, whose response begins with this head.
    pub(crate) fn on_response<B>(&mut self, response: &Response<B>) {
        let status = response.status();
        self.status = Some(status);
        self.note_grpc_code(response.headers());
        self.took = self.summary.is_some().then(|| self.request_log.started_at().elapsed());
        if let Some(route) = &self.route {
            self.count(route, status.as_u16());
        }
    }

    /// Records the code of a gRPC call, if this head or these trailers have it.
    pub(crate) fn note_grpc_code(&mut self, headers: &HeaderMap) {
        if self.grpc_call.is_some() {
            self.grpc_code = grpc_call::code(headers).or(self.grpc_code);
        }
    }

    /// Ends the record with the end of the response's body.
    pub(crate) fn end(&mut self, response: ResponseSummary) {
        // A body that the other side of a 101 has read is none of HTTP.
        self.response = (self.status != Some(StatusCode::SWITCHING_PROTOCOLS)).then_some(response);
        if let Some(route) = self.route.as_ref().filter(|_| response.end != ResponseEnd::Whole) {
            route.targets.get(self.answered_by()).counts.record_cut(response.end);
        }
    }

    fn waited(&self) -> Duration {
        let earlier = self.fallback.as_ref().map_or(Duration::ZERO, |fallback| fallback.waited);
        earlier + self.info.map_or(Duration::ZERO, |info| info.waited())
    }

    /// Counts the request at its upstream. The fallback has counted it at the upstreams that the request
    /// left.
    fn count(&self, route: &Route, status: u16) {
        // A reply of the gateway's own to a gRPC call has the status 200.
        let is_answered = status < 500 && status != CLIENT_CLOSED_REQUEST && !self.is_local_reply;
        let fallback = match &route.targets {
            Targets::Single(target) => {
                let attempts = self.request_log.attempts();
                return target.counts.record_request(status, is_answered, attempts, self.info);
            }
            Targets::WithFallback(fallback) => fallback,
        };
        let (last, answered_by) = (self.request_log.target(), self.answered_by());
        let (counts, attempts) = (&fallback.target(last).counts, self.request_log.attempts_at(last));
        if last == answered_by {
            counts.record_request(status, is_answered, attempts, self.info);
        } else {
            counts.record_attempts(attempts, self.info);
            fallback.target(answered_by).counts.record_response(status);
        }
    }
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        // An upload that goes on after the response is bounded again.
        self.request_log.clock().set_responding(false);
        let code = self.grpc_code.map(GrpcCode::as_str);
        self.request_log.span().end(self.status, code, self.pace_wait, self.response);
        let mut status = self.status.map_or(CLIENT_CLOSED_REQUEST, |status| status.as_u16());
        if self.is_cut_by_shutdown() {
            self.rejection = Some(Rejection::Shutdown);
            status = Rejection::Shutdown.status().as_u16();
        }
        let route = self.route.as_ref();
        if let (Some(route), None) = (route, self.status) {
            self.count(route, status);
        }
        if let (Some(route), Some(code)) = (route, self.grpc_code) {
            route.targets.get(self.answered_by()).counts.record_grpc_code(code);
        }
        if let Some(rejection) = self.rejection {
            self.metrics.record_rejection(rejection);
        }
        let Some(summary) = &self.summary else {
            return;
        };
        let attempts = self.request_log.records();
        let has_fallback = route.is_some_and(|route| route.targets.has_fallback());
        let target = |attempt: &AttemptRecord| route.map(|route| route.targets.get(attempt.target.into()));
        let attempts = attempts.iter().map(|attempt| AttemptLine {
            upstream: target(attempt).filter(|_| has_fallback).map(|target| target.name.as_str()),
            endpoint: &attempt.endpoint,
            status: attempt.result.and_then(|result| Some(result.ok()?.as_u16())),
            error: attempt.result.and_then(Result::err),
            detail: attempt.detail.as_deref(),
            at_ms: millis(attempt.at),
            took_ms: attempt.took.map(millis),
        });
        let line = LogLine {
            time: SystemTime::UNIX_EPOCH.elapsed().map_or(0, millis),
            client: summary.client,
            method: summary.method.as_str(),
            host: summary.host.as_deref(),
            path: summary.uri.path(),
            upstream: route.map(|route| route.targets.get(self.answered_by()).name.as_str()),
            status,
            grpc_status: self.grpc_code.map(|code| code as u8),
            rejected: self.rejection.map(Rejection::as_str),
            took_ms: millis(self.took.unwrap_or_else(|| self.request_log.started_at().elapsed())),
            response_end: self.response.map(|response| response.end.as_str()),
            response_bytes: self.response.map(|response| response.bytes),
            waited_ms: millis(self.waited()),
            paced: self
                .pace_rejection
                .map(PaceRejection::as_str)
                .or_else(|| Some(self.pace_wait?.why().as_str())),
            paced_ms: self.pace_wait.map(|wait| millis(wait.waited())),
            fallback: self.fallback.as_ref().and_then(|fallback| fallback.reason).map(FallbackReason::as_str),
            cause: self.info.and_then(|info| info.cause()).map(|cause| cause.as_str()),
            reason: self.info.and_then(|info| info.reason()).map(|reason| reason.as_str()),
            attempts: attempts.collect(),
        };
        access_log::write(&line);
    }
}
