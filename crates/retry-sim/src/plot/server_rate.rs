//! The rate that a server allows.

use std::time::Duration;

use crate::grid::{Limit, Scenario, ServerSpec};

/// A span of time in which a server allows one rate. Times are in seconds, and the rate is in calls a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct AllowedRate {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) rate: f64,
}

/// Returns the rates that a server allows until `end` seconds. Spans without a limit are left out. Keys with a limit each
/// have no rate in common.
pub(super) fn allowed_rates(scenario: &Scenario, end: f64) -> Vec<AllowedRate> {
    if scenario.load.key_per_tenant {
        return Vec::new();
    }
    let ServerSpec { limits, outage, .. } = &scenario.server;
    let edges = outage.iter().flat_map(|outage| [outage.from, outage.to]);
    let mut changes: Vec<_> = limits.iter().map(|(since, _)| *since).chain(edges).collect();
    changes.sort();
    let starts = changes.iter().map(Duration::as_secs_f64);
    let ends = starts.clone().skip(1).chain([end]);
    let spans = changes.iter().zip(starts.zip(ends)).filter_map(|(since, (from, to))| {
        let is_out = outage.is_some_and(|outage| outage.from <= *since && *since < outage.to);
        let limit = limits.iter().rev().find(|(start, _)| start <= since).map(|(_, limit)| limit);
        let rate = if is_out { Some(0.0) } else { rate_of(limit?, &scenario.server) };
        Some(AllowedRate { from, to: to.min(end), rate: rate? })
    });
    spans.filter(|span| span.from < span.to).collect()
}

fn rate_of(limit: &Limit, server: &ServerSpec) -> Option<f64> {
    let per_window = |count: u32, window: Duration| f64::from(count) / window.as_secs_f64();
    let rate = match *limit {
        Limit::None => return None,
        Limit::Bucket { per_second, .. } | Limit::Gcra { per_second, .. } => per_second,
        Limit::Sliding { count, window, .. } | Limit::Fixed { count, window } => per_window(count, window),
        // The mean of a log-normal distribution is above its median.
        Limit::Concurrent { limit } => {
            let mean = server.service.as_secs_f64() * (server.service_sigma.powi(2) / 2.0).exp();
            f64::from(limit) / mean
        }
        // A quota of units allows a rate of units.
        Limit::Quotas { units: Some(_), .. } => return None,
        Limit::Quotas { requests, .. } => requests.map(|quota| per_window(quota.limit, quota.window))?,
    };
    rate.is_finite().then_some(rate)
}
