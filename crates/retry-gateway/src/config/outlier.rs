//! Outlier detection: the ejection of endpoints that fail.

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;

/// The rules by which an endpoint that fails is ejected, under Envoy's names. An endpoint that refuses
/// connections is ejected at once, because the next request would fail too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// The number of failures in a row that ejects an endpoint: timeouts, broken connections, and the
    /// `status_codes`; 0 for never.
    pub consecutive_5xx: u32,
    /// The statuses that count as failures beside timeouts and broken connections. All of them are 5xx.
    pub status_codes: BTreeSet<StatusCode>,
    /// The share of failures in an interval that ejects an endpoint, in percent; 0 for never.
    pub failure_percentage_threshold: u32,
    /// The number of requests that an interval must have for that share to count.
    pub failure_percentage_request_volume: u32,
    /// The interval in which that share is counted. Each interval without a failure also cancels one earlier
    /// ejection of the endpoint.
    pub interval: Duration,
    /// The length of the first ejection; each further one is twice as long.
    pub base_ejection_time: Duration,
    /// The longest ejection.
    pub max_ejection_time: Duration,
    /// The share of the endpoints that may be ejected at a time, in percent and rounded up. One endpoint
    /// always stays.
    pub max_ejection_percent: u32,
    /// The share of the endpoints, in percent, below which the healthy ones would get too much. All endpoints
    /// are then used, ejected or not; 0 for never.
    pub healthy_panic_threshold: u32,
}

impl Default for OutlierDetection {
    /// Returns Envoy's defaults, but for the statuses, the times and the cap. A status may be the fault of a
    /// single client's request, and must not take an endpoint from all others. One request probes an endpoint
    /// before the rest follow, so an early end of an ejection costs little. Fewer than half of the endpoints
    /// must not get the load of all.
    fn default() -> Self {
        Self {
            consecutive_5xx: 5,
            status_codes: BTreeSet::new(),
            failure_percentage_threshold: 0,
            failure_percentage_request_volume: 50,
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(1),
            max_ejection_time: Duration::from_secs(30),
            max_ejection_percent: 50,
            healthy_panic_threshold: 50,
        }
    }
}
