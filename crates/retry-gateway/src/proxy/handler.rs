//! One request through the gateway: validation, the choice of a route, and the start of the first attempt.

use std::sync::Arc;

use http::{Method, Request, Version};
use hyper::body::Incoming;
use tower::Service;

use crate::connection::info::ConnectionInfo;
use crate::connection::rejection::Rejection;
use crate::connection::timeouts::ActiveRequest;
use crate::llm;
use crate::message::forwarding::{self, ForwardedRequest};
use crate::message::problem::ProblemDetails;
use crate::message::validate::{self, ValidRequest};
use crate::proxy::fallback::FallbackRequest;
use crate::proxy::record::RequestRecord;
use crate::proxy::response::{MAX_REQUESTS_REACHED, ResponseFuture, TargetFuture};
use crate::proxy::route_match;
use crate::proxy::state::{Gateway, Route, Targets};
use crate::proxy::upstream_route::RetryService;
use crate::upstream::request_body::{BodyTimeout, RequestBody};
use crate::upstream::service::AttemptService;

impl Gateway {
    /// Answers a request. The first attempt has started when this returns, unless the answer is a local
    /// reply.
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
                let is_http1 = request.version() < Version::HTTP_2;
                return ResponseFuture {
                    is_http1,
                    ..local_reply(record, ProblemDetails::BadRequest, detail)
                };
            }
        };
        match self.routes.iter().find(|route| route_match::matches(&route.config, &request)) {
            None => local_reply(record, ProblemDetails::NoRoute, "no route matches the request"),
            Some(_) if request.method() == Method::CONNECT => local_reply(
                record,
                ProblemDetails::BadRequest,
                "the gateway is a reverse proxy and does not support CONNECT",
            ),
            Some(route) => {
                record.route = Some(Arc::clone(route));
                if let Targets::Single(target) = &route.targets {
                    record.permit = target.try_acquire();
                    if record.permit.is_none() {
                        record.rejection = Some(Rejection::Overflow);
                        return local_reply(record, ProblemDetails::Overflow, MAX_REQUESTS_REACHED);
                    }
                }
                route.send(request, valid, connection, record, &self.body_timeout)
            }
        }
    }
}

impl Route {
    /// Sends a request to the route's targets.
    fn send(
        &self,
        mut request: Request<Incoming>,
        valid: ValidRequest,
        connection: &Arc<ConnectionInfo>,
        record: RequestRecord,
        body_timeout: &Arc<BodyTimeout>,
    ) -> ResponseFuture {
        let is_http1 = request.version() == Version::HTTP_11;
        let ForwardedRequest { forwarding: origin, upgrade, expects_continue } =
            forwarding::request(&mut request, valid, connection);
        if self.adds_idempotency_key {
            llm::add_idempotency_key(&mut request);
        }
        let request = request.map(|body| RequestBody::new(body, body_timeout, &record.request_log));
        let request_log = record.request_log.clone();
        let target = match &self.targets {
            Targets::Single(target) => {
                let settings = Arc::clone(&target.settings);
                let attempts = AttemptService::new(settings, request_log, origin, expects_continue);
                match &target.retry {
                    // The retry services are always ready, because their inner service is.
                    RetryService::Unpaced(retry) => {
                        TargetFuture::Unpaced { response: retry.with_inner(attempts).call(request) }
                    }
                    RetryService::Paced(retry) => {
                        TargetFuture::Paced { response: Box::pin(retry.with_inner(attempts).call(request)) }
                    }
                }
            }
            Targets::WithFallback(fallback) => {
                let request = FallbackRequest { request, request_log, origin, expects_continue };
                TargetFuture::WithFallback { response: Box::pin(Arc::clone(fallback).send(request)) }
            }
        };
        let adds_explain_headers = self.adds_explain_headers;
        ResponseFuture { target, record, upgrade, is_http1, adds_explain_headers }
    }
}

fn local_reply(record: RequestRecord, problem: ProblemDetails, detail: &'static str) -> ResponseFuture {
    let target = TargetFuture::LocalReply { problem, detail };
    ResponseFuture { target, record, upgrade: None, is_http1: false, adds_explain_headers: false }
}

const TOO_MANY_HEADERS: &str = "the request has more headers than limits.headers allows";
