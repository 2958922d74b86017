//! Outlier detection: it ejects endpoints that fail, and lets one request probe an ejected endpoint before
//! the others return.
//!
//! All requests to an endpoint share its state. As long as nothing fails, a request costs one atomic load of
//! it, and no clock reading, lock or write.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use crate::config::OutlierDetection;
use crate::sync::lock;

/// Bounds and counts the ejections among the endpoints of an upstream.
#[derive(Debug)]
pub(crate) struct OutlierDetector {
    config: OutlierDetection,
    /// Largest number of endpoints that may be ejected at a time.
    max_ejected: AtomicUsize,
    /// Number of endpoints that are ejected now.
    ejected: AtomicUsize,
    /// Metric that counts all ejections.
    ejections: Counter,
}

impl OutlierDetector {
    /// Creates a detector of no endpoints; call [`resize`](Self::resize) with their number.
    pub(crate) fn new(config: &OutlierDetection, ejections: Counter) -> Self {
        let (max_ejected, ejected) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { config: config.clone(), max_ejected, ejected, ejections }
    }

    /// Sets the number of endpoints. At least one of them is never ejected.
    pub(crate) fn resize(&self, endpoints: usize) {
        let share = (endpoints * self.config.max_ejection_percent as usize).div_ceil(100);
        self.max_ejected.store(share.min(endpoints.saturating_sub(1)), Ordering::Relaxed);
    }

    /// Returns the number of ejected endpoints.
    pub(crate) fn ejected(&self) -> usize {
        self.ejected.load(Ordering::Relaxed)
    }

    /// Counts one more ejected endpoint. Returns false, and counts nothing, if the limit is reached.
    fn try_eject(&self) -> bool {
        let max_ejected = self.max_ejected.load(Ordering::Relaxed);
        let one_more = |ejected: usize| (ejected < max_ejected).then_some(ejected + 1);
        self.ejected.try_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }
}

/// The recent outcomes of one endpoint, and whether it is ejected.
#[derive(Debug)]
pub(crate) struct EndpointHealth {
    detector: Arc<OutlierDetector>,
    /// Copy of the record's state, which is read without the lock.
    state: AtomicU8,
    record: Mutex<EndpointRecord>,
}

impl Drop for EndpointHealth {
    /// Removes the endpoint from the number of ejected ones.
    fn drop(&mut self) {
        if self.is_ejected() {
            self.detector.ejected.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The state of an endpoint for outlier detection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum EndpointState {
    /// The endpoint has no recent failure.
    #[default]
    Healthy,
    /// The endpoint gets requests, and has recent failures.
    Watched,
    /// The endpoint gets no requests but a probe.
    Ejected,
}

/// The state of an endpoint, and the number of ejections that count for the length of the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutlierSnapshot {
    pub(crate) state: EndpointState,
    pub(crate) ejections: u32,
}

/// The outcome of an attempt, for outlier detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointOutcome {
    Success,
    Failure,
    /// The connection failed, so the next request would fail too.
    Unreachable,
}

#[derive(Debug)]
struct EndpointRecord {
    state: EndpointState,
    consecutive_failures: u32,
    interval_start: Instant,
    /// Failures in the interval.
    interval_failures: u32,
    /// Requests in the interval.
    interval_total: u32,
    /// Each ejection doubles the length of the next one. Each interval without a failure takes one ejection
    /// back.
    ejections: u32,
    /// End of the ejection, or of the wait for a probe's outcome. The next probe may start then.
    next_probe: Instant,
    is_probing: bool,
}

impl EndpointHealth {
    pub(crate) fn new(detector: Arc<OutlierDetector>, now: Instant) -> Self {
        let record = EndpointRecord {
            state: EndpointState::Healthy,
            consecutive_failures: 0,
            interval_start: now,
            interval_failures: 0,
            interval_total: 0,
            ejections: 0,
            next_probe: now,
            is_probing: false,
        };
        Self { detector, state: AtomicU8::new(EndpointState::Healthy as u8), record: Mutex::new(record) }
    }

    pub(crate) fn is_ejected(&self) -> bool {
        self.state.load(Ordering::Relaxed) == EndpointState::Ejected as u8
    }

    pub(crate) fn snapshot(&self) -> OutlierSnapshot {
        let record = lock(&self.record);
        OutlierSnapshot { state: record.state, ejections: record.ejections }
    }

    /// Claims the probe of an ejected endpoint. Returns whether the caller's request is the probe.
    pub(crate) fn try_probe(&self, now: Instant) -> bool {
        self.update(|record| {
            let is_due = record.state == EndpointState::Ejected && now >= record.next_probe;
            if is_due {
                record.is_probing = true;
                // The probing request may be cancelled, so the probe expires.
                record.next_probe = now + self.detector.config.max_ejection_time;
            }
            is_due
        })
    }

    /// Records the outcome of an attempt. `now` is called only if the outcome changes something.
    pub(crate) fn record(&self, outcome: EndpointOutcome, now: impl FnOnce() -> Instant) {
        if outcome == EndpointOutcome::Success
            && self.state.load(Ordering::Relaxed) == EndpointState::Healthy as u8
        {
            return;
        }
        let now = now();
        self.update(|record| match (record.state, outcome) {
            // A request that was in flight at the ejection says nothing new.
            (EndpointState::Ejected, _) if !record.is_probing => {}
            (EndpointState::Ejected, EndpointOutcome::Success) => self.restore(record, now),
            (EndpointState::Ejected, _) => self.eject(record, now),
            (_, EndpointOutcome::Success) => self.record_success(record, now),
            (_, outcome) => self.record_failure(record, outcome, now),
        });
    }

    fn record_success(&self, record: &mut EndpointRecord, now: Instant) {
        record.consecutive_failures = 0;
        record.interval_total = record.interval_total.saturating_add(1);
        if now.saturating_duration_since(record.interval_start) < self.detector.config.interval {
            return;
        }
        if record.interval_failures == 0 {
            record.ejections = record.ejections.saturating_sub(1);
        }
        if record.interval_failures == 0 && record.ejections == 0 {
            record.state = EndpointState::Healthy;
        }
        record.start_interval(now);
    }

    fn record_failure(&self, record: &mut EndpointRecord, outcome: EndpointOutcome, now: Instant) {
        let config = &self.detector.config;
        let has_interval_ended = now.saturating_duration_since(record.interval_start) >= config.interval;
        if record.state == EndpointState::Healthy || has_interval_ended {
            record.start_interval(now);
        }
        record.state = EndpointState::Watched;
        record.consecutive_failures = record.consecutive_failures.saturating_add(1);
        record.interval_failures = record.interval_failures.saturating_add(1);
        record.interval_total = record.interval_total.saturating_add(1);
        let threshold = config.failure_percentage_threshold;
        let has_many_in_a_row =
            config.consecutive_5xx > 0 && record.consecutive_failures >= config.consecutive_5xx;
        let has_large_share = threshold > 0
            && record.interval_total >= config.failure_percentage_request_volume
            && u64::from(record.interval_failures) * 100
                >= u64::from(threshold) * u64::from(record.interval_total);
        let is_outlier = outcome == EndpointOutcome::Unreachable || has_many_in_a_row || has_large_share;
        if is_outlier && self.detector.try_eject() {
            self.eject(record, now);
        }
    }

    /// Ejects an endpoint, which [`try_eject`](OutlierDetector::try_eject) has counted already.
    fn eject(&self, record: &mut EndpointRecord, now: Instant) {
        record.state = EndpointState::Ejected;
        record.next_probe = now + self.detector.config.ejection_time(record.ejections);
        record.ejections = record.ejections.saturating_add(1);
        record.is_probing = false;
        self.detector.ejections.inc();
    }

    fn restore(&self, record: &mut EndpointRecord, now: Instant) {
        record.state = EndpointState::Watched;
        record.is_probing = false;
        record.consecutive_failures = 0;
        record.start_interval(now);
        self.detector.ejected.fetch_sub(1, Ordering::Relaxed);
    }

    /// Changes the record, and copies its state.
    fn update<T>(&self, change: impl FnOnce(&mut EndpointRecord) -> T) -> T {
        let mut record = lock(&self.record);
        let result = change(&mut record);
        self.state.store(record.state as u8, Ordering::Relaxed);
        result
    }
}

impl EndpointRecord {
    fn start_interval(&mut self, now: Instant) {
        (self.interval_start, self.interval_failures, self.interval_total) = (now, 0, 0);
    }
}

impl OutlierDetection {
    /// Returns the length of an ejection after `ejections` earlier ones.
    fn ejection_time(&self, ejections: u32) -> Duration {
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

impl OutlierDetector {
    pub(crate) fn config(&self) -> &OutlierDetection {
        &self.config
    }
}

impl EndpointState {
    /// Returns the state's name in `/status`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Watched => "watched",
            Self::Ejected => "ejected",
        }
    }
}

#[cfg(test)]
mod tests;
