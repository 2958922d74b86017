//! The figures of a fleet in `/status`.

use std::time::SystemTime;

use serde::Serialize;
use tower_http_retry::fleet::{FleetBudgetReport, FleetReport, FleetState, SharedKeyReport};

use crate::config::FleetConfig;
use crate::time::millis::millis;

/// The state of this gateway as a member of a fleet.
#[derive(Debug, Serialize)]
pub(crate) struct FleetStatus {
    name: String,
    /// The address of the store, without user and password.
    store: String,
    /// `joining`, `joined` or `alone`.
    state: &'static str,
    /// The reason for which it is alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The time of the last change of the state, in milliseconds since 1970.
    since: u64,
    /// The members, as the store last counted them; 0 before its first answer.
    members: u32,
    /// The layout of entries that all members speak; 0 before the first answer.
    layout: u32,
    asks: u64,
    timeouts: u64,
    news: u64,
    paces: Vec<SharedPaceStatus>,
    budgets: Vec<SharedBudgetStatus>,
}

/// The state of one key of a shared pace.
#[derive(Debug, Serialize)]
struct SharedPaceStatus {
    upstream: String,
    /// The endpoint, where each has a pace of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    /// The first digits of the id of its entry.
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<f64>,
    /// The time for which no member sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet_ms: Option<u64>,
    /// The part of the rate that is this member's, from 0 to 1.
    share: f64,
    /// The slots in hand.
    held: usize,
    /// This member probes whether the quiet is over.
    probe: bool,
}

/// The state of a shared budget.
#[derive(Debug, Serialize)]
struct SharedBudgetStatus {
    upstream: String,
    /// The resends that this member has borrowed.
    purse: f64,
    /// The resends that the fleet has left, as the store last said.
    level: f64,
}

impl FleetStatus {
    pub(crate) fn new(config: &FleetConfig, report: &FleetReport) -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self {
            name: config.name.clone(),
            store: config.address.to_string(),
            state: report.state.as_str(),
            reason: match report.state {
                FleetState::Alone(reason) => Some(reason.as_str()),
                _ => None,
            },
            since: millis(now.saturating_sub(report.since)),
            members: report.members,
            layout: report.layout,
            asks: report.counts.asks_total(),
            timeouts: report.counts.timeouts(),
            news: report.counts.news_total(),
            paces: paces(report),
            budgets: report.budgets.iter().map(SharedBudgetStatus::new).collect(),
        }
    }

    /// The largest number of keys that are listed.
    pub(crate) const MAX_PACES: usize = 20;
}

/// Lists the keys that each pace used last, in turn, so that no pace hides another.
fn paces(report: &FleetReport) -> Vec<SharedPaceStatus> {
    let longest = report.paces.iter().map(|pace| pace.keys.len()).max().unwrap_or_default();
    let keys = (0..longest).flat_map(|index| {
        report.paces.iter().filter_map(move |pace| Some((pace.name.as_str(), pace.keys.get(index)?)))
    });
    keys.take(FleetStatus::MAX_PACES).map(|(name, key)| SharedPaceStatus::new(name, key)).collect()
}

impl SharedPaceStatus {
    /// A pace has the name of its upstream, and of its endpoint behind a slash.
    fn new(name: &str, key: &SharedKeyReport) -> Self {
        let (upstream, endpoint) = match name.split_once('/') {
            Some((upstream, endpoint)) => (upstream, Some(endpoint.to_owned())),
            None => (name, None),
        };
        Self {
            upstream: upstream.to_owned(),
            endpoint,
            id: key.id.to_string().chars().take(8).collect(),
            per_second: key.per_second.map(thousandths),
            burst: key.burst.map(thousandths),
            quiet_ms: key.quiet.map(millis),
            share: thousandths(key.share),
            held: key.held,
            probe: key.probe,
        }
    }
}

impl SharedBudgetStatus {
    fn new(budget: &FleetBudgetReport) -> Self {
        Self {
            upstream: budget.name.clone(),
            purse: thousandths(budget.purse.purse),
            level: thousandths(budget.purse.level),
        }
    }
}

fn thousandths(number: f64) -> f64 {
    (1_000.0 * number).round() / 1_000.0
}
