//! One request through the gateway: find its route, and send it on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Method, Request, Version};
use hyper::body::Incoming;
use tower::Service;
use tower_http_retry::{Concrete, ReplayMemory, Retry, WithPace};

use crate::access::Record;
use crate::admin::Status;
use crate::answer::{Answer, Sent};
use crate::assemble::Shared;
use crate::forward::{self, Arrived, Downstream};
use crate::metrics::{Counts, Metrics};
use crate::policy::GatewayPolicy;
use crate::problem::Problem;
use crate::trust::Trust;
use crate::upstream::{Attempts, Way};
use crate::{config, route, vet};

/// The gateway: its routes, in the order in which they are tried.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) routes: Vec<Route>,
    pub(crate) upstreams: BTreeMap<String, Shared>,
    pub(crate) memory: ReplayMemory,
    pub(crate) metrics: Metrics,
    pub(crate) is_draining: AtomicBool,
    pub(crate) logs_access: bool,
    pub(crate) trust: Trust,
}

/// Where requests of one kind go, and how.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) config: config::Route,
    pub(crate) way: Arc<Way>,
    pub(crate) retries: Retries,
    pub(crate) counts: Counts,
    pub(crate) explains: bool,
}

/// A route's retry layer, over nothing: each request brings its own attempts.
#[derive(Debug)]
pub(crate) enum Retries {
    Unpaced(Retry<(), GatewayPolicy>),
    Paced(Retry<(), GatewayPolicy, Concrete, WithPace>),
}

impl Gateway {
    /// No more requests are to come.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// How it stands.
    pub(crate) fn status(&self) -> Status {
        Status {
            draining: self.is_draining(),
            buffered_bytes: self.memory.used(),
            upstreams: self.upstreams.iter().map(|(name, shared)| shared.status(name)).collect(),
        }
    }

    /// What was counted, in the text format of Prometheus.
    pub(crate) fn metrics(&self) -> String {
        let status = self.status();
        self.metrics.keep(status.buffered_bytes);
        for upstream in &status.upstreams {
            self.metrics.stand(upstream);
        }
        self.metrics.text()
    }

    /// Answers a request, which is on its way when this returns.
    pub(crate) fn answer(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        downstream: &Downstream,
    ) -> Answer {
        let mut record = Record::new(Arc::clone(self), &request, downstream);
        if let Err(detail) = vet::request(&mut request) {
            // Where the next request begins is not known for sure.
            let is_http1 = request.version() < Version::HTTP_2;
            return Answer { is_http1, ..never(record, Problem::BadRequest, detail) };
        }
        match self.routes.iter().position(|route| route::fits(&route.config, &request)) {
            None => never(record, Problem::NoRoute, "no route of the configuration fits it"),
            Some(_) if request.method() == Method::CONNECT => {
                never(record, Problem::BadRequest, "CONNECT is for forward proxies")
            }
            Some(index) => {
                record.route = Some(index);
                self.routes[index].send(request, downstream, record)
            }
        }
    }
}

impl Route {
    /// Sends a request on.
    fn send(&self, mut request: Request<Incoming>, downstream: &Downstream, record: Record) -> Answer {
        let is_http1 = request.version() == Version::HTTP_11;
        let Arrived { tunnel, expects } = forward::request(&mut request, downstream);
        let attempts = Attempts::new(Arc::clone(&self.way), record.trail.clone(), expects);
        let sent = match &self.retries {
            // These are always ready, as their attempts are.
            Retries::Unpaced(retry) => Sent::Unpaced { attempts: retry.over(attempts).call(request) },
            Retries::Paced(retry) => Sent::Paced { attempts: Box::pin(retry.over(attempts).call(request)) },
        };
        Answer { sent, record, tunnel, is_http1, explains: self.explains }
    }
}

fn never(record: Record, problem: Problem, detail: &'static str) -> Answer {
    let sent = Sent::Never { problem, detail };
    Answer { sent, record, tunnel: None, is_http1: false, explains: false }
}
