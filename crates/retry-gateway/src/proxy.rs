//! One request through the gateway: find its route, and send it on.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Version};
use hyper::body::Incoming;
use tokio_rustls::TlsAcceptor;
use tower::Service;
use tower_http_retry::ReplayMemory;

use crate::access::Record;
use crate::alarm::Alarms;
use crate::answer::{Answer, NO_SEAT, Sent};
use crate::care;
use crate::cluster::Shared;
use crate::config::{Buffers, Limits};
use crate::downstream::Downstream;
use crate::fallback::Errand;
use crate::forward::{self, Arrived};
use crate::leg::{Legs, Retries};
use crate::metrics::Metrics;
use crate::patience::Turn;
use crate::problem::Problem;
use crate::reject::Rejection;
use crate::service::Attempts;
use crate::trust::Trust;
use crate::upload::{Upload, Uploads};
use crate::vet::{self, Vetted};
use crate::{config, route};

/// The gateway: its routes, in the order in which they are tried.
pub struct Gateway {
    pub(crate) routes: Vec<Route>,
    pub(crate) upstreams: BTreeMap<String, Arc<Shared>>,
    pub(crate) memory: ReplayMemory,
    /// The bound that it has.
    pub(crate) buffers: Buffers,
    pub(crate) metrics: Arc<Metrics>,
    /// Of attempts.
    pub(crate) alarms: Alarms,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) limits: Limits,
    pub(crate) drain_timeout: Duration,
    pub(crate) acceptor: Option<TlsAcceptor>,
    pub(crate) logs_access: bool,
    pub(crate) trust: Trust,
}

/// Where requests of one kind go, and how.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) config: config::Route,
    pub(crate) legs: Legs,
    pub(crate) explains: bool,
    pub(crate) mints_key: bool,
}

impl Gateway {
    /// Answers a request, which is on its way when this returns.
    pub(crate) fn answer(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        downstream: &Arc<Downstream>,
        turn: Turn,
    ) -> Answer {
        let mut record = Record::new(Arc::clone(self), &request, downstream, turn);
        if request.headers().len() > self.limits.headers {
            record.rejection = Some(Rejection::HeadTooLarge);
            return never(record, Problem::HeadTooLarge, "it has more header lines than the gateway takes");
        }
        let vetted = match vet::request(&mut request, downstream) {
            Ok(vetted) => vetted,
            Err(detail) => {
                // Where the next request begins is not known for sure.
                let is_http1 = request.version() < Version::HTTP_2;
                return Answer { is_http1, ..never(record, Problem::BadRequest, detail) };
            }
        };
        match self.routes.iter().position(|route| route::fits(&route.config, &request)) {
            None => never(record, Problem::NoRoute, "no route of the configuration fits it"),
            Some(_) if request.method() == Method::CONNECT => {
                never(record, Problem::BadRequest, "CONNECT is for forward proxies")
            }
            Some(index) => {
                record.route = Some(index);
                let route = &self.routes[index];
                if let Legs::One(leg) = &route.legs {
                    record.seat = leg.take_seat();
                    if record.seat.is_none() {
                        record.rejection = Some(Rejection::Overflow);
                        return never(record, Problem::Overflow, NO_SEAT);
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
        vetted: Vetted,
        downstream: &Arc<Downstream>,
        record: Record,
        uploads: &Arc<Uploads>,
    ) -> Answer {
        let is_http1 = request.version() == Version::HTTP_11;
        let Arrived { origin, tunnel, expects } = forward::request(&mut request, vetted, downstream);
        if self.mints_key {
            care::mint(&mut request);
        }
        let request = request.map(|body| Upload::new(body, uploads, &record.trail));
        let trail = record.trail.clone();
        let sent = match &self.legs {
            Legs::One(leg) => {
                let attempts = Attempts::new(Arc::clone(&leg.way), trail, origin, expects);
                match &leg.retries {
                    // These are always ready, as their attempts are.
                    Retries::Unpaced(retry) => Sent::Unpaced { attempts: retry.over(attempts).call(request) },
                    Retries::Paced(retry) => {
                        Sent::Paced { attempts: Box::pin(retry.over(attempts).call(request)) }
                    }
                }
            }
            Legs::Several(fallback) => {
                let errand = Errand { request, trail, origin, expects };
                Sent::Several { attempts: Box::pin(Arc::clone(fallback).send(errand)) }
            }
        };
        Answer { sent, record, tunnel, is_http1, explains: self.explains }
    }
}

fn never(record: Record, problem: Problem, detail: &'static str) -> Answer {
    let sent = Sent::Never { problem, detail };
    Answer { sent, record, tunnel: None, is_http1: false, explains: false }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("upstreams", &self.upstreams).finish_non_exhaustive()
    }
}
