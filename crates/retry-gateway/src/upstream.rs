//! Where requests go: the endpoints of an upstream, and one attempt at one of them.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::{Authority, Parts};
use http::{HeaderValue, Request, Response, Uri, Version, header};
use smallvec::SmallVec;
use tokio::time::Instant;
use tower::Service;
use tower_http_retry::ReplayBody;

use crate::alarm::Alarms;
use crate::attempt::{AttemptError, AttemptFuture, Guard, Sent, Try};
use crate::body::UpstreamBody;
use crate::care::Care;
use crate::config::HostRule;
use crate::endpoint::Endpoint;
use crate::expect;
use crate::forward::Origin;
use crate::headers;
use crate::outlier::{Outliers, Report};
use crate::trail::Trail;
use crate::upload::Upload;

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
    pub(crate) fn report<B>(&self, endpoint: &Endpoint, result: &Result<Response<B>, AttemptError>) {
        let (Some(health), Some(outliers)) = (endpoint.health(), &self.outliers) else { return };
        let report = match result {
            Ok(response) => outliers.config().report(response.status()),
            Err(AttemptError::Client(error)) if error.is_connect() => Report::Unreachable,
            Err(AttemptError::Client(_) | AttemptError::Timeout(_) | AttemptError::Framing) => {
                Report::Failure
            }
            // It was never sent.
            Err(AttemptError::Paced(_) | AttemptError::Target | AttemptError::Overflow) => return,
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
    /// How long a request waits there for its turn, if another upstream can have it then.
    pub(crate) longest_wait: Option<Duration>,
    /// Whether a first attempt begins as its request comes: nothing holds it here, and nobody else had it before.
    pub(crate) is_prompt: bool,
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
    type Future = AttemptFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AttemptError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<ReplayBody<Upload>>) -> Self::Future {
        let (way, trail) = (Arc::clone(&self.way), self.trail.clone());
        let index = way.upstream.choose(&trail, way.avoids_tried);
        let number = trail.begin(index);
        let endpoint = &self.way.upstream.endpoints[index];
        let aimed = way.upstream.aim(&mut request, endpoint);
        self.origin.tell(request.headers_mut());
        let span = trail.span().attempt(&mut request, endpoint.peer_info(), number);
        let (request, expectation) = expect::hold(request, self.expects.then(|| way.patience()));
        let ends_at = trail.began() + way.timeout;
        // The first begins with its request, and the clock need not be read again.
        let began = if number == 0 && way.is_prompt { trail.began() } else { Instant::now() };
        let occupied = endpoint.occupy();
        let sent = match (aimed, endpoint.pace()) {
            (Err(error), _) => Sent::Nowhere(Some(error)),
            (Ok(()), None) => Sent::Unpaced(Try::new(&way, endpoint.send(request), began, ends_at)),
            (Ok(()), Some(pace)) => {
                let waits_until =
                    way.longest_wait.map_or(ends_at, |wait| ends_at.min(trail.leg_began() + wait));
                Sent::paced(&way, &occupied, pace.clone(), request, waits_until, ends_at)
            }
        };
        let guard = Guard { occupied, expectation, span };
        AttemptFuture { way, trail, number, sent, guard: Some(guard) }
    }
}

impl Way {
    /// How long an upstream may take to ask for a body: most of the time is left for the answer.
    fn patience(&self) -> Duration {
        PATIENCE.min(self.per_try_timeout.unwrap_or(self.timeout) / 4)
    }
}

impl Upstream {
    /// Aims a request at an endpoint.
    fn aim<B>(&self, request: &mut Request<B>, endpoint: &Endpoint) -> Result<(), AttemptError> {
        let asked = || Authority::try_from(headers::host_of(request)?.as_bytes()).ok();
        let host = match &self.host {
            HostRule::Endpoint => None,
            HostRule::Name(name) => Some(name.clone()),
            HostRule::Preserve => asked(),
        };
        let mut parts = Parts::default();
        parts.path_and_query = Some(headers::target(request.uri()));
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

/// As long as common clients wait themselves.
const PATIENCE: Duration = Duration::from_secs(1);
