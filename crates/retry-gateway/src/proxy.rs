//! One request through the gateway: find its route, send it on, answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, Version, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::time::Instant;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;
use tower_http_retry::{FailureKind, PaceError, Refusal, ReplayMemory, RetryInfo};

use crate::access::Record;
use crate::admin::Status;
use crate::assemble::Shared;
use crate::body::UpstreamBody;
use crate::forward::{self, Downstream};
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::trail::Trail;
use crate::tunnel::Tunnel;
use crate::upstream::{AttemptError, Began};
use crate::{config, route};

/// What is sent to a client: an upstream's body, or one of the gateway's own.
pub(crate) type GatewayBody = Either<UpstreamBody, Full<Bytes>>;

/// Sends a request through all its attempts.
pub(crate) type RouteService =
    BoxCloneSyncService<Request<Incoming>, Response<UpstreamBody>, PaceError<AttemptError>>;

/// The gateway: its routes, in the order in which they are tried.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) routes: Vec<Route>,
    pub(crate) upstreams: BTreeMap<String, Shared>,
    pub(crate) memory: ReplayMemory,
    pub(crate) metrics: Metrics,
    pub(crate) is_draining: AtomicBool,
    pub(crate) logs_access: bool,
}

/// Where requests of one kind go, and how.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) config: config::Route,
    pub(crate) upstream: Arc<str>,
    pub(crate) service: RouteService,
    pub(crate) explains: bool,
}

impl Gateway {
    /// No more requests are to come.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// How it stands.
    pub(crate) fn status(&self) -> Status {
        Status {
            draining: self.is_draining(),
            buffered_bytes: self.memory.used(),
            upstreams: self.upstreams.iter().map(|(name, shared)| shared.status(name)).collect(),
        }
    }

    /// What was counted, in the text format of Prometheus.
    pub(crate) fn metrics(&self) -> String {
        let status = self.status();
        self.metrics.keep(status.buffered_bytes);
        for upstream in &status.upstreams {
            self.metrics.stand(&upstream.name, upstream.budget_tokens, upstream.waiting);
        }
        self.metrics.text()
    }

    /// Answers a request.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        downstream: Downstream,
    ) -> Response<GatewayBody> {
        let mut record = Record::new(Arc::clone(&self), &request, downstream);
        let response = match self.routes.iter().find(|route| route::fits(&route.config, &request)) {
            None => problem(Problem::NoRoute, "no route of the configuration fits it", &record.trail),
            Some(_) if request.method() == Method::CONNECT => {
                problem(Problem::BadRequest, "CONNECT is for forward proxies", &record.trail)
            }
            Some(route) => {
                record.upstream = Some(Arc::clone(&route.upstream));
                route.answer(request, downstream, &mut record).await
            }
        };
        record.status = Some(response.status());
        response
    }
}

impl Route {
    async fn answer(
        &self,
        mut request: Request<Incoming>,
        downstream: Downstream,
        record: &mut Record,
    ) -> Response<GatewayBody> {
        let is_http1 = request.version() == Version::HTTP_11;
        let tunnel = Tunnel::of(&mut request);
        forward::request(&mut request, downstream);
        if let Some(tunnel) = &tunnel {
            tunnel.ask(request.headers_mut());
        }
        let trail = record.trail.clone();
        request.extensions_mut().insert(trail.clone());
        request.extensions_mut().insert(Began(Instant::now()));
        let sent = self.service.clone().oneshot(request);
        let mut response = match tokio::time::timeout(self.config.timeout, sent).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return refusal(&error, &trail),
            Err(_) => return problem(Problem::Timeout, "no response before the route's timeout", &trail),
        };
        let info = response.extensions().get::<RetryInfo>().copied();
        record.info = info;
        forward::response(&mut response);
        if is_http1 && response.body().is_early() {
            // hyper closes it, because the client may send its body all the same.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(tunnel) = tunnel {
            tunnel.open(&mut response);
        }
        if self.explains {
            explain(&mut response, info);
        }
        response.map(Either::Left)
    }
}

/// Says on the response what happened.
fn explain<B>(response: &mut Response<B>, info: Option<RetryInfo>) {
    let headers = response.headers_mut();
    headers.insert(ATTEMPTS, HeaderValue::from(info.map_or(1, |info| info.attempts())));
    let reason = info.and_then(|info| info.reason()).map(|reason| reason.as_str());
    let cause = info.and_then(|info| info.cause()).map(|cause| cause.as_str());
    if let Some(word) = reason.or(cause) {
        headers.insert(REASON, HeaderValue::from_static(word));
    }
}

/// What the client gets where there is no response at all.
fn refusal(error: &PaceError<AttemptError>, trail: &Trail) -> Response<GatewayBody> {
    let what = match error {
        PaceError::Refused(Refusal::Deadline) | PaceError::Inner(AttemptError::Paced(Refusal::Deadline)) => {
            (Problem::Paced, "the upstream wants quiet until after the route's timeout")
        }
        PaceError::Refused(_) | PaceError::Inner(AttemptError::Paced(_)) => {
            (Problem::Paced, "as many requests wait for the upstream as may")
        }
        PaceError::Inner(AttemptError::Timeout(_)) => (Problem::Timeout, "no response in time"),
        PaceError::Inner(AttemptError::Target) => (Problem::BadRequest, "its target makes no URI"),
        PaceError::Inner(error @ AttemptError::Client(_)) => match tower_http_retry::failure_kind(error) {
            FailureKind::NeverSent => (Problem::Unreachable, "the upstream could not be reached"),
            FailureKind::Refused => (Problem::Unreachable, "the upstream refused the request unprocessed"),
            FailureKind::Timeout => (Problem::Timeout, "no response in time"),
            FailureKind::Permanent => {
                (Problem::Unusable, "it would fail in the same way each time: is its certificate trusted?")
            }
            _ => (Problem::BrokenOff, "the connection broke before the upstream answered"),
        },
    };
    problem(what.0, what.1, trail)
}

fn problem(problem: Problem, detail: &str, trail: &Trail) -> Response<GatewayBody> {
    problem.answer(detail, trail.attempts()).map(Either::Right)
}

const ATTEMPTS: HeaderName = HeaderName::from_static("x-retry-attempts");
const REASON: HeaderName = HeaderName::from_static("x-retry-reason");
