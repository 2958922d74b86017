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

use crate::connection::descriptors::DESCRIPTORS;
use crate::connection::rejection::Rejection;
use crate::connection::tls::HandshakeFailure;
use crate::connection::wait_reason::WaitReason;
use crate::sync::lock;
use crate::telemetry::fleet_metrics::FleetMetrics;
use crate::telemetry::labels::{ReasonLabels, StatusLabels, UpstreamLabel, from_zero};
use crate::telemetry::log_writer::{ACCESS_LOG, STANDARD_ERROR};
use crate::telemetry::pace_metrics::PaceMetrics;
use crate::telemetry::status::UpstreamStatus;
use crate::telemetry::upstream_counters::{ReasonCounters, UpstreamCounters};

/// The metrics of a gateway, registered under their names.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    responses: Family<StatusLabels, Counter>,
    requests: Family<UpstreamLabel, Counter>,
    attempts: Family<UpstreamLabel, Counter>,
    resends: Family<ReasonLabels, Counter>,
    fallbacks: Family<ReasonLabels, Counter>,
    cuts: Family<ReasonLabels, Counter>,
    grpc_codes: Family<StatusLabels, Counter>,
    retry_success: Family<UpstreamLabel, Counter>,
    retry_limit_exceeded: Family<UpstreamLabel, Counter>,
    retry_overflow: Family<UpstreamLabel, Counter>,
    retry_delay: Family<UpstreamLabel, Histogram, fn() -> Histogram>,
    amplification: Family<UpstreamLabel, FloatGauge>,
    budget_tokens: Family<UpstreamLabel, FloatGauge>,
    pace: PaceMetrics,
    fleet: FleetMetrics,
    ejections: Family<UpstreamLabel, Counter>,
    ejected: Family<UpstreamLabel, Gauge>,
    in_flight: Family<UpstreamLabel, Gauge>,
    pending: Family<UpstreamLabel, Gauge>,
    waits: Family<ReasonLabels, Gauge>,
    buffered_bytes: Gauge,
    connections: Gauge,
    rejections: Family<RejectionLabel, Counter>,
    handshake_failures: Family<RejectionLabel, Counter>,
    reloads: Family<ReloadLabel, Counter>,
    /// The upstreams whose gauges the last call of [`set_upstreams`](Self::set_upstreams) set.
    with_gauges: Mutex<BTreeSet<UpstreamLabel>>,
}

type FloatGauge = Gauge<f64, AtomicU64>;

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
        let cuts = Family::default();
        let help = "Responses whose body was cut after its head, by upstream and by who or what cut it";
        registry.register("upstream_rq_response_cut", help, Family::clone(&cuts));
        let grpc_codes = Family::default();
        let help = "gRPC calls that ended, by upstream and their grpc-status";
        registry.register("upstream_rq_grpc_status", help, Family::clone(&grpc_codes));
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
        let pace = PaceMetrics::register(&mut registry);
        let ejected = Family::default();
        let help = "Endpoints that are ejected now, by upstream";
        registry.register("outlier_detection_ejections_active", help, Family::clone(&ejected));
        let in_flight = Family::default();
        let help = "Requests that an endpoint has now, until the end of their response, by upstream";
        registry.register("upstream_rq_active", help, Family::clone(&in_flight));
        let pending = Family::default();
        let help = "Requests that wait now for a resend, the pace or a connection, by upstream";
        registry.register("upstream_rq_pending_active", help, Family::clone(&pending));
        let waits = Family::default();
        let help = "Requests that wait now, by upstream and the reason: what they wait for";
        registry.register("upstream_rq_waits_active", help, Family::clone(&waits));
        let buffered_bytes = Gauge::default();
        let help = "Bytes of request bodies that are buffered now for resends";
        registry.register("retry_body_buffered_bytes", help, Gauge::clone(&buffered_bytes));
        let connections = Gauge::default();
        let help = "Connections of clients that are open now";
        registry.register("downstream_cx_active", help, Gauge::clone(&connections));
        let rejections = from_zero(Rejection::ALL.map(|limit| RejectionLabel { reason: limit.as_str() }));
        let help = "Clients and requests that the gateway rejected, by the limit that was reached";
        registry.register("downstream_rq_rejected", help, Family::clone(&rejections));
        let handshake_failures =
            from_zero(HandshakeFailure::ALL.map(|failure| RejectionLabel { reason: failure.as_str() }));
        let help = "TLS handshakes of clients that failed, by reason";
        registry.register("downstream_tls_handshake_failed", help, Family::clone(&handshake_failures));
        let reloads = from_zero(["applied", "rejected"].map(|outcome| ReloadLabel { outcome }));
        let help = "Reloads of the configuration, by outcome: applied or rejected";
        registry.register("config_reloads", help, Family::clone(&reloads));
        let help = "Connections that failed because the gateway had no file descriptor left";
        registry.register("file_descriptors_exhausted", help, DESCRIPTORS.exhausted().clone());
        let help = "Lines of the access log that were dropped, because its reader was too slow or has gone";
        registry.register("access_log_dropped", help, ACCESS_LOG.dropped().clone());
        let help =
            "Lines for the standard error that were dropped, because its reader was too slow or has gone";
        registry.register("standard_error_dropped", help, STANDARD_ERROR.dropped().clone());
        let fleet = FleetMetrics::new();
        registry.register_collector(Box::new(fleet.clone()));
        Self {
            registry,
            responses,
            requests,
            attempts,
            resends,
            fallbacks,
            cuts,
            grpc_codes,
            retry_success,
            retry_limit_exceeded,
            retry_overflow,
            retry_delay,
            amplification,
            budget_tokens,
            pace,
            fleet,
            ejections,
            ejected,
            in_flight,
            pending,
            waits,
            buffered_bytes,
            connections,
            rejections,
            handshake_failures,
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
            by_reason: Box::new(ReasonCounters {
                resends: self.resends.clone(),
                fallbacks: self.fallbacks.clone(),
                cuts: self.cuts.clone(),
                pace_rejected: self.pace.rejected.clone(),
                grpc_codes: self.grpc_codes.clone(),
                grpc_ok: OnceLock::new(),
            }),
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
            self.pace.set(removed, None);
            self.ejected.remove(removed);
            self.in_flight.remove(removed);
            self.pending.remove(removed);
            for reason in WaitReason::ALL {
                let upstream = removed.upstream.clone();
                self.waits.remove(&ReasonLabels { upstream, reason: reason.as_str() });
            }
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
        self.pace.set(&label, upstream.paces.as_ref());
        for (gauge, value) in [
            (&self.ejected, upstream.ejected),
            (&self.in_flight, upstream.in_flight),
            (&self.pending, upstream.pending),
        ] {
            gauge.get_or_create(&label).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        for (reason, count) in &upstream.waits {
            let labels = ReasonLabels { upstream: upstream.name.clone(), reason };
            self.waits.get_or_create(&labels).set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
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

    /// Returns the metrics of the fleet.
    pub(crate) fn fleet(&self) -> &FleetMetrics {
        &self.fleet
    }

    pub(crate) fn record_rejection(&self, rejection: Rejection) {
        self.rejections.get_or_create(&RejectionLabel { reason: rejection.as_str() }).inc();
    }

    pub(crate) fn record_handshake_failure(&self, failure: HandshakeFailure) {
        self.handshake_failures.get_or_create(&RejectionLabel { reason: failure.as_str() }).inc();
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

/// Returns a histogram with buckets from 1 ms to 65 s.
fn buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 17))
}
