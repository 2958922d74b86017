//! The record of a request: its counts in the metrics, and its line in the access log.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, Request, StatusCode, Uri};
use tower_http_retry::RetryInfo;

use crate::connection::info::ConnectionInfo;
use crate::connection::limit::Permit;
use crate::connection::rejection::Rejection;
use crate::connection::timeouts::ActiveRequest;
use crate::message::headers;
use crate::proxy::fallback::FallbackSummary;
use crate::proxy::state::{Gateway, Route, Targets};
use crate::telemetry::RequestSpan;
use crate::telemetry::access_log::{self, AttemptLine, LogLine, RejectionLine};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::reason::FallbackReason;
use crate::telemetry::request_log::{AttemptRecord, RequestLog};
use crate::time::millis::millis;

/// The data of a request for the metrics and the access log. Dropping it counts the request and writes the
/// line: after the response, or when the client has gone.
pub(crate) struct RequestRecord {
    pub(crate) request_log: RequestLog,
    /// The route that matched the request.
    pub(crate) route: Option<Arc<Route>>,
    /// Status of the response. `None` if the client went away before it.
    pub(crate) status: Option<StatusCode>,
    pub(crate) info: Option<RetryInfo>,
    /// The limit for which the gateway rejected the request.
    pub(crate) rejection: Option<Rejection>,
    /// Permit of the upstream's `max_requests`.
    pub(crate) permit: Option<Permit>,
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
    ) -> Self {
        let summary = || {
            let host = headers::host_of(request).and_then(|host| Some(host.to_str().ok()?.to_owned()));
            let (method, uri) = (request.method().clone(), request.uri().clone());
            let client = gateway.trusted_proxies.client_ip(connection.ip(), request.headers());
            Box::new(RequestSummary { method, host, uri, client })
        };
        Self {
            request_log: RequestLog::new(gateway.logs_access, RequestSpan::new(request, connection)),
            route: None,
            status: None,
            info: None,
            rejection: None,
            permit: None,
            active_request: Some(active_request),
            fallback: None,
            metrics: Arc::clone(&gateway.metrics),
            summary: gateway.logs_access.then(summary),
        }
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

    fn waited(&self) -> Duration {
        let earlier = self.fallback.as_ref().map_or(Duration::ZERO, |fallback| fallback.waited);
        earlier + self.info.map_or(Duration::ZERO, |info| info.waited())
    }

    /// Counts the request at its upstream. The fallback has counted it at the upstreams that the request
    /// left.
    fn count(&self, route: &Route, status: u16) {
        let fallback = match &route.targets {
            Targets::Single(target) => {
                return target.counts.record_request(status, self.request_log.attempts(), self.info);
            }
            Targets::WithFallback(fallback) => fallback,
        };
        let (last, answered_by) = (self.request_log.target(), self.answered_by());
        let (counts, attempts) = (&fallback.target(last).counts, self.request_log.attempts_at(last));
        if last == answered_by {
            counts.record_request(status, attempts, self.info);
        } else {
            counts.record_attempts(attempts, self.info);
            fallback.target(answered_by).counts.record_response(status);
        }
    }
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        self.request_log.span().end(self.status);
        let status = self.status.map_or(CLIENT_CLOSED_REQUEST, |status| status.as_u16());
        let route = self.route.as_ref();
        if let Some(route) = route {
            self.count(route, status);
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
            endpoint: target(attempt)
                .map_or("", |target| target.settings.balancer.endpoints[attempt.endpoint as usize].name()),
            status: attempt.result.and_then(|result| Some(result.ok()?.as_u16())),
            error: attempt.result.and_then(Result::err),
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
            rejected: self.rejection.map(Rejection::as_str),
            took_ms: millis(self.request_log.started_at().elapsed()),
            waited_ms: millis(self.waited()),
            fallback: self.fallback.as_ref().and_then(|fallback| fallback.reason).map(FallbackReason::as_str),
            cause: self.info.and_then(|info| info.cause()).map(|cause| cause.as_str()),
            reason: self.info.and_then(|info| info.reason()).map(|reason| reason.as_str()),
            attempts: attempts.collect(),
        };
        access_log::write(&line);
    }
}

/// Counts and logs a connection that the gateway rejected before it read a request.
pub(crate) fn record_rejection(gateway: &Gateway, client: IpAddr, rejection: Rejection) {
    gateway.metrics.record_rejection(rejection);
    if gateway.logs_access {
        access_log::write(&RejectionLine {
            time: SystemTime::UNIX_EPOCH.elapsed().map_or(0, millis),
            client,
            status: rejection.status().as_u16(),
            rejected: rejection.as_str(),
        });
    }
}

/// The status that nginx logs if the client closed the connection before the response.
const CLIENT_CLOSED_REQUEST: u16 = 499;
