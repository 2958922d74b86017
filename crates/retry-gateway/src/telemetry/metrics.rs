//! What is counted, under Envoy's names where it has them.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, OnceLock, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tower_http_retry::{GiveUpReason, RetryCause, RetryInfo};

use crate::connection::rejection::Rejection;
use crate::telemetry::reason::FallbackReason;
use crate::telemetry::status::{CountsStatus, UpstreamStatus};

/// The counters of a gateway, and what they are called.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    answers: Family<Answers, Counter>,
    requests: Family<Of, Counter>,
    attempts: Family<Of, Counter>,
    resends: Family<Resends, Counter>,
    fallbacks: Family<Resends, Counter>,
    healed: Family<Of, Counter>,
    exhausted: Family<Of, Counter>,
    unpaid: Family<Of, Counter>,
    waits: Family<Of, Histogram, fn() -> Histogram>,
    amplification: Family<Of, Level>,
    budget: Family<Of, Level>,
    waiting: Family<Of, Gauge>,
    ejections: Family<Of, Counter>,
    ejected: Family<Of, Gauge>,
    buffered: Gauge,
    connections: Gauge,
    rejected: Family<Rejected, Counter>,
    reloads: Family<Reloads, Counter>,
    /// The upstreams whose gauges were set last.
    shown: Mutex<BTreeSet<Of>>,
}

type Level = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct Of {
    upstream: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answers {
    upstream: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Resends {
    upstream: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rejected {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reloads {
    outcome: &'static str,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let mut counter = |name, help| {
            let family = Family::<Of, Counter>::default();
            registry.register(name, help, family.clone());
            family
        };
        let requests = counter("upstream_rq", "Requests that were answered or whose client was gone");
        let attempts = counter("upstream_rq_attempts", "Sends, the first ones and the others");
        let healed = counter("upstream_rq_retry_success", "Requests that a resend healed");
        let exhausted = counter("upstream_rq_retry_limit_exceeded", "Requests whose attempts were all made");
        let unpaid = counter("upstream_rq_retry_overflow", "Resends that the budget could not pay");
        let ejections = counter("outlier_detection_ejections", "Endpoints that were left alone from then on");
        let answers = Family::default();
        registry.register("upstream_rq_status", "Answers to clients, by status", Family::clone(&answers));
        let resends = Family::default();
        registry.register("upstream_rq_retry", "Resends, by why there were any", Family::clone(&resends));
        let fallbacks = Family::default();
        let help = "Requests that went on to another upstream, by why";
        registry.register("upstream_rq_fallback", help, Family::clone(&fallbacks));
        let waits = Family::new_with_constructor(buckets as fn() -> Histogram);
        let help = "Waits of requests that were sent again";
        registry.register_with_unit("retry_delay", help, Unit::Seconds, Family::clone(&waits));
        let mut level = |name, help| {
            let family = Family::<Of, Level>::default();
            registry.register(name, help, family.clone());
            family
        };
        let amplification = level("retry_amplification_ratio", "Sends for each request");
        let budget = level("retry_budget_tokens", "Resends that could be paid now");
        let waiting = Family::default();
        registry.register("pace_active", "Requests that wait for their turn", Family::clone(&waiting));
        let ejected = Family::default();
        let help = "Endpoints that are left alone";
        registry.register("outlier_detection_ejections_active", help, Family::clone(&ejected));
        let buffered = Gauge::default();
        registry.register(
            "retry_body_buffered_bytes",
            "Request bodies that are kept",
            Gauge::clone(&buffered),
        );
        let connections = Gauge::default();
        let help = "Connections of clients that are open";
        registry.register("downstream_cx_active", help, Gauge::clone(&connections));
        let rejected = Family::default();
        let help = "Clients that were turned away, by the limit that was met";
        registry.register("downstream_rq_rejected", help, Family::clone(&rejected));
        let reloads = Family::default();
        registry.register("config_reloads", "Configurations that were read again", Family::clone(&reloads));
        Self {
            registry,
            answers,
            requests,
            attempts,
            resends,
            fallbacks,
            healed,
            exhausted,
            unpaid,
            waits,
            amplification,
            budget,
            waiting,
            ejections,
            ejected,
            buffered,
            connections,
            rejected,
            reloads,
            shown: Mutex::default(),
        }
    }

    /// What is counted of one upstream.
    pub(crate) fn of(&self, upstream: &str) -> Counts {
        let of = Of { upstream: upstream.to_owned() };
        let counter = |family: &Family<Of, Counter>| family.get_or_create(&of).clone();
        Counts {
            upstream: upstream.to_owned(),
            requests: counter(&self.requests),
            attempts: counter(&self.attempts),
            healed: counter(&self.healed),
            exhausted: counter(&self.exhausted),
            unpaid: counter(&self.unpaid),
            waits: self.waits.get_or_create(&of).clone(),
            answers: self.answers.clone(),
            resends: self.resends.clone(),
            fallbacks: self.fallbacks.clone(),
            ok: OnceLock::new(),
        }
    }

    /// What counts the ejections of one upstream's endpoints.
    pub(crate) fn ejections(&self, upstream: &str) -> Counter {
        self.ejections.get_or_create(&Of { upstream: upstream.to_owned() }).clone()
    }

    /// Sets the gauges of all upstreams there are, and removes the gauges of those that a reload removed. An alert on
    /// one of them would otherwise never end. Counters stay.
    pub(crate) fn set_upstreams(&self, upstreams: &[UpstreamStatus]) {
        // The lock is held to the end, so that `shown` names exactly the upstreams whose gauges are set.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let now: BTreeSet<_> =
            upstreams.iter().map(|upstream| Of { upstream: upstream.name.clone() }).collect();
        for gone in shown.difference(&now) {
            self.budget.remove(gone);
            self.waiting.remove(gone);
            self.ejected.remove(gone);
            self.amplification.remove(gone);
        }
        *shown = now;
        for upstream in upstreams {
            self.set_upstream(upstream);
        }
    }

    fn set_upstream(&self, upstream: &UpstreamStatus) {
        let of = Of { upstream: upstream.name.clone() };
        if let Some(tokens) = upstream.budget_tokens {
            self.budget.get_or_create(&of).set(tokens);
        } else {
            self.budget.remove(&of);
        }
        self.waiting.get_or_create(&of).set(i64::try_from(upstream.waiting).unwrap_or(i64::MAX));
        self.ejected.get_or_create(&of).set(i64::try_from(upstream.ejected).unwrap_or(i64::MAX));
        let requests = self.requests.get_or_create(&of).get();
        if requests > 0 {
            let attempts = self.attempts.get_or_create(&of).get();
            self.amplification.get_or_create(&of).set(attempts as f64 / requests as f64);
        }
    }

    /// Says how many connections of clients are open now, and how much is kept of requests.
    pub(crate) fn keep(&self, connections: usize, bytes: usize) {
        self.connections.set(i64::try_from(connections).unwrap_or(i64::MAX));
        self.buffered.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Counts a client that was turned away.
    pub(crate) fn rejected(&self, rejection: Rejection) {
        self.rejected.get_or_create(&Rejected { reason: rejection.as_str() }).inc();
    }

    /// Counts a configuration that was read again.
    pub(crate) fn reloaded(&self, is_applied: bool) {
        let outcome = if is_applied { "applied" } else { "rejected" };
        self.reloads.get_or_create(&Reloads { outcome }).inc();
    }

    /// All of them, in the text format of Prometheus.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // A `String` takes all that is written to it.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

/// The counters of one upstream, which are looked up once and not for each request.
#[derive(Debug)]
pub(crate) struct Counts {
    upstream: String,
    requests: Counter,
    attempts: Counter,
    healed: Counter,
    exhausted: Counter,
    unpaid: Counter,
    waits: Histogram,
    answers: Family<Answers, Counter>,
    resends: Family<Resends, Counter>,
    /// Requests that left it for another one.
    fallbacks: Family<Resends, Counter>,
    /// Of the answers, those that most are.
    ok: OnceLock<Counter>,
}

impl Counts {
    /// Counts a request that was answered, or whose client was gone.
    pub(crate) fn count(&self, status: u16, attempts: u32, info: Option<RetryInfo>) {
        self.answer(status);
        self.try_out(attempts, info);
        // What is accepted need not be an answer that helps.
        if info.is_some_and(|info| info.reason().is_none()) && status < 500 {
            self.healed.inc();
        }
    }

    /// Counts an answer.
    pub(crate) fn answer(&self, status: u16) {
        match status {
            200 => self.ok.get_or_init(|| self.answers(status)).inc(),
            _ => self.answers(status).inc(),
        };
    }

    /// Counts a request that went on to another upstream after these attempts.
    pub(crate) fn leave(&self, attempts: u32, info: Option<RetryInfo>, why: FallbackReason) {
        self.try_out(attempts, info);
        self.pass_over(why);
    }

    /// Counts one that went on without an attempt to make any.
    pub(crate) fn pass_over(&self, why: FallbackReason) {
        let left = Resends { upstream: self.upstream.clone(), reason: why.as_str() };
        self.fallbacks.get_or_create(&left).inc();
    }

    /// Counts a request, whoever answered it.
    pub(crate) fn try_out(&self, attempts: u32, info: Option<RetryInfo>) {
        self.requests.inc();
        self.attempts.inc_by(u64::from(attempts));
        if attempts > 1 {
            let reason = info.and_then(|info| info.cause()).map_or(UNKNOWN, |cause| cause.as_str());
            let resends = Resends { upstream: self.upstream.clone(), reason };
            self.resends.get_or_create(&resends).inc_by(u64::from(attempts - 1));
            self.waits.observe(info.map_or(0.0, |info| info.waited().as_secs_f64()));
        }
        match info.and_then(|info| info.reason()) {
            Some(GiveUpReason::MaxAttempts) => self.exhausted.inc(),
            Some(GiveUpReason::Budget) => self.unpaid.inc(),
            _ => return,
        };
    }

    pub(crate) fn status(&self) -> CountsStatus {
        let resends = |reason| {
            let resends = Resends { upstream: self.upstream.clone(), reason };
            Some((reason, self.resends.get(&resends)?.get()))
        };
        let fallbacks = |reason| {
            let left = Resends { upstream: self.upstream.clone(), reason };
            Some((reason, self.fallbacks.get(&left)?.get()))
        };
        CountsStatus {
            requests: self.requests.get(),
            sends: self.attempts.get(),
            healed: self.healed.get(),
            exhausted: self.exhausted.get(),
            unpaid: self.unpaid.get(),
            resends: REASONS.into_iter().filter_map(resends).collect(),
            fallbacks: REASONS.into_iter().chain(LEFT).filter_map(fallbacks).collect(),
        }
    }

    fn answers(&self, status: u16) -> Counter {
        self.answers.get_or_create(&Answers { upstream: self.upstream.clone(), status }).clone()
    }
}

/// Why there are resends; the last where nobody can tell.
const REASONS: [&str; 6] = [
    RetryCause::NeverSent.as_str(),
    RetryCause::Unprocessed.as_str(),
    RetryCause::Throttled.as_str(),
    RetryCause::Transient.as_str(),
    RetryCause::Timeout.as_str(),
    UNKNOWN,
];
const UNKNOWN: &str = "unknown";
/// Why else a request leaves an upstream.
const LEFT: [&str; 3] =
    [FallbackReason::Paced.as_str(), FallbackReason::QuotaGone.as_str(), FallbackReason::Overflow.as_str()];

/// From 1 ms to 65 s.
fn buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 17))
}
