//! Where requests go: the endpoints of an upstream, and one attempt at one of them.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::{Authority, Parts};
use http::{HeaderValue, Request, Response, Uri, Version, header};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use tokio::time::Instant;
use tokio::time::error::Elapsed;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http_retry::{PaceError, Refusal, ReplayBody};

use crate::body::UpstreamBody;
use crate::config::HostRule;
use crate::endpoint::Endpoint;
use crate::expect::{self, AskedBody};
use crate::forward;
use crate::trail::Trail;

/// The endpoints of an upstream.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    pub(crate) host: HostRule,
    pub(crate) is_http2: bool,
}

impl Upstream {
    /// The less busy of two that are drawn, of those that are worth trying: neither tried before (where
    /// `avoids_tried`) nor known to be out of reach. If there are none such, of those that were not tried; else of all.
    fn choose(&self, trail: &Trail, avoids_tried: bool) -> usize {
        let all = 0..self.endpoints.len();
        let untried = all.clone().filter(|index| !avoids_tried || !trail.has_tried(*index));
        let fresh: Vec<_> = untried.clone().filter(|index| !self.endpoints[*index].rests()).collect();
        let candidates = match fresh.is_empty() {
            false => fresh,
            true => untried.collect(),
        };
        match candidates.len() {
            0 => self.less_busy(&all.collect::<Vec<_>>()),
            _ => self.less_busy(&candidates),
        }
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

/// Sends a request to one of an upstream's endpoints.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) per_try_timeout: Option<Duration>,
    pub(crate) avoids_tried: bool,
    /// The route's, from when the request came.
    pub(crate) timeout: Duration,
}

impl Service<Request<ReplayBody<Incoming>>> for Attempts {
    type Response = Response<UpstreamBody>;
    type Error = AttemptError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, AttemptError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AttemptError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReplayBody<Incoming>>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.send(request).await })
    }
}

impl Attempts {
    async fn send(
        self,
        mut request: Request<ReplayBody<Incoming>>,
    ) -> Result<Response<UpstreamBody>, AttemptError> {
        let trail = request.extensions().get::<Trail>().cloned().unwrap_or_default();
        let began = request.extensions().get::<Began>().map_or_else(Instant::now, |began| began.0);
        let index = self.upstream.choose(&trail, self.avoids_tried);
        let endpoint = &self.upstream.endpoints[index];
        let number = trail.begin(index, endpoint.name(), began.elapsed());
        let result = match aim(&mut request, endpoint, &self.upstream) {
            Err(error) => Err(error),
            Ok(()) => {
                let occupied = endpoint.occupy();
                let (request, expectation) = expect::hold(request, self.patience());
                let response = self.in_time(endpoint, request, began).await;
                response.map(|response| response.map(|body| UpstreamBody::new(body, occupied, expectation)))
            }
        };
        match &result {
            Err(AttemptError::Client(error)) if error.is_connect() => endpoint.unreachable(),
            Err(_) => {}
            Ok(_) => endpoint.reached(),
        }
        let outcome = result.as_ref().map(Response::status).map_err(AttemptError::to_string);
        trail.end(number, outcome, began.elapsed());
        result
    }

    async fn in_time(
        &self,
        endpoint: &Endpoint,
        request: Request<AskedBody<ReplayBody<Incoming>>>,
        began: Instant,
    ) -> Result<Response<Incoming>, AttemptError> {
        let client = endpoint.client();
        let Some(pace) = endpoint.pace() else {
            return self.in_try(client.request(request)).await;
        };
        let left = self.timeout.saturating_sub(began.elapsed());
        let send = service_fn(|request| self.in_try(client.request(request)));
        match pace.clone().deadline(left).layer(send).oneshot(request).await {
            Ok(response) => Ok(response),
            Err(PaceError::Inner(error)) => Err(error),
            Err(PaceError::Refused(refusal)) => Err(AttemptError::Paced(refusal)),
        }
    }

    /// How long an upstream may take to ask for a body: most of the time is left for the answer.
    fn patience(&self) -> Duration {
        PATIENCE.min(self.per_try_timeout.unwrap_or(self.timeout) / 4)
    }

    async fn in_try(&self, response: legacy::ResponseFuture) -> Result<Response<Incoming>, AttemptError> {
        let response = match self.per_try_timeout {
            Some(limit) => tokio::time::timeout(limit, response).await.map_err(AttemptError::Timeout)?,
            None => response.await,
        };
        response.map_err(AttemptError::Client)
    }
}

/// When a request came in, in its extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Began(pub(crate) Instant);

/// Aims a request at an endpoint.
fn aim<B>(request: &mut Request<B>, endpoint: &Endpoint, upstream: &Upstream) -> Result<(), AttemptError> {
    let asked = forward::host_of(request);
    let authority = match &upstream.host {
        HostRule::Endpoint => endpoint.authority().clone(),
        HostRule::Name(authority) => authority.clone(),
        HostRule::Preserve => asked
            .and_then(|host| Authority::try_from(host.as_bytes()).ok())
            .unwrap_or_else(|| endpoint.authority().clone()),
    };
    let mut parts = Parts::default();
    parts.path_and_query = Some(forward::target(request.uri()));
    parts.scheme = Some(endpoint.scheme().clone());
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| AttemptError::Target)?;
    parts.authority = Some(authority);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| AttemptError::Target)?;
    *request.version_mut() = Version::HTTP_11;
    match upstream.is_http2 {
        // There it is part of the URI.
        true => drop(request.headers_mut().remove(header::HOST)),
        false => drop(request.headers_mut().insert(header::HOST, host)),
    }
    Ok(())
}

/// Why an attempt came to nothing.
#[derive(Debug)]
pub(crate) enum AttemptError {
    /// The connection, or what went over it.
    Client(legacy::Error),
    /// The try took too long.
    Timeout(Elapsed),
    /// The endpoint wants quiet for longer than the request may wait.
    Paced(Refusal),
    /// The request's target makes no URI.
    Target,
}

impl fmt::Display for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) if error.is_connect() => f.write_str("connect failed"),
            Self::Client(_) => f.write_str("broken off"),
            Self::Timeout(_) => f.write_str("timeout"),
            Self::Paced(_) => f.write_str("paced"),
            Self::Target => f.write_str("bad target"),
        }
    }
}

impl Error for AttemptError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Client(error) => Some(error),
            Self::Timeout(error) => Some(error),
            Self::Paced(refusal) => Some(refusal),
            Self::Target => None,
        }
    }
}

/// As long as common clients wait themselves.
const PATIENCE: Duration = Duration::from_secs(1);
