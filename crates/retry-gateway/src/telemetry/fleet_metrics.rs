//! The metrics of a fleet. They have no series without one.

use std::fmt;
use std::sync::{Arc, Mutex};

use http_retry::fleet::UnreachableReason;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use tower_http_retry::fleet::{FleetCounts, FleetReport, FleetState};

use crate::sync::lock;

/// The metrics of the fleet that this gateway is a member of. A clone has the same figures.
#[derive(Clone, Debug)]
pub(crate) struct FleetMetrics {
    figures: Arc<Mutex<Figures>>,
    /// The times from a request to the store to its answer, in seconds.
    pub(crate) ask_seconds: Histogram,
}

#[derive(Debug, Default)]
struct Figures {
    report: Option<FleetReport>,
    /// The counts of fleets that a reload has left. Counters of a process never fall.
    earlier: FleetCounts,
}

impl FleetMetrics {
    pub(super) fn new() -> Self {
        // From a tenth of a millisecond to 0.8 s.
        let ask_seconds = Histogram::new(exponential_buckets(0.0001, 2.0, 14));
        Self { figures: Arc::default(), ask_seconds }
    }

    /// Sets the figures; `None` without a fleet.
    pub(crate) fn set(&self, report: Option<FleetReport>) {
        lock(&self.figures).report = report;
    }

    /// Adds what a member has counted that leaves its fleet.
    pub(crate) fn leave(&self, report: FleetReport) {
        let figures = &mut *lock(&self.figures);
        figures.report = None;
        figures.earlier = sum(&figures.earlier, &report.counts);
    }
}

impl Collector for FleetMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let figures = lock(&self.figures);
        let Some(report) = &figures.report else { return Ok(()) };
        let counts = sum(&figures.earlier, &report.counts);
        let is_joined = report.state == FleetState::Joined;
        gauge(
            &mut encoder,
            "fleet_joined",
            "1 while the store of the fleet answers, else 0",
            is_joined.into(),
        )?;
        let help = "Members of the fleet, as its store last counted them";
        gauge(&mut encoder, "fleet_members", help, report.members.into())?;
        let help = "Requests to the store, by script";
        counters(
            &mut encoder,
            "fleet_asks",
            help,
            "script",
            SCRIPTS.map(|name| (name, of(&counts.asks, name))),
        )?;
        let help = "Times at which the store became unreachable, by reason";
        let lost = REASONS.map(|reason| (reason.as_str(), of(&counts.lost, reason)));
        counters(&mut encoder, "fleet_lost", help, "reason", lost)?;
        let help = "News of members that this one heard, by kind";
        counters(&mut encoder, "fleet_news", help, "kind", NEWS.map(|name| (name, of(&counts.news, name))))?;
        let slots = counts.slots;
        let help = "Rights to one send: leased from the store, spent, returned, or sends in debt and alone";
        let whats = [
            ("leased", slots.leased),
            ("spent", slots.spent),
            ("returned", slots.returned),
            ("debt", slots.debt),
            ("alone", slots.alone),
        ];
        counters(&mut encoder, "fleet_slots", help, "what", whats)?;
        let help = "Probes of this member for all members, by outcome";
        let outcomes =
            [("served", slots.probes_served), ("refused", slots.probes_refused), ("lost", slots.probes_lost)];
        counters(&mut encoder, "fleet_probes", help, "outcome", outcomes)?;
        let help = "Time from a request to the store to its answer";
        let ask_seconds =
            encoder.encode_descriptor("fleet_ask_seconds", help, None, MetricType::Histogram)?;
        self.ask_seconds.encode(ask_seconds)
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: i64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn counters<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    values: [(&'static str, u64); N],
) -> fmt::Result {
    let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in values {
        let labels = [(label, value)];
        ConstCounter::new(count).encode(encoder.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Returns the count of a name, which is 0 where it is missing.
fn of<T: PartialEq>(counts: &[(T, u64)], name: T) -> u64 {
    counts.iter().filter(|(other, _)| *other == name).map(|(_, count)| count).sum()
}

/// Adds two counts. A name may be in the sum twice.
fn sum(one: &FleetCounts, other: &FleetCounts) -> FleetCounts {
    let mut sum = one.clone();
    sum.asks.extend(&other.asks);
    sum.lost.extend(&other.lost);
    sum.news.extend(&other.news);
    sum.slots += other.slots;
    sum
}

const SCRIPTS: [&str; 4] = ["lease", "publish", "settle", "join"];
const NEWS: [&str; 5] = ["quiet", "announced", "opened", "probing", "dropped"];
const REASONS: [UnreachableReason; 6] = [
    UnreachableReason::Timeout,
    UnreachableReason::Closed,
    UnreachableReason::ReadOnly,
    UnreachableReason::Denied,
    UnreachableReason::OutOfMemory,
    UnreachableReason::Unsupported,
];
