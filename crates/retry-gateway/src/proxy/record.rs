//! What is noted of each request: its counts, and one line of JSON with its attempts.

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
use crate::proxy::fallback::Fallen;
use crate::proxy::state::{Gateway, Legs, Route};
use crate::telemetry::RequestSpan;
use crate::telemetry::access_log::{self, AttemptLine, LogLine, RejectionLine};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::reason::FallbackReason;
use crate::telemetry::request_log::{AttemptRecord, RequestLog};
use crate::time::millis::millis;

/// What is known of a request when it is answered, or when its client is gone. Dropping it counts the
/// request and writes the line.
pub(crate) struct Record {
    pub(crate) request_log: RequestLog,
    /// The route that took it.
    pub(crate) route: Option<Arc<Route>>,
    /// `None` where nobody waited for the answer.
    pub(crate) status: Option<StatusCode>,
    pub(crate) info: Option<RetryInfo>,
    /// Where it was a limit that was met.
    pub(crate) rejection: Option<Rejection>,
    /// Its place at the upstream.
    pub(crate) seat: Option<Permit>,
    /// On its connection.
    pub(crate) turn: Option<ActiveRequest>,
    /// What else became of one that could go to another upstream.
    pub(crate) fallen: Option<Box<Fallen>>,
    metrics: Arc<Metrics>,
    head: Option<Box<Head>>,
}

/// What the log says of the request itself. No query: it may hold secrets.
struct Head {
    method: Method,
    host: Option<String>,
    uri: Uri,
    client: IpAddr,
}

impl Record {
    /// Keeps nothing of the head where nothing is logged.
    pub(crate) fn new<B>(
        gateway: &Gateway,
        request: &Request<B>,
        downstream: &ConnectionInfo,
        turn: ActiveRequest,
    ) -> Self {
        let head = || {
            let host = headers::host_of(request).and_then(|host| Some(host.to_str().ok()?.to_owned()));
            let (method, uri) = (request.method().clone(), request.uri().clone());
            let client = gateway.trust.client_ip(downstream.ip(), request.headers());
            Box::new(Head { method, host, uri, client })
        };
        Self {
            request_log: RequestLog::new(gateway.logs_access, RequestSpan::new(request, downstream)),
            route: None,
            status: None,
            info: None,
            rejection: None,
            seat: None,
            turn: Some(turn),
            fallen: None,
            metrics: Arc::clone(&gateway.metrics),
            head: gateway.logs_access.then(head),
        }
    }
}

impl Record {
    /// The number of the upstream that answered, or had the request last.
    pub(crate) fn answered(&self) -> usize {
        self.fallen.as_ref().map_or_else(|| self.request_log.target(), |fallen| fallen.answered)
    }

    /// The name of that, where there are several.
    pub(crate) fn one_of_several(&self) -> Option<&str> {
        let route = self.route.as_ref()?;
        route.legs.are_several().then(|| route.legs.leg(self.answered()).name.as_str())
    }

    fn waited(&self) -> Duration {
        let before = self.fallen.as_ref().map_or(Duration::ZERO, |fallen| fallen.waited);
        before + self.info.map_or(Duration::ZERO, |info| info.waited())
    }

    /// Those upstreams that the request left have been counted.
    fn count(&self, route: &Route, status: u16) {
        let fallback = match &route.legs {
            Legs::One(leg) => {
                return leg.counts.record_request(status, self.request_log.attempts(), self.info);
            }
            Legs::Several(fallback) => fallback,
        };
        let (last, answered) = (self.request_log.target(), self.answered());
        let (counts, attempts) = (&fallback.leg(last).counts, self.request_log.attempts_at(last));
        if last == answered {
            counts.record_request(status, attempts, self.info);
        } else {
            counts.record_attempts(attempts, self.info);
            fallback.leg(answered).counts.record_response(status);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.request_log.span().end(self.status);
        let status = self.status.map_or(CLIENT_GONE, |status| status.as_u16());
        let route = self.route.as_ref();
        if let Some(route) = route {
            self.count(route, status);
        }
        if let Some(rejection) = self.rejection {
            self.metrics.record_rejection(rejection);
        }
        let Some(head) = &self.head else {
            return;
        };
        let records = self.request_log.records();
        let is_one_of_several = route.is_some_and(|route| route.legs.are_several());
        let leg = |record: &AttemptRecord| route.map(|route| route.legs.leg(record.target.into()));
        let attempts = records.iter().map(|record| AttemptLine {
            upstream: leg(record).filter(|_| is_one_of_several).map(|leg| leg.name.as_str()),
            endpoint: leg(record)
                .map_or("", |leg| leg.way.upstream.endpoints[record.endpoint as usize].name()),
            status: record.result.and_then(|result| Some(result.ok()?.as_u16())),
            error: record.result.and_then(Result::err),
            at_ms: millis(record.at),
            took_ms: record.took.map(millis),
        });
        let line = LogLine {
            time: SystemTime::UNIX_EPOCH.elapsed().map_or(0, millis),
            client: head.client,
            method: head.method.as_str(),
            host: head.host.as_deref(),
            path: head.uri.path(),
            upstream: route.map(|route| route.legs.leg(self.answered()).name.as_str()),
            status,
            rejected: self.rejection.map(Rejection::as_str),
            took_ms: millis(self.request_log.started_at().elapsed()),
            waited_ms: millis(self.waited()),
            fallback: self.fallen.as_ref().and_then(|fallen| fallen.why).map(FallbackReason::as_str),
            cause: self.info.and_then(|info| info.cause()).map(|cause| cause.as_str()),
            reason: self.info.and_then(|info| info.reason()).map(|reason| reason.as_str()),
            attempts: attempts.collect(),
        };
        access_log::write(&line);
    }
}

/// Counts and notes a client that was turned away before there was a request.
pub(crate) fn reject(gateway: &Gateway, client: IpAddr, rejection: Rejection) {
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

const CLIENT_GONE: u16 = 499;
