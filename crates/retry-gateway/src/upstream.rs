//! Where requests go: the endpoints of an upstream, and one attempt at one of them.

use std::error::Error;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use http::uri::{Authority, Parts};
use http::{HeaderValue, Request, Response, Uri, Version, header};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use smallvec::SmallVec;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http_retry::{PaceError, PaceLayer, Refusal, ReplayBody};

use crate::alarm::Alarms;
use crate::body::UpstreamBody;
use crate::care::{self, Care, Cared, Caring};
use crate::config::HostRule;
use crate::endpoint::{Endpoint, EndpointRequest};
use crate::expect;
use crate::forward::{self, Origin};
use crate::outlier::{Outliers, Report};
use crate::trail::Trail;
use crate::upload::Upload;
use crate::vet;

/// The endpoints of an upstream.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    pub(crate) host: HostRule,
    pub(crate) is_http2: bool,
    pub(crate) outliers: Option<Arc<Outliers>>,
}

impl Upstream {
    /// One that is due for a probe; else the less busy of two that are drawn, of those that are not left alone: of
    /// those that were not tried before (where `avoids_tried`), or else of all.
    fn choose(&self, trail: &Trail, avoids_tried: bool) -> usize {
        if self.endpoints.len() == 1 {
            return 0;
        }
        let is_untried = |index: &usize| !avoids_tried || !trail.has_tried(*index);
        let mut present = Candidates::new();
        let mut now = None;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            match endpoint.health().filter(|health| health.is_ejected()) {
                None => present.push(index),
                Some(health) => {
                    if is_untried(&index) && health.take_probe(*now.get_or_insert_with(Instant::now)) {
                        return index;
                    }
                }
            }
        }
        let untried: Candidates = present.iter().copied().filter(is_untried).collect();
        match (untried.is_empty(), present.is_empty()) {
            (false, _) => self.less_busy(&untried),
            (true, false) => self.less_busy(&present),
            // The last one may have been ejected just now, while another came back.
            (true, true) => self.less_busy(&(0..self.endpoints.len()).collect::<Candidates>()),
        }
    }

    /// Counts what an attempt came to.
    fn report<B>(&self, endpoint: &Endpoint, result: &Result<Response<B>, AttemptError>) {
        let (Some(health), Some(outliers)) = (endpoint.health(), &self.outliers) else { return };
        let report = match result {
            Ok(response) => outliers.config().report(response.status()),
            Err(AttemptError::Client(error)) if error.is_connect() => Report::Unreachable,
            Err(AttemptError::Client(_) | AttemptError::Timeout(_) | AttemptError::Framing) => {
                Report::Failure
            }
            // It was never sent.
            Err(AttemptError::Paced(_) | AttemptError::Target) => return,
        };
        health.report(report, Instant::now);
    }

    fn less_busy(&self, candidates: &[usize]) -> usize {
        let draw = |len: usize| rand::random_range(0..len);
        let first = draw(candidates.len());
        if candidates.len() == 1 {
            return candidates[first];
        }
        // A second one that is not the first.
        let second = (first + 1 + draw(candidates.len() - 1)) % candidates.len();
        let [first, second] = [candidates[first], candidates[second]];
        match self.endpoints[second].load() < self.endpoints[first].load() {
            true => second,
            false => first,
        }
    }
}

type Candidates = SmallVec<[usize; 16]>;

/// How a route's requests are sent to the endpoints of its upstream.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) per_try_timeout: Option<Duration>,
    pub(crate) avoids_tried: bool,
    /// The route's, from when the request came.
    pub(crate) timeout: Duration,
    pub(crate) alarms: Alarms,
    pub(crate) care: Option<Care>,
}

/// Sends one request to one endpoint after the other.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    way: Arc<Way>,
    trail: Trail,
    origin: Origin,
    /// Whether the client waits to be asked for the body.
    expects: bool,
}

impl Attempts {
    pub(crate) fn new(way: Arc<Way>, trail: Trail, origin: Origin, expects: bool) -> Self {
        Self { way, trail, origin, expects }
    }
}

impl Service<Request<ReplayBody<Upload>>> for Attempts {
    type Response = Response<UpstreamBody>;
    type Error = AttemptError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, AttemptError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AttemptError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<ReplayBody<Upload>>) -> Self::Future {
        let (way, trail) = (Arc::clone(&self.way), self.trail.clone());
        let index = way.upstream.choose(&trail, way.avoids_tried);
        let number = trail.begin(index);
        let endpoint = Arc::clone(&way.upstream.endpoints[index]);
        if let Err(error) = way.upstream.aim(&mut request, &endpoint) {
            trail.end(number, Err(error.word()));
            return Box::pin(ready(Err(error)));
        }
        self.origin.tell(request.headers_mut());
        let span = trail.span().attempt(&mut request, &endpoint, number);
        let occupied = endpoint.occupy();
        let (request, expectation) = expect::hold(request, self.expects.then(|| way.patience()));
        let ends_at = trail.began() + way.timeout;
        // The first begins with its request, and the clock need not be read again.
        let began = if number == 0 { trail.began() } else { Instant::now() };
        let sent = match endpoint.pace() {
            // What is awaited is small: the request is the client's already.
            None => Sent::Unpaced(endpoint.send(request)),
            Some(pace) => Sent::Paced(Box::new((pace.clone(), request))),
        };
        Box::pin(async move {
            let result = match sent {
                Sent::Unpaced(response) => way.in_try(response, began, ends_at).await,
                Sent::Paced(paced) => Box::pin(way.in_turn(&endpoint, *paced, ends_at)).await,
            };
            let outcome = result.as_ref().map(Response::status).map_err(AttemptError::word);
            trail.end(number, outcome);
            span.end(outcome);
            way.upstream.report(&endpoint, &result);
            result.map(|response| response.map(|body| UpstreamBody::new(body, occupied, expectation)))
        })
    }
}

/// One attempt.
enum Sent {
    Unpaced(legacy::ResponseFuture),
    /// It waits for its turn at the endpoint.
    Paced(Box<(PaceLayer, EndpointRequest)>),
}

impl Way {
    async fn in_turn(
        &self,
        endpoint: &Endpoint,
        (pace, request): (PaceLayer, EndpointRequest),
        ends_at: Instant,
    ) -> Result<Response<Cared<Incoming>>, AttemptError> {
        let left = ends_at.saturating_duration_since(Instant::now());
        let send = service_fn(|request| self.in_try(endpoint.send(request), Instant::now(), ends_at));
        match pace.deadline(left).layer(send).oneshot(request).await {
            Err(PaceError::Refused(refusal)) => Err(AttemptError::Paced(refusal)),
            Err(PaceError::Inner(error)) => Err(error),
            Ok(response) => Ok(response),
        }
    }

    /// How long an upstream may take to ask for a body: most of the time is left for the answer.
    fn patience(&self) -> Duration {
        PATIENCE.min(self.per_try_timeout.unwrap_or(self.timeout) / 4)
    }

    /// Until the try's time is over, or the route's.
    async fn in_try(
        &self,
        response: legacy::ResponseFuture,
        began: Instant,
        ends_at: Instant,
    ) -> Result<Response<Cared<Incoming>>, AttemptError> {
        let at = self.per_try_timeout.map_or(ends_at, |limit| ends_at.min(began + limit));
        let response = match self.alarms.within(at, response).await {
            None => return Err(AttemptError::Timeout(io::ErrorKind::TimedOut.into())),
            Some(response) => response.map_err(AttemptError::Client)?,
        };
        if !vet::is_framed(response.headers()) {
            return Err(AttemptError::Framing);
        }
        // Below the endpoint's pace and the log, which learn what it counts as.
        let looking = match care::begin(self.care, response, at, &self.alarms) {
            Caring::Done(response) => return Ok(response),
            Caring::Looking(looking) => looking,
        };
        Ok(looking.await)
    }
}

impl Upstream {
    /// Aims a request at an endpoint.
    fn aim<B>(&self, request: &mut Request<B>, endpoint: &Endpoint) -> Result<(), AttemptError> {
        let asked = || Authority::try_from(forward::host_of(request)?.as_bytes()).ok();
        let host = match &self.host {
            HostRule::Endpoint => None,
            HostRule::Name(name) => Some(name.clone()),
            HostRule::Preserve => asked(),
        };
        let mut parts = Parts::default();
        parts.path_and_query = Some(forward::target(request.uri()));
        parts.scheme = Some(endpoint.scheme().clone());
        if self.is_http2 {
            parts.authority = Some(host.unwrap_or_else(|| endpoint.authority().clone()));
            request.headers_mut().remove(header::HOST);
        } else {
            parts.authority = Some(endpoint.alias().clone());
            let host = match host {
                None => endpoint.host().clone(),
                Some(host) => HeaderValue::from_str(host.as_str()).map_err(|_| AttemptError::Target)?,
            };
            request.headers_mut().insert(header::HOST, host);
        }
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| AttemptError::Target)?;
        *request.version_mut() = Version::HTTP_11;
        Ok(())
    }
}

/// Why an attempt came to nothing.
#[derive(Debug)]
pub(crate) enum AttemptError {
    /// The connection, or what went over it.
    Client(legacy::Error),
    /// The try took too long, or it lasted until the route's timeout.
    Timeout(io::Error),
    /// The endpoint wants quiet for longer than the request may wait.
    Paced(Refusal),
    /// The response can be read in more than one way.
    Framing,
    /// The request's target makes no URI.
    Target,
}

impl AttemptError {
    /// As the log has it.
    fn word(&self) -> &'static str {
        match self {
            Self::Client(error) if error.is_connect() => "connect failed",
            Self::Client(_) => "broken off",
            Self::Timeout(_) => "timeout",
            Self::Paced(_) => "paced",
            Self::Framing => "bad framing",
            Self::Target => "bad target",
        }
    }
}

impl fmt::Display for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Error for AttemptError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Client(error) => Some(error),
            Self::Timeout(error) => Some(error),
            Self::Paced(refusal) => Some(refusal),
            Self::Framing | Self::Target => None,
        }
    }
}

/// As long as common clients wait themselves.
const PATIENCE: Duration = Duration::from_secs(1);
