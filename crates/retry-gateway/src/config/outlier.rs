//! When an endpoint is left alone.

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;

/// When an endpoint that fails is left alone, in Envoy's words. One that cannot be connected to is so at once: the next
/// request would fail too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// After so many failures in a row: statuses, timeouts and broken connections; 0 for never.
    pub consecutive_5xx: u32,
    /// The statuses that are failures. All of them are 5xx.
    pub status_codes: BTreeSet<StatusCode>,
    /// Or after this share of failures in an interval, in percent; 0 for never.
    pub failure_percentage_threshold: u32,
    /// How many requests an interval must have for that.
    pub failure_percentage_request_volume: u32,
    /// What failures are counted in, and how long an endpoint must be well for one ejection to be forgotten.
    pub interval: Duration,
    /// How long it is left alone the first time; each further time for twice as long.
    pub base_ejection_time: Duration,
    /// And at most.
    pub max_ejection_time: Duration,
    /// The share of the endpoints that may be left alone, in percent and rounded up; one never is.
    pub max_ejection_percent: u32,
}

impl Default for OutlierDetection {
    /// Envoy's, but for the times and the cap: one request probes an endpoint before the rest follow, so that to come
    /// back too early costs little, and half of the endpoints must not get the load of all.
    fn default() -> Self {
        let statuses = [
            StatusCode::INTERNAL_SERVER_ERROR,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        Self {
            consecutive_5xx: 5,
            status_codes: statuses.into(),
            failure_percentage_threshold: 0,
            failure_percentage_request_volume: 50,
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(1),
            max_ejection_time: Duration::from_secs(30),
            max_ejection_percent: 50,
        }
    }
}
