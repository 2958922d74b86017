//! The figures of `/status`.

use std::collections::BTreeMap;

use serde::Serialize;

/// How the gateway stands.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) draining: bool,
    pub(crate) config: ConfigStatus,
    /// Of clients, that are open.
    pub(crate) connections: usize,
    pub(crate) buffered_bytes: usize,
    pub(crate) upstreams: Vec<UpstreamStatus>,
}

/// What the gateway goes by.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ConfigStatus {
    /// In milliseconds since 1970, as the access log has it.
    pub(crate) loaded_at: u64,
    /// What was wrong with one that was read since.
    pub(crate) last_error: Option<String>,
    /// The keys that are in the file, and not in force.
    pub(crate) needs_restart: Vec<&'static str>,
}

/// How an upstream stands.
#[derive(Debug, Serialize)]
pub(crate) struct UpstreamStatus {
    pub(crate) name: String,
    /// Resends that could be paid now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) budget_tokens: Option<f64>,
    /// Requests that are under way or wait.
    pub(crate) under_way: usize,
    /// Requests that wait for their turn.
    pub(crate) waiting: usize,
    #[serde(flatten)]
    pub(crate) counts: CountsStatus,
    /// Endpoints that are left alone.
    pub(crate) ejected: usize,
    pub(crate) endpoints: Vec<EndpointStatus>,
}

/// How an endpoint stands.
#[derive(Debug, Serialize)]
pub(crate) struct EndpointStatus {
    pub(crate) endpoint: String,
    /// Requests that are under way.
    pub(crate) load: usize,
    /// `healthy`, `watched` where something failed lately, or `ejected` while it is left alone.
    pub(crate) state: &'static str,
    /// How many ejections count for the length of the next.
    pub(crate) ejections: u32,
}

/// What was counted of an upstream.
#[derive(Debug, Serialize)]
pub(crate) struct CountsStatus {
    pub(crate) requests: u64,
    pub(crate) sends: u64,
    pub(crate) healed: u64,
    pub(crate) exhausted: u64,
    pub(crate) unpaid: u64,
    /// By why there were any.
    pub(crate) resends: BTreeMap<&'static str, u64>,
    /// Those that went on to another upstream, by why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) fallbacks: BTreeMap<&'static str, u64>,
}
