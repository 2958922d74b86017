//! The service below a route's retry layer: it sends each attempt to one endpoint of the upstream.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::{Authority, Parts};
use http::{HeaderValue, Request, Response, Uri, Version, header};
use http_body::Body;
use tokio::time::Instant;
use tower::Service;
use tower_http_retry::{AttemptNumber, ReplayBody};

use crate::config::HostRule;
use crate::connection::request_limit::RequestPermit;
use crate::connection::wait_reason::WaitReason;
use crate::message::forwarding::{ClientWishes, ForwardingHeaders};
use crate::message::headers;
use crate::telemetry::request_log::RequestLog;
use crate::upstream::attempt::{AttemptFuture, AttemptGuards, Dispatch, Redispatch};
use crate::upstream::balancer::Balancer;
use crate::upstream::endpoint::{Endpoint, LoadGuard};
use crate::upstream::error::{AttemptError, CONNECT_FAILED};
use crate::upstream::expect_continue::{self, ContinueHandle, DeferredBody};
use crate::upstream::in_flight::InFlight;
use crate::upstream::outage::Outage;
use crate::upstream::pool::EndpointRequest;
use crate::upstream::request_body::RequestBody;
use crate::upstream::response_body::UpstreamBody;
use crate::upstream::settings::AttemptSettings;

/// Sends the attempts of one request to the endpoints of an upstream.
#[derive(Clone, Debug)]
pub(crate) struct AttemptService {
    settings: Arc<AttemptSettings>,
    request_log: RequestLog,
    origin: ForwardingHeaders,
    /// The route's timeout, or that of the gRPC call.
    timeout: Duration,
    wishes: ClientWishes,
}

impl AttemptService {
    pub(crate) fn request_log(&self) -> &RequestLog {
        &self.request_log
    }

    pub(crate) fn new(
        settings: Arc<AttemptSettings>,
        request_log: RequestLog,
        origin: ForwardingHeaders,
        wishes: ClientWishes,
        call_timeout: Option<Duration>,
    ) -> Self {
        let timeout = call_timeout.unwrap_or(settings.timeout);
        Self { settings, request_log, origin, timeout, wishes }
    }
}

impl Service<Request<ReplayBody<RequestBody>>> for AttemptService {
    type Response = Response<UpstreamBody>;
    type Error = AttemptError;
    type Future = AttemptFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AttemptError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReplayBody<RequestBody>>) -> Self::Future {
        match self.settings.balancer.outage.as_ref().filter(|outage| self.waits_for(outage)) {
            None => self.start(request),
            Some(outage) => {
                let (service, outage) = (self.clone(), Arc::clone(outage));
                let (settings, request_log) = (Arc::clone(&self.settings), self.request_log.clone());
                AttemptFuture::waiting(settings, request_log, async move {
                    service.request_log.set_waits_for(Some(WaitReason::Endpoint));
                    let deadline = service.wait_deadline(&outage);
                    let balancer = Arc::clone(&service.settings.balancer);
                    let endpoints = move || balancer.endpoints.load_full();
                    let endpoint = outage.wait(endpoints, deadline).await?;
                    let permit =
                        service.settings.acquire_until(service.deadline(), &service.request_log).await?;
                    let (request, continue_handle) = service.defer_body(request);
                    Ok(service.send_with(request, continue_handle, endpoint.start_request(), Some(permit)))
                })
            }
        }
    }
}

impl AttemptService {
    /// Returns whether the attempt waits for the first endpoint that takes a connection: it is known that none does,
    /// or the request has found none and has no other attempt to lose.
    fn waits_for(&self, outage: &Outage) -> bool {
        let (settings, request_log) = (&self.settings, &self.request_log);
        let is_last = || request_log.attempts_at(request_log.target()) + 1 >= settings.max_attempts;
        outage.is_down()
            || request_log.has_just_failed(CONNECT_FAILED)
                && (is_last() || !settings.balancer.has_untried(request_log))
    }

    /// Returns the time until which the request waits for an endpoint that takes a connection.
    fn wait_deadline(&self, outage: &Outage) -> Instant {
        let (settings, request_log) = (&self.settings, &self.request_log);
        let max_wait = settings.max_pace_wait.map_or(outage.max_wait, |max| max.min(outage.max_wait));
        self.deadline().min(request_log.target_started_at() + max_wait)
    }

    /// Returns the end of the request's timeout.
    fn deadline(&self) -> Instant {
        self.request_log.started_at() + self.timeout + self.request_log.clock().stopped_for()
    }

    fn defer_body(
        &self,
        request: Request<ReplayBody<RequestBody>>,
    ) -> (EndpointRequest, Option<ContinueHandle>) {
        let continue_timeout = self.wishes.expects_continue.then(|| self.settings.continue_timeout());
        expect_continue::defer_body(request, continue_timeout, &self.request_log)
    }

    /// Starts an attempt. A resend that comes after the request's timeout is not sent: the clock of its session starts a little
    /// later than that of the request, on a busy machine by many milliseconds.
    fn start(&self, request: Request<ReplayBody<RequestBody>>) -> AttemptFuture {
        if AttemptNumber::from_request(&request) > 1 && Instant::now() >= self.deadline() {
            let error = AttemptError::Timeout(io::ErrorKind::TimedOut.into());
            return AttemptFuture::not_sent(Arc::clone(&self.settings), self.request_log.clone(), error);
        }
        let (request, continue_handle) = self.defer_body(request);
        self.send(request, continue_handle)
    }

    /// Sends an attempt once it has a permit. A request that arrives does not wait for one.
    fn send(&self, request: EndpointRequest, continue_handle: Option<ContinueHandle>) -> AttemptFuture {
        let settings = &self.settings;
        if let Some(permit) = settings.limit.try_acquire() {
            let load = settings.balancer.choose(&self.request_log, settings.avoids_tried);
            return self.send_with(request, continue_handle, load, Some(permit));
        }
        if settings.balancer.has_endpoint_paces() {
            let load = settings.balancer.choose(&self.request_log, settings.avoids_tried);
            return self.send_with(request, continue_handle, load, None);
        }
        let (service, request_log) = (self.clone(), self.request_log.clone());
        if request_log.attempts_at(request_log.target()) == 0 {
            return AttemptFuture::not_sent(Arc::clone(settings), request_log, AttemptError::overflow());
        }
        AttemptFuture::waiting(Arc::clone(settings), request_log, async move {
            let permit = service.settings.acquire_until(service.deadline(), &service.request_log).await?;
            let load = service.settings.balancer.choose(&service.request_log, service.settings.avoids_tried);
            Ok(service.send_with(request, continue_handle, load, Some(permit)))
        })
    }

    /// Sends an attempt to the endpoint of `load`. The pace of the upstream has admitted it. One of the endpoint has not
    /// been asked yet, and the attempt takes its permit behind it.
    fn send_with(
        &self,
        mut request: EndpointRequest,
        continue_handle: Option<ContinueHandle>,
        load: LoadGuard,
        permit: Option<RequestPermit>,
    ) -> AttemptFuture {
        let is_upgrade = self.wishes.is_upgrade;
        let redispatch = if is_upgrade { self.redispatch(&request) } else { None };
        let (settings, request_log) = (Arc::clone(&self.settings), self.request_log.clone());
        let endpoint = load.endpoint();
        let number = request_log.start_attempt(Arc::clone(endpoint.name()));
        let targeted = set_target(&settings.balancer, &mut request, endpoint, is_upgrade);
        self.origin.add_to(request.headers_mut());
        let span = request_log.span().start_attempt(&mut request, endpoint.peer_info(), number);
        let deadline = request_log.started_at() + self.timeout;
        // The clock need not be read again for an attempt that starts with its request.
        let started = match number == 0 && settings.starts_with_request {
            true => request_log.started_at(),
            false => Instant::now(),
        };
        let dispatch = match (targeted, endpoint.pace_layer(), permit) {
            (Err(error), _, _) => Dispatch::Failed(Some(error)),
            (Ok(()), None, None) => Dispatch::Failed(Some(AttemptError::overflow())),
            (Ok(()), None, Some(permit)) => {
                // The first attempt has all of the time.
                if number > 0 || !settings.starts_with_request {
                    settings.shorten_grpc_timeout(request.headers_mut(), &request_log);
                }
                let response = endpoint.send(request, permit, started);
                Dispatch::Unpaced(InFlight::new(&settings, &request_log, response, started, deadline))
            }
            (Ok(()), Some(pace), permit) => {
                drop(permit);
                let end = deadline + request_log.clock().stopped_for();
                let wait_deadline = settings
                    .max_pace_wait
                    .map_or(end, |wait| end.min(request_log.target_started_at() + wait));
                Dispatch::paced(
                    &settings,
                    &request_log,
                    &load,
                    pace.clone(),
                    request,
                    wait_deadline,
                    deadline,
                )
            }
        };
        let guards = AttemptGuards { load, continue_handle, span, is_upgrade };
        AttemptFuture { settings, request_log, number, dispatch, guards: Some(guards), redispatch }
    }

    /// Returns the next attempt of an upgrade, for the case that its endpoint takes no connection. Nothing was sent
    /// then, and an upgrade has no body.
    fn redispatch(&self, request: &EndpointRequest) -> Option<Redispatch> {
        if !request.body().is_end_stream() {
            return None;
        }
        let mut next = Request::new(DeferredBody::empty());
        *next.method_mut() = request.method().clone();
        *next.uri_mut() = request.uri().clone();
        *next.headers_mut() = request.headers().clone();
        let service = self.clone();
        Some(Box::new(move || service.send(next, None)))
    }
}

/// Sets the URI, the version and `Host` of a request for an endpoint.
fn set_target<B>(
    balancer: &Balancer,
    request: &mut Request<B>,
    endpoint: &Endpoint,
    is_upgrade: bool,
) -> Result<(), AttemptError> {
    let client_host = || Authority::try_from(headers::host_of(request)?.as_bytes()).ok();
    let host = match &balancer.host {
        HostRule::Endpoint => None,
        HostRule::Name(name) => Some(name.clone()),
        HostRule::Preserve => client_host(),
    };
    let mut parts = Parts::default();
    parts.path_and_query = Some(headers::target(request.uri()));
    if balancer.is_http2 {
        if is_upgrade {
            return Err(AttemptError::UpgradeOverHttp2);
        }
        parts.scheme = Some(endpoint.scheme().clone());
        parts.authority = Some(host.unwrap_or_else(|| endpoint.authority().clone()));
        request.headers_mut().remove(header::HOST);
    } else {
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

#[cfg(test)]
mod tests;
