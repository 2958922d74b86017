//! One request through the gateway: find its route, send it on, answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, Version, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tower::Service;
use tower_http_retry::{Concrete, FailureKind, PaceError, Refusal, ReplayMemory, Retry, RetryInfo, WithPace};

use crate::access::Record;
use crate::admin::Status;
use crate::assemble::Shared;
use crate::body::UpstreamBody;
use crate::forward::{self, Downstream};
use crate::metrics::{Counts, Metrics};
use crate::policy::GatewayPolicy;
use crate::problem::Problem;
use crate::trail::Trail;
use crate::tunnel::Tunnel;
use crate::upstream::{AttemptError, Attempts, Way};
use crate::{config, route};

/// What is sent to a client: an upstream's body, or one of the gateway's own.
pub(crate) type GatewayBody = Either<UpstreamBody, Full<Bytes>>;

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
    pub(crate) way: Arc<Way>,
    pub(crate) retries: Retries,
    pub(crate) counts: Counts,
    pub(crate) explains: bool,
}

/// A route's retry layer, over nothing: each request brings its own attempts.
#[derive(Debug)]
pub(crate) enum Retries {
    Unpaced(Retry<(), GatewayPolicy>),
    Paced(Retry<(), GatewayPolicy, Concrete, WithPace>),
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
        downstream: &Downstream,
    ) -> Response<GatewayBody> {
        let mut record = Record::new(Arc::clone(&self), &request, downstream);
        record.route = self.routes.iter().position(|route| route::fits(&route.config, &request));
        let response = match record.route {
            None => problem(Problem::NoRoute, "no route of the configuration fits it", &record.trail),
            Some(_) if request.method() == Method::CONNECT => {
                record.route = None;
                problem(Problem::BadRequest, "CONNECT is for forward proxies", &record.trail)
            }
            Some(index) => self.routes[index].answer(request, downstream, &mut record).await,
        };
        record.status = Some(response.status());
        response
    }
}

impl Route {
    async fn answer(
        &self,
        mut request: Request<Incoming>,
        downstream: &Downstream,
        record: &mut Record,
    ) -> Response<GatewayBody> {
        let is_http1 = request.version() == Version::HTTP_11;
        let tunnel = Tunnel::of(&mut request);
        forward::request(&mut request, downstream);
        if let Some(tunnel) = &tunnel {
            tunnel.ask(request.headers_mut());
        }
        let attempts = Attempts::new(Arc::clone(&self.way), record.trail.clone());
        let mut response = match self.retries.send(attempts, request).await {
            Ok(response) => response,
            Err(error) => return refusal(&error, &record.trail),
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

impl Retries {
    /// Sends a request through as many attempts as it takes. What waits and what is sent ends with the route's timeout.
    async fn send(
        &self,
        attempts: Attempts,
        request: Request<Incoming>,
    ) -> Result<Response<UpstreamBody>, PaceError<AttemptError>> {
        match self {
            // These are always ready, as their attempts are.
            Self::Unpaced(retry) => retry.over(attempts).call(request).await.map_err(PaceError::Inner),
            Self::Paced(retry) => retry.over(attempts).call(request).await,
        }
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
