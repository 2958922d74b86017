//! The settings of outlier detection, and the bound on the endpoints of an upstream that are ejected at a time.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use prometheus_client::metrics::counter::Counter;

use crate::config::OutlierDetection;

/// The outcome of an attempt, for outlier detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointOutcome {
    Success,
    Failure,
    /// The connection failed, so the next request would fail too.
    Unreachable,
}

/// Bounds and counts the ejections among the endpoints of an upstream.
#[derive(Debug)]
pub(crate) struct OutlierDetector {
    pub(super) config: OutlierDetection,
    /// Largest number of endpoints that may be ejected at a time.
    max_ejected: AtomicUsize,
    /// Number of endpoints that are ejected now.
    pub(super) ejected: AtomicUsize,
    /// Number of uses of endpoints whose last outcome was a failure. It orders them by time without a clock.
    pub(super) uses: AtomicU64,
    /// Metric that counts all ejections.
    pub(super) ejections: Counter,
}

impl OutlierDetector {
    /// Creates a detector of no endpoints; call [`resize`](Self::resize) with their number.
    pub(crate) fn new(config: &OutlierDetection, ejections: Counter) -> Self {
        let (max_ejected, ejected) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { config: config.clone(), max_ejected, ejected, uses: AtomicU64::new(0), ejections }
    }

    /// Sets the number of endpoints. At least one of them is never ejected.
    pub(crate) fn resize(&self, endpoints: usize) {
        let share = (endpoints * self.config.max_ejection_percent as usize).div_ceil(100);
        self.max_ejected.store(share.min(endpoints.saturating_sub(1)), Ordering::Relaxed);
    }

    pub(crate) fn config(&self) -> &OutlierDetection {
        &self.config
    }

    /// Returns the number of ejected endpoints.
    pub(crate) fn ejected(&self) -> usize {
        self.ejected.load(Ordering::Relaxed)
    }

    /// Counts one more ejected endpoint. Returns false, and counts nothing, if the limit is reached.
    pub(super) fn try_eject(&self) -> bool {
        let max_ejected = self.max_ejected.load(Ordering::Relaxed);
        let one_more = |ejected: usize| (ejected < max_ejected).then_some(ejected + 1);
        self.ejected.try_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }
}

impl OutlierDetection {
    /// Returns the length of an ejection after `ejections` earlier ones.
    pub(super) fn ejection_time(&self, ejections: u32) -> Duration {
        let doubled = self.base_ejection_time.saturating_mul(1 << ejections.min(16));
        doubled.min(self.max_ejection_time)
    }

    /// Returns the outcome that a response with this status counts as.
    pub(crate) fn outcome(&self, status: StatusCode) -> EndpointOutcome {
        match status.is_server_error() && self.status_codes.contains(&status) {
            true => EndpointOutcome::Failure,
            false => EndpointOutcome::Success,
        }
    }
}
