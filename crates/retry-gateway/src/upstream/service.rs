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
use crate::upstream::attempt::{AttemptFuture, AttemptGuards, Dispatch, InFlight};
use crate::upstream::balancer::Balancer;
use crate::upstream::endpoint::Endpoint;
use crate::upstream::error::AttemptError;
use crate::upstream::expect_continue;
use crate::upstream::request_body::RequestBody;
use crate::upstream::response_body::UpstreamBody;
use crate::upstream::settings::AttemptSettings;

/// Sends the attempts of one request to the endpoints of an upstream.
#[derive(Clone, Debug)]
pub(crate) struct AttemptService {
    settings: Arc<AttemptSettings>,
    request_log: RequestLog,
    origin: ForwardingHeaders,
    /// Set if the client waits for `100 Continue`.
    expects_continue: bool,
}

impl AttemptService {
    pub(crate) fn new(
        settings: Arc<AttemptSettings>,
        request_log: RequestLog,
        origin: ForwardingHeaders,
        expects_continue: bool,
    ) -> Self {
        Self { settings, request_log, origin, expects_continue }
    }
}

impl Service<Request<ReplayBody<RequestBody>>> for AttemptService {
    type Response = Response<UpstreamBody>;
    type Error = AttemptError;
    type Future = AttemptFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AttemptError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<ReplayBody<RequestBody>>) -> Self::Future {
        let (settings, request_log) = (Arc::clone(&self.settings), self.request_log.clone());
        let index = settings.balancer.choose(&request_log, settings.avoids_tried);
        let number = request_log.start_attempt(index);
        let endpoint = &self.settings.balancer.endpoints[index];
        let targeted = set_target(&settings.balancer, &mut request, endpoint);
        self.origin.add_to(request.headers_mut());
        let span = request_log.span().start_attempt(&mut request, endpoint.peer_info(), number);
        let continue_timeout = self.expects_continue.then(|| settings.continue_timeout());
        let (request, continue_handle) = expect_continue::defer_body(request, continue_timeout);
        let deadline = request_log.started_at() + settings.timeout;
        // The clock need not be read again for an attempt that starts with its request.
        let started = match number == 0 && settings.starts_with_request {
            true => request_log.started_at(),
            false => Instant::now(),
        };
        let load = endpoint.start_request();
        let dispatch = match (targeted, endpoint.pace()) {
            (Err(error), _) => Dispatch::Failed(Some(error)),
            (Ok(()), None) => {
                Dispatch::Unpaced(InFlight::new(&settings, endpoint.send(request), started, deadline))
            }
            (Ok(()), Some(pace)) => {
                let wait_deadline = settings
                    .max_pace_wait
                    .map_or(deadline, |wait| deadline.min(request_log.target_started_at() + wait));
                Dispatch::paced(&settings, &load, pace.clone(), request, wait_deadline, deadline)
            }
        };
        let guards = AttemptGuards { load, continue_handle, span };
        AttemptFuture { settings, request_log, number, dispatch, guards: Some(guards) }
    }
}

/// Sets the URI, the version and `Host` of a request for an endpoint.
fn set_target<B>(
    balancer: &Balancer,
    request: &mut Request<B>,
    endpoint: &Endpoint,
) -> Result<(), AttemptError> {
    let client_host = || Authority::try_from(headers::host_of(request)?.as_bytes()).ok();
    let host = match &balancer.host {
        HostRule::Endpoint => None,
        HostRule::Name(name) => Some(name.clone()),
        HostRule::Preserve => client_host(),
    };
    let mut parts = Parts::default();
    parts.path_and_query = Some(headers::target(request.uri()));
    parts.scheme = Some(endpoint.scheme().clone());
    if balancer.is_http2 {
        parts.authority = Some(host.unwrap_or_else(|| endpoint.authority().clone()));
        request.headers_mut().remove(header::HOST);
    } else {
        parts.authority = Some(endpoint.pool_key().clone());
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
