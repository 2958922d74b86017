//! The figures of `/status`. Each has the name that `/metrics` gives it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::telemetry::fleet_status::FleetStatus;
use crate::telemetry::pace_metrics::REJECTIONS;
use crate::telemetry::pace_status::PaceStatus;

/// The state of the gateway.
#[derive(Debug, Serialize)]
pub(crate) struct GatewayStatus {
    pub(crate) draining: bool,
    pub(crate) config: ConfigStatus,
    /// Open connections of clients.
    pub(crate) connections: usize,
    /// Bytes of request bodies that are buffered for resends.
    pub(crate) buffered_bytes: usize,
    /// The fleet that this gateway is a member of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fleet: Option<FleetStatus>,
    pub(crate) upstreams: Vec<UpstreamStatus>,
}

/// The configuration in force, and the last one that was rejected.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ConfigStatus {
    /// The time at which the gateway loaded it, in milliseconds since 1970 like `time` of the access log.
    pub(crate) loaded_at: u64,
    /// The error of a configuration that the gateway has read and rejected since.
    pub(crate) last_error: Option<String>,
    /// The keys whose new values need a restart to take effect.
    pub(crate) needs_restart: Vec<&'static str>,
}

/// The state of an upstream.
#[derive(Debug, Serialize)]
pub(crate) struct UpstreamStatus {
    pub(crate) name: String,
    /// Set if a reload removed the upstream, and requests that arrived before still wait or are in flight.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) removed: bool,
    /// Resends that the retry budget allows now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) budget_tokens: Option<f64>,
    /// Requests that an endpoint has, until the end of their response.
    pub(crate) in_flight: usize,
    /// Requests that wait: for a resend, the pace, a connection, or an endpoint that takes one.
    pub(crate) pending: usize,
    /// These pending requests by what they wait for.
    pub(crate) waits: BTreeMap<&'static str, u64>,
    /// The paces; `None` if the upstream has none.
    #[serde(flatten)]
    pub(crate) paces: Option<PaceStatus>,
    #[serde(flatten)]
    pub(crate) counts: CounterStatus,
    /// Endpoints that are ejected now.
    pub(crate) ejected: usize,
    pub(crate) endpoints: Vec<EndpointStatus>,
}

/// The state of an endpoint.
#[derive(Debug, Serialize)]
pub(crate) struct EndpointStatus {
    pub(crate) endpoint: String,
    /// Requests in flight.
    pub(crate) load: usize,
    /// `healthy`, `watched` after recent failures, or `ejected`.
    pub(crate) state: &'static str,
    /// The number of past ejections that lengthen the next one.
    pub(crate) ejections: u32,
}

/// The counters of an upstream.
#[derive(Debug, Serialize)]
pub(crate) struct CounterStatus {
    pub(crate) requests: u64,
    pub(crate) attempts: u64,
    pub(crate) retry_success: u64,
    pub(crate) retry_limit_exceeded: u64,
    pub(crate) retry_overflow: u64,
    /// Resends by cause.
    pub(crate) resends: BTreeMap<&'static str, u64>,
    /// Responses whose body was cut, by who or what cut it.
    pub(crate) response_cut: BTreeMap<&'static str, u64>,
    /// Requests that the pace rejected, by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) pace_rejected: BTreeMap<&'static str, u64>,
    /// Requests that went on to the next upstream of their route, by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) fallbacks: BTreeMap<&'static str, u64>,
}

impl CounterStatus {
    /// Adds the reasons for which the pace has rejected no request yet. The fields of an upstream with a pace are thus
    /// always the same.
    pub(crate) fn add_pace_rejections(&mut self) {
        for rejection in REJECTIONS {
            self.pace_rejected.entry(rejection.as_str()).or_default();
        }
    }
}

// The signature is that of serde's `skip_serializing_if`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
