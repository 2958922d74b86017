//! The service below a route's retry layer: it sends each attempt to one endpoint of the upstream.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::uri::{Authority, Parts};
use http::{HeaderValue, Request, Response, Uri, Version, header};
use tokio::time::Instant;
use tower::Service;
use tower_http_retry::ReplayBody;

use crate::config::HostRule;
use crate::message::forwarding::ForwardingHeaders;
use crate::message::headers;
use crate::telemetry::request_log::RequestLog;
use crate::upstream::attempt::{AttemptFuture, Guard, Sent, Try};
use crate::upstream::balancer::Upstream;
use crate::upstream::endpoint::Endpoint;
use crate::upstream::error::AttemptError;
use crate::upstream::expect_continue;
use crate::upstream::request_body::Upload;
use crate::upstream::response_body::UpstreamBody;
use crate::upstream::settings::Way;

/// Sends one request to one endpoint after the other.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    way: Arc<Way>,
    trail: Trail,
    origin: ForwardingHeaders,
    /// Whether the client waits to be asked for the body.
    expects: bool,
}

impl Attempts {
    pub(crate) fn new(way: Arc<Way>, trail: Trail, origin: ForwardingHeaders, expects: bool) -> Self {
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
        let (way, request_log) = (Arc::clone(&self.way), self.request_log.clone());
        let index = way.upstream.choose(&request_log, way.avoids_tried);
        let number = request_log.start_attempt(index);
        let endpoint = &self.way.upstream.endpoints[index];
        let aimed = aim(&way.upstream, &mut request, endpoint);
        self.origin.add_to(request.headers_mut());
        let span = trail.span().attempt(&mut request, endpoint.peer_info(), number);
        let (request, expectation) = expect_continue::hold(request, self.expects.then(|| way.patience()));
        let ends_at = request_log.started_at() + way.timeout;
        // The first begins with its request, and the clock need not be read again.
        let began = if number == 0 && way.is_prompt { request_log.started_at() } else { Instant::now() };
        let occupied = endpoint.occupy();
        let sent = match (aimed, endpoint.pace()) {
            (Err(error), _) => Sent::Nowhere(Some(error)),
            (Ok(()), None) => Sent::Unpaced(Try::new(&way, endpoint.send(request), began, ends_at)),
            (Ok(()), Some(pace)) => {
                let waits_until = way
                    .longest_wait
                    .map_or(ends_at, |wait| ends_at.min(request_log.target_started_at() + wait));
                Sent::paced(&way, &occupied, pace.clone(), request, waits_until, ends_at)
            }
        };
        let guard = Guard { occupied, expectation, span };
        AttemptFuture { way, request_log, number, sent, guard: Some(guard) }
    }
}

/// Aims a request at an endpoint.
fn aim<B>(upstream: &Upstream, request: &mut Request<B>, endpoint: &Endpoint) -> Result<(), AttemptError> {
    let asked = || Authority::try_from(headers::host_of(request)?.as_bytes()).ok();
    let host = match &upstream.host {
        HostRule::Endpoint => None,
        HostRule::Name(name) => Some(name.clone()),
        HostRule::Preserve => asked(),
    };
    let mut parts = Parts::default();
    parts.path_and_query = Some(headers::target(request.uri()));
    parts.scheme = Some(endpoint.scheme().clone());
    if upstream.is_http2 {
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
