//! The metrics, under Envoy's names where Envoy has them.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, OnceLock};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tower_http_retry::{GiveUpReason, RetryCause, RetryInfo};

use crate::connection::rejection::Rejection;
use crate::sync::lock;
use crate::telemetry::reason::FallbackReason;
use crate::telemetry::status::{CounterStatus, UpstreamStatus};

/// The metrics of a gateway, registered under their names.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    responses: Family<StatusLabels, Counter>,
    requests: Family<UpstreamLabel, Counter>,
    attempts: Family<UpstreamLabel, Counter>,
    resends: Family<ReasonLabels, Counter>,
    fallbacks: Family<ReasonLabels, Counter>,
    retry_success: Family<UpstreamLabel, Counter>,
    retry_limit_exceeded: Family<UpstreamLabel, Counter>,
    retry_overflow: Family<UpstreamLabel, Counter>,
    retry_delay: Family<UpstreamLabel, Histogram, fn() -> Histogram>,
    amplification: Family<UpstreamLabel, FloatGauge>,
    budget_tokens: Family<UpstreamLabel, FloatGauge>,
    paced: Family<UpstreamLabel, Gauge>,
    ejections: Family<UpstreamLabel, Counter>,
    ejected: Family<UpstreamLabel, Gauge>,
    buffered_bytes: Gauge,
    connections: Gauge,
    rejections: Family<RejectionLabel, Counter>,
    reloads: Family<ReloadLabel, Counter>,
    /// The upstreams whose gauges the last call of [`set_upstreams`](Self::set_upstreams) set.
    with_gauges: Mutex<BTreeSet<UpstreamLabel>>,
}

type FloatGauge = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct UpstreamLabel {
    upstream: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    upstream: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    upstream: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RejectionLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabel {
    outcome: &'static str,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let mut counter = |name, help| {
            let family = Family::<UpstreamLabel, Counter>::default();
            registry.register(name, help, family.clone());
            family
        };
        let requests =
            counter("upstream_rq", "Requests that got a response or lost their client, by upstream");
        let attempts = counter("upstream_rq_attempts", "Attempts, the first ones included, by upstream");
        let retry_success =
            counter("upstream_rq_retry_success", "Requests that a resend made succeed, by upstream");
        let help = "Requests that failed after the last of their attempts, by upstream";
        let retry_limit_exceeded = counter("upstream_rq_retry_limit_exceeded", help);
        let help = "Requests that were not resent because the retry budget was used up, by upstream";
        let retry_overflow = counter("upstream_rq_retry_overflow", help);
        let help = "Ejections of endpoints by outlier detection, by upstream";
        let ejections = counter("outlier_detection_ejections", help);
        let responses = Family::default();
        let help = "Responses to clients, by upstream and status; 499 counts clients that closed early";
        registry.register("upstream_rq_status", help, Family::clone(&responses));
        let resends = Family::default();
        let help = "Resends, by upstream and the cause of the last one of their request";
        registry.register("upstream_rq_retry", help, Family::clone(&resends));
        let fallbacks = Family::default();
        let help = "Requests that went on to the next upstream of their route, by the upstream they left and \
                    the reason";
        registry.register("upstream_rq_fallback", help, Family::clone(&fallbacks));
        let retry_delay = Family::new_with_constructor(buckets as fn() -> Histogram);
        let help = "Time that resent requests waited between attempts, by upstream";
        registry.register_with_unit("retry_delay", help, Unit::Seconds, Family::clone(&retry_delay));
        let mut float_gauge = |name, help| {
            let family = Family::<UpstreamLabel, FloatGauge>::default();
            registry.register(name, help, family.clone());
            family
        };
        let help = "Attempts for each request since the process started, by upstream";
        let amplification = float_gauge("retry_amplification_ratio", help);
        let help = "Resends that the retry budget allows now, by upstream";
        let budget_tokens = float_gauge("retry_budget_tokens", help);
        let paced = Family::default();
        registry.register(
            "pace_active",
            "Requests that the pace holds back now, by upstream",
            Family::clone(&paced),
        );
        let ejected = Family::default();
        let help = "Endpoints that are ejected now, by upstream";
        registry.register("outlier_detection_ejections_active", help, Family::clone(&ejected));
        let buffered_bytes = Gauge::default();
        let help = "Bytes of request bodies that are buffered now for resends";
        registry.register("retry_body_buffered_bytes", help, Gauge::clone(&buffered_bytes));
        let connections = Gauge::default();
        let help = "Connections of clients that are open now";
        registry.register("downstream_cx_active", help, Gauge::clone(&connections));
        let rejections = Family::default();
        let help = "Clients and requests that the gateway rejected, by the limit that was reached";
        registry.register("downstream_rq_rejected", help, Family::clone(&rejections));
        let reloads = Family::default();
        let help = "Reloads of the configuration, by outcome: applied or rejected";
        registry.register("config_reloads", help, Family::clone(&reloads));
        Self {
            registry,
            responses,
            requests,
            attempts,
            resends,
            fallbacks,
            retry_success,
            retry_limit_exceeded,
            retry_overflow,
            retry_delay,
            amplification,
            budget_tokens,
            paced,
            ejections,
            ejected,
            buffered_bytes,
            connections,
            rejections,
            reloads,
            with_gauges: Mutex::default(),
        }
    }

    /// Returns the counters of one upstream.
    pub(crate) fn upstream(&self, name: &str) -> UpstreamCounters {
        let label = UpstreamLabel { upstream: name.to_owned() };
        let counter = |family: &Family<UpstreamLabel, Counter>| family.get_or_create(&label).clone();
        UpstreamCounters {
            upstream: name.to_owned(),
            requests: counter(&self.requests),
            attempts: counter(&self.attempts),
            retry_success: counter(&self.retry_success),
            retry_limit_exceeded: counter(&self.retry_limit_exceeded),
            retry_overflow: counter(&self.retry_overflow),
            retry_delay: self.retry_delay.get_or_create(&label).clone(),
            responses: self.responses.clone(),
            resends: self.resends.clone(),
            fallbacks: self.fallbacks.clone(),
            status_200: OnceLock::new(),
        }
    }

    /// Returns the counter of ejections of one upstream's endpoints.
    pub(crate) fn ejections(&self, upstream: &str) -> Counter {
        self.ejections.get_or_create(&UpstreamLabel { upstream: upstream.to_owned() }).clone()
    }

    /// Sets the gauges of all upstreams, and removes the gauges of removed upstreams. An alert on one of them
    /// would otherwise never end. Counters stay.
    pub(crate) fn set_upstreams(&self, upstreams: &[UpstreamStatus]) {
        // The lock is held to the end, so that the set names exactly the upstreams whose gauges exist.
        let mut with_gauges = lock(&self.with_gauges);
        let now: BTreeSet<_> =
            upstreams.iter().map(|upstream| UpstreamLabel { upstream: upstream.name.clone() }).collect();
        for removed in with_gauges.difference(&now) {
            self.budget_tokens.remove(removed);
            self.paced.remove(removed);
            self.ejected.remove(removed);
            self.amplification.remove(removed);
        }
        *with_gauges = now;
        for upstream in upstreams {
            self.set_upstream(upstream);
        }
    }

    fn set_upstream(&self, upstream: &UpstreamStatus) {
        let label = UpstreamLabel { upstream: upstream.name.clone() };
        if let Some(tokens) = upstream.budget_tokens {
            self.budget_tokens.get_or_create(&label).set(tokens);
        } else {
            self.budget_tokens.remove(&label);
        }
        self.paced.get_or_create(&label).set(i64::try_from(upstream.paced).unwrap_or(i64::MAX));
        self.ejected.get_or_create(&label).set(i64::try_from(upstream.ejected).unwrap_or(i64::MAX));
        let requests = self.requests.get_or_create(&label).get();
        if requests > 0 {
            let attempts = self.attempts.get_or_create(&label).get();
            self.amplification.get_or_create(&label).set(attempts as f64 / requests as f64);
        }
    }

    /// Sets the gauges of the whole gateway: open connections of clients, and buffered bytes of request bodies.
    pub(crate) fn set_totals(&self, connections: usize, buffered_bytes: usize) {
        self.connections.set(i64::try_from(connections).unwrap_or(i64::MAX));
        self.buffered_bytes.set(i64::try_from(buffered_bytes).unwrap_or(i64::MAX));
    }

    pub(crate) fn record_rejection(&self, rejection: Rejection) {
        self.rejections.get_or_create(&RejectionLabel { reason: rejection.as_str() }).inc();
    }

    pub(crate) fn record_reload(&self, is_applied: bool) {
        let outcome = if is_applied { "applied" } else { "rejected" };
        self.reloads.get_or_create(&ReloadLabel { outcome }).inc();
    }

    /// Returns all metrics in the text format of Prometheus.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` never fails.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

/// The counters of one upstream, looked up once instead of for each request.
#[derive(Debug)]
pub(crate) struct UpstreamCounters {
    upstream: String,
    requests: Counter,
    attempts: Counter,
    retry_success: Counter,
    retry_limit_exceeded: Counter,
    retry_overflow: Counter,
    retry_delay: Histogram,
    responses: Family<StatusLabels, Counter>,
    resends: Family<ReasonLabels, Counter>,
    /// Requests that left this upstream for the next one.
    fallbacks: Family<ReasonLabels, Counter>,
    /// The counter of status 200, which most responses have.
    status_200: OnceLock<Counter>,
}

impl UpstreamCounters {
    /// Counts a request that got a response or lost its client.
    pub(crate) fn record_request(&self, status: u16, attempts: u32, info: Option<RetryInfo>) {
        self.record_response(status);
        self.record_attempts(attempts, info);
        // The policy also accepts 5xx responses that it does not retry, and those are no success.
        if info.is_some_and(|info| info.reason().is_none()) && status < 500 {
            self.retry_success.inc();
        }
    }

    /// Counts a response by its status.
    pub(crate) fn record_response(&self, status: u16) {
        match status {
            200 => self.status_200.get_or_init(|| self.response_counter(status)).inc(),
            _ => self.response_counter(status).inc(),
        };
    }

    /// Counts a request that left this upstream for the next one after these attempts.
    pub(crate) fn record_fallback(&self, attempts: u32, info: Option<RetryInfo>, reason: FallbackReason) {
        self.record_attempts(attempts, info);
        self.record_skip(reason);
    }

    /// Counts a request that left this upstream for the next one before any attempt.
    pub(crate) fn record_skip(&self, reason: FallbackReason) {
        self.fallbacks.get_or_create(&self.reason_labels(reason.as_str())).inc();
    }

    /// Counts a request and its attempts here, whichever upstream gave the response.
    pub(crate) fn record_attempts(&self, attempts: u32, info: Option<RetryInfo>) {
        self.requests.inc();
        self.attempts.inc_by(u64::from(attempts));
        if attempts > 1 {
            let cause = info.and_then(|info| info.cause()).map_or(UNKNOWN, |cause| cause.as_str());
            self.resends.get_or_create(&self.reason_labels(cause)).inc_by(u64::from(attempts - 1));
            self.retry_delay.observe(info.map_or(0.0, |info| info.waited().as_secs_f64()));
        }
        match info.and_then(|info| info.reason()) {
            Some(GiveUpReason::MaxAttempts) => self.retry_limit_exceeded.inc(),
            Some(GiveUpReason::Budget) => self.retry_overflow.inc(),
            _ => return,
        };
    }

    pub(crate) fn status(&self) -> CounterStatus {
        let by_reason = |family: &Family<ReasonLabels, Counter>, reason| {
            Some((reason, family.get(&self.reason_labels(reason))?.get()))
        };
        let fallback_reasons = RESEND_CAUSES.into_iter().chain(OTHER_FALLBACK_REASONS);
        CounterStatus {
            requests: self.requests.get(),
            attempts: self.attempts.get(),
            retry_success: self.retry_success.get(),
            retry_limit_exceeded: self.retry_limit_exceeded.get(),
            retry_overflow: self.retry_overflow.get(),
            resends: RESEND_CAUSES.into_iter().filter_map(|cause| by_reason(&self.resends, cause)).collect(),
            fallbacks: fallback_reasons.filter_map(|reason| by_reason(&self.fallbacks, reason)).collect(),
        }
    }

    fn response_counter(&self, status: u16) -> Counter {
        self.responses.get_or_create(&StatusLabels { upstream: self.upstream.clone(), status }).clone()
    }

    fn reason_labels(&self, reason: &'static str) -> ReasonLabels {
        ReasonLabels { upstream: self.upstream.clone(), reason }
    }
}

/// The causes of resends; the last one stands for requests whose client closed before their outcome.
const RESEND_CAUSES: [&str; 6] = [
    RetryCause::NeverSent.as_str(),
    RetryCause::Unprocessed.as_str(),
    RetryCause::Throttled.as_str(),
    RetryCause::Transient.as_str(),
    RetryCause::Timeout.as_str(),
    UNKNOWN,
];
const UNKNOWN: &str = "unknown";
/// The reasons of fallbacks that are no causes of resends.
const OTHER_FALLBACK_REASONS: [&str; 3] =
    [FallbackReason::Paced.as_str(), FallbackReason::QuotaGone.as_str(), FallbackReason::Overflow.as_str()];

/// Returns a histogram with buckets from 1 ms to 65 s.
fn buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 17))
}
