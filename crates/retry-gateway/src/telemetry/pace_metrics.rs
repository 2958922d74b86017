//! The metrics of the paces.

use std::sync::atomic::Ordering;

use http_retry::Why;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tower_http_retry::pace::PaceRejection;

use crate::telemetry::labels::{ReasonLabels, UpstreamLabel};
use crate::telemetry::pace_status::PaceStatus;

/// The metrics of all paces, registered under their names.
#[derive(Debug)]
pub(super) struct PaceMetrics {
    active: Family<ReasonLabels, Gauge>,
    unpaced: Family<UpstreamLabel, Counter>,
    pub(super) rejected: Family<ReasonLabels, Counter>,
}

impl PaceMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let (active, unpaced, rejected) = (Family::default(), Family::default(), Family::default());
        let help = "Requests that the pace holds back now, by upstream and the reason";
        registry.register("pace_active", help, Family::clone(&active));
        let help = "Requests that went without the pace because its table of keys was full, by upstream";
        registry.register("pace_unpaced", help, Family::clone(&unpaced));
        let help = "Requests that the pace rejected, by upstream and the reason: full or too_long";
        registry.register("pace_rejected", help, Family::clone(&rejected));
        Self { active, unpaced, rejected }
    }

    /// Sets the metrics of an upstream's paces, or removes its gauges if it has none. Each reason has a series, so that a
    /// graph goes back to 0.
    pub(super) fn set(&self, label: &UpstreamLabel, paces: Option<&PaceStatus>) {
        let labels = |reason| ReasonLabels { upstream: label.upstream.clone(), reason };
        let Some(paces) = paces else {
            for why in REASONS {
                self.active.remove(&labels(why.as_str()));
            }
            return;
        };
        for why in REASONS {
            let count = paces.paced.get(why.as_str()).copied().unwrap_or_default();
            let gauge = self.active.get_or_create(&labels(why.as_str()));
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.unpaced.get_or_create(label).inner().store(paces.unpaced, Ordering::Relaxed);
        for rejection in REJECTIONS {
            self.rejected.get_or_create(&labels(rejection.as_str())).inc_by(0);
        }
    }
}

/// The reasons for which a request waits.
const REASONS: [Why; 8] =
    [Why::OwnHint, Why::Turn, Why::Stopped, Why::Probe, Why::Rate, Why::AtATime, Why::Quota, Why::SlowStart];
/// The reasons for which a pace rejects a request.
pub(super) const REJECTIONS: [PaceRejection; 2] = [PaceRejection::Full, PaceRejection::TooLong];
