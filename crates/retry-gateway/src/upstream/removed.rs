//! The rest of an upstream that a reload removed, while requests that arrived before still wait there or are in flight.

use std::collections::BTreeMap;
use std::sync::Arc;

use tower_http_retry::pace::SharedPace;

use crate::connection::request_limit::RequestCounts;
use crate::telemetry::pace_status::PaceStatus;
use crate::telemetry::status::{CounterStatus, UpstreamStatus};

/// A pace, with the name of its endpoint if it is the pace of one.
pub(crate) type NamedPace = (Option<Arc<str>>, SharedPace);

/// The requests of an upstream that the configuration has no more.
#[derive(Debug)]
pub(crate) struct RemovedUpstream {
    pub(super) request_counts: Arc<RequestCounts>,
    /// Its paces at which requests wait. `None` if it had no pace.
    pub(super) paces: Option<Vec<NamedPace>>,
    pub(super) unpaced: u64,
}

impl RemovedUpstream {
    /// Returns whether a request still waits there or is in flight.
    pub(crate) fn is_busy(&self) -> bool {
        self.request_counts.in_flight() + self.request_counts.pending() > 0
    }

    /// Returns the upstream's part of `/status`.
    pub(crate) fn status(&self, name: &str, mut counts: CounterStatus) -> UpstreamStatus {
        if self.paces.is_some() {
            counts.add_pace_rejections();
        }
        UpstreamStatus {
            name: name.to_owned(),
            removed: true,
            budget_tokens: None,
            in_flight: self.request_counts.in_flight(),
            pending: self.request_counts.pending(),
            waits: waits(&self.request_counts),
            ejected: 0,
            paces: self.paces.as_ref().map(|paces| {
                PaceStatus::new(paces.iter().map(|(name, pace)| (name.as_deref(), pace)), self.unpaced)
            }),
            endpoints: Vec::new(),
            counts,
        }
    }
}

/// Returns the `earlier` paces at which requests wait, without the paces that are still in force.
pub(super) fn with_waiters(
    earlier: impl Iterator<Item = NamedPace>,
    in_force: &[NamedPace],
) -> Vec<NamedPace> {
    let is_in_force = |pace: &SharedPace| in_force.iter().any(|(_, current)| current.is_same(pace));
    earlier.filter(|(_, pace)| pace.waiting() > 0 && !is_in_force(pace)).collect()
}

/// Returns the requests that wait, by reason. Each reason has an entry.
pub(super) fn waits(counts: &RequestCounts) -> BTreeMap<&'static str, u64> {
    counts.waits().map(|(reason, count)| (reason.as_str(), count as u64)).collect()
}
