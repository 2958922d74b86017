//! One request through the gateway: find its route, and send it on.

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
use crate::proxy::fallback::Errand;
use crate::proxy::record::Record;
use crate::proxy::response::{Answer, NO_SEAT, Sent};
use crate::proxy::route_match;
use crate::proxy::state::{Gateway, Legs, Route};
use crate::proxy::upstream_route::Retries;
use crate::upstream::request_body::{Upload, Uploads};
use crate::upstream::service::Attempts;

impl Gateway {
    /// Answers a request, which is on its way when this returns.
    pub(crate) fn answer(
        &self,
        mut request: Request<Incoming>,
        downstream: &Arc<ConnectionInfo>,
        turn: ActiveRequest,
    ) -> Answer {
        let mut record = Record::new(self, &request, downstream, turn);
        if request.headers().len() > self.limits.headers {
            record.rejection = Some(Rejection::HeadTooLarge);
            return never(
                record,
                ProblemDetails::HeadTooLarge,
                "it has more header lines than the gateway takes",
            );
        }
        let vetted = match validate::request(&mut request, downstream) {
            Ok(vetted) => vetted,
            Err(detail) => {
                // Where the next request begins is not known for sure.
                let is_http1 = request.version() < Version::HTTP_2;
                return Answer { is_http1, ..never(record, ProblemDetails::BadRequest, detail) };
            }
        };
        match self.routes.iter().find(|route| route_match::fits(&route.config, &request)) {
            None => never(record, ProblemDetails::NoRoute, "no route of the configuration fits it"),
            Some(_) if request.method() == Method::CONNECT => {
                never(record, ProblemDetails::BadRequest, "CONNECT is for forward proxies")
            }
            Some(route) => {
                record.route = Some(Arc::clone(route));
                if let Legs::One(leg) = &route.legs {
                    record.seat = leg.take_seat();
                    if record.seat.is_none() {
                        record.rejection = Some(Rejection::Overflow);
                        return never(record, ProblemDetails::Overflow, NO_SEAT);
                    }
                }
                route.send(request, vetted, downstream, record, &self.uploads)
            }
        }
    }
}

impl Route {
    /// Sends a request on.
    fn send(
        &self,
        mut request: Request<Incoming>,
        vetted: ValidRequest,
        downstream: &Arc<ConnectionInfo>,
        record: Record,
        uploads: &Arc<Uploads>,
    ) -> Answer {
        let is_http1 = request.version() == Version::HTTP_11;
        let ForwardedRequest { forwarding: origin, upgrade: tunnel, expects_continue: expects } =
            forwarding::request(&mut request, vetted, downstream);
        if self.mints_key {
            llm::add_idempotency_key(&mut request);
        }
        let request = request.map(|body| Upload::new(body, uploads, &record.request_log));
        let request_log = record.request_log.clone();
        let sent = match &self.legs {
            Legs::One(leg) => {
                let attempts = Attempts::new(Arc::clone(&leg.way), request_log, origin, expects);
                match &leg.retries {
                    // These are always ready, as their attempts are.
                    Retries::Unpaced(retry) => {
                        Sent::Unpaced { attempts: retry.with_inner(attempts).call(request) }
                    }
                    Retries::Paced(retry) => {
                        Sent::Paced { attempts: Box::pin(retry.with_inner(attempts).call(request)) }
                    }
                }
            }
            Legs::Several(fallback) => {
                let errand = Errand { request, request_log, origin, expects };
                Sent::Several { attempts: Box::pin(Arc::clone(fallback).send(errand)) }
            }
        };
        Answer { sent, record, tunnel, is_http1, explains: self.explains }
    }
}

fn never(record: Record, problem: ProblemDetails, detail: &'static str) -> Answer {
    let sent = Sent::Never { problem, detail };
    Answer { sent, record, tunnel: None, is_http1: false, explains: false }
}
