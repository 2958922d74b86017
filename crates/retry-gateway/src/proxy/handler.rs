//! One request through the gateway: validation, the choice of a route, and the start of the first attempt.

use std::sync::Arc;
use std::task::Context;

use http::{Method, Request, Version};
use hyper::body::Incoming;

use tower_http_retry::RetryOverride;

use crate::connection::info::ConnectionInfo;
use crate::connection::rejection::Rejection;
use crate::connection::timeouts::ActiveRequest;
use crate::llm;
use crate::message::forwarding::{self, ClientWishes, ForwardedRequest, ForwardingHeaders};
use crate::message::header_scan;
use crate::message::loop_detection;
use crate::message::problem::ProblemDetails;
use crate::message::trailers::RequestTrailers;
use crate::message::validate::{self, ValidRequest};
use crate::proxy::fallback::FallbackRequest;
use crate::proxy::local_reply::LocalReply;
use crate::proxy::record::RequestRecord;
use crate::proxy::response::{ResponseFuture, TargetFuture};
use crate::proxy::state::{Gateway, Route, Targets};
use crate::proxy::upstream_route::RetryService;
use crate::telemetry::request_log::RequestLog;
use crate::upstream::pace::ClientAddress;
use crate::upstream::request_body::RequestBody;
use crate::upstream::service::AttemptService;

impl Gateway {
    /// Answers a request. The first attempt has started when this returns, unless the answer is a local
    /// reply, or the pace goes by a model that stands in the body.
    pub(crate) fn answer(
        &self,
        mut request: Request<Incoming>,
        connection: &Arc<ConnectionInfo>,
        active_request: ActiveRequest,
    ) -> ResponseFuture {
        let mut record = RequestRecord::new(self, &request, connection, active_request);
        if request.headers().len() > self.limits.headers {
            record.rejection = Some(Rejection::HeadTooLarge);
            return local_reply(record, ProblemDetails::HeadTooLarge, TOO_MANY_HEADERS);
        }
        let valid = match validate::request(&mut request, connection) {
            Ok(valid) => valid,
            Err(detail) => {
                // An invalid request may hide where the next one begins, so the connection closes.
                let closes = request.version() < Version::HTTP_2;
                let target = local_target(ProblemDetails::BadRequest, detail, closes);
                let mut reply = local_reply(record, ProblemDetails::BadRequest, detail);
                reply.target = target;
                return reply;
            }
        };
        if valid.scan.underscores && !self.underscores_in_headers {
            header_scan::remove_underscores(request.headers_mut());
        }
        if valid.scan.cdn_loop && loop_detection::is_loop(request.headers()) {
            record.rejection = Some(Rejection::Loop);
            return local_reply(record, ProblemDetails::Loop, LOOP);
        }
        let route = self.route_table.find(&request, |number| &self.routes[number].config);
        match route.map(|number| &self.routes[number]) {
            None => local_reply(record, ProblemDetails::NoRoute, "no route matches the request"),
            Some(_) if request.method() == Method::CONNECT => local_reply(
                record,
                ProblemDetails::BadRequest,
                "the gateway is a reverse proxy and does not support CONNECT",
            ),
            Some(route) => {
                record.route = Some(Arc::clone(route));
                if route.is_fair_by_client {
                    let address = self.trusted_proxies.client_ip(connection.ip(), request.headers());
                    request.extensions_mut().insert(ClientAddress(address));
                }
                let trailers = RequestTrailers { keeps_underscores: self.underscores_in_headers };
                route.send(request, valid, connection, trailers, record)
            }
        }
    }
}

impl Route {
    /// Sends a request to the route's targets.
    fn send(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        valid: ValidRequest,
        connection: &Arc<ConnectionInfo>,
        trailers: RequestTrailers,
        record: Box<RequestRecord>,
    ) -> ResponseFuture {
        let version = request.version();
        let ForwardedRequest { forwarding: origin, upgrade, wishes } =
            forwarding::request(&mut request, valid, connection);
        if self.adds_idempotency_key {
            llm::add_idempotency_key(&mut request);
        }
        let request =
            request.map(|body| RequestBody::new(body, trailers, &self.body_limits, &record.request_log));
        let request_log = record.request_log.clone();
        // The read of a body would ask a client that waits for `100 Continue` for it, and only an upstream may.
        let reader = self.model_reader.as_ref().filter(|_| !wishes.expects_continue);
        let is_read = reader.is_some_and(|reader| reader.reads_ahead(&request));
        let target = match is_read {
            false => self.start(request, request_log, origin, wishes),
            true => {
                let request = FallbackRequest { request, request_log, origin, wishes };
                TargetFuture::UnreadModel { request: Some(request) }
            }
        };
        let adds_explain_headers = self.adds_explain_headers;
        ResponseFuture { target, record: Some(record), upgrade, version, adds_explain_headers }
    }

    /// Starts the first attempt of a request.
    fn start(
        &self,
        mut request: Request<RequestBody>,
        request_log: RequestLog,
        origin: ForwardingHeaders,
        wishes: ClientWishes,
    ) -> TargetFuture {
        match &self.targets {
            Targets::Single(target) => {
                let settings = Arc::clone(&target.settings);
                let paused = request.body().is_from_client().then(|| request_log.paused_time());
                let call_timeout = settings.call_timeout(request.headers());
                if let Some(max_elapsed) = settings.max_elapsed(request.headers(), call_timeout) {
                    request.extensions_mut().insert(RetryOverride::new().max_elapsed(max_elapsed));
                }
                let attempts = AttemptService::new(settings, request_log, origin, wishes, call_timeout);
                match &target.retry {
                    // The retry services are always ready, because their inner service is.
                    RetryService::Unpaced(retry) => TargetFuture::Unpaced {
                        response: retry.with_inner(attempts).paused_time(paused).call_once(request),
                    },
                    RetryService::Paced(retry) => TargetFuture::Paced {
                        response: Box::pin(retry.with_inner(attempts).paused_time(paused).call_once(request)),
                    },
                }
            }
            Targets::WithFallback(fallback) => {
                let request = FallbackRequest { request, request_log, origin, wishes };
                TargetFuture::WithFallback { response: Box::pin(Arc::clone(fallback).send(request)) }
            }
        }
    }

    /// Reads up to the model of a request, and starts its first attempt, if enough of the body has arrived.
    pub(super) fn read_model(
        self: &Arc<Self>,
        request: FallbackRequest,
        cx: &mut Context<'_>,
    ) -> TargetFuture {
        let FallbackRequest { request, request_log, origin, wishes } = request;
        let Some(reader) = &self.model_reader else {
            return self.start(request, request_log, origin, wishes);
        };
        match reader.read_arrived(request, &request_log, cx) {
            Ok(request) => self.start(request, request_log, origin, wishes),
            Err(reading) => {
                let (route, rest) = (Arc::clone(self), reader.read_rest(reading, &request_log));
                let target = async move {
                    let request = rest.await;
                    route.start(request, request_log, origin, wishes)
                };
                TargetFuture::ReadingModel { target: Box::pin(target) }
            }
        }
    }
}

fn local_reply(record: Box<RequestRecord>, problem: ProblemDetails, detail: &'static str) -> ResponseFuture {
    let target = local_target(problem, detail, false);
    let version = Version::HTTP_11;
    ResponseFuture { target, record: Some(record), upgrade: None, version, adds_explain_headers: false }
}

fn local_target(problem: ProblemDetails, detail: &'static str, closes: bool) -> TargetFuture {
    TargetFuture::LocalReply { reply: LocalReply { problem, detail, retry_after: None }, closes }
}

const LOOP: &str = "the request has passed this gateway several times: an endpoint leads back to it";
const TOO_MANY_HEADERS: &str = "the request has more headers than limits.headers allows";
