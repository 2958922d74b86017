//! Outlier detection: it ejects endpoints that fail, and lets one request probe an ejected endpoint before
//! the others return.
//!
//! All requests to an endpoint share its state. As long as nothing fails, a request costs one atomic load of
//! it, and no clock reading, lock or write.

mod detector;

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

pub(crate) use self::detector::{EndpointOutcome, OutlierDetector};
use crate::sync::lock;

/// The recent outcomes of one endpoint, and whether it is ejected.
#[derive(Debug)]
pub(crate) struct EndpointHealth {
    detector: Arc<OutlierDetector>,
    /// Copy of the record's state, which is read without the lock.
    state: AtomicU8,
    /// Copy of the record's standing.
    standing: AtomicU8,
    /// The detector's number of uses at the last failure, or at the last choice of the endpoint in spite of one.
    last_use: AtomicU64,
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

/// The verdict of the last outcomes of an endpoint, from the best to the worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Standing {
    /// The last outcome is no failure.
    #[default]
    Good,
    /// The last outcome is a failure.
    Failing,
    /// The endpoint is ejected, or would be if more endpoints might be ejected.
    Outlier,
}

/// The state of an endpoint, and the number of ejections that count for the length of the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutlierSnapshot {
    pub(crate) state: EndpointState,
    pub(crate) ejections: u32,
}

#[derive(Debug)]
struct EndpointRecord {
    state: EndpointState,
    standing: Standing,
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
            standing: Standing::Good,
            consecutive_failures: 0,
            interval_start: now,
            interval_failures: 0,
            interval_total: 0,
            ejections: 0,
            next_probe: now,
            is_probing: false,
        };
        Self {
            detector,
            state: AtomicU8::new(EndpointState::Healthy as u8),
            standing: AtomicU8::new(Standing::Good as u8),
            last_use: AtomicU64::new(0),
            record: Mutex::new(record),
        }
    }

    pub(crate) fn is_ejected(&self) -> bool {
        self.state.load(Ordering::Relaxed) == EndpointState::Ejected as u8
    }

    /// Returns what the last outcomes say of the endpoint.
    pub(crate) fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Relaxed) {
            0 => Standing::Good,
            1 => Standing::Failing,
            _ => Standing::Outlier,
        }
    }

    /// Returns the place of the last use in the order of all uses of failing endpoints.
    pub(crate) fn last_use(&self) -> u64 {
        self.last_use.load(Ordering::Relaxed)
    }

    /// Puts the endpoint behind all others in the order of uses, so that the next request tries another one.
    pub(crate) fn mark_used(&self) {
        self.last_use.store(self.detector.uses.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
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
                // The response may take without end, so the probe expires.
                record.next_probe = now + self.detector.config.max_ejection_time;
            }
            is_due
        })
    }

    /// Gives up a probe that has no outcome, as when its client has gone. The next request probes the endpoint.
    pub(crate) fn release_probe(&self, now: Instant) {
        self.update(|record| {
            if record.state == EndpointState::Ejected && record.is_probing {
                (record.is_probing, record.next_probe) = (false, now);
            }
        });
    }

    /// Records the outcome of an attempt. `was_ejected` says that the endpoint was ejected when the attempt began.
    /// `now` is called only if the outcome changes something.
    pub(crate) fn record(&self, outcome: EndpointOutcome, was_ejected: bool, now: impl FnOnce() -> Instant) {
        if outcome == EndpointOutcome::Success
            && self.state.load(Ordering::Relaxed) == EndpointState::Healthy as u8
        {
            return;
        }
        let now = now();
        if outcome != EndpointOutcome::Success {
            self.mark_used();
        }
        self.update(|record| match (record.state, outcome) {
            // The others need not wait for the probe.
            (EndpointState::Ejected, EndpointOutcome::Success) if was_ejected => self.restore(record, now),
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
        record.standing = Standing::Good;
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
        // It stays an outlier until it answers well.
        record.standing = record.standing.max(if is_outlier { Standing::Outlier } else { Standing::Failing });
        if is_outlier && self.detector.try_eject() {
            self.eject(record, now);
        }
    }

    /// Ejects an endpoint, which [`try_eject`](OutlierDetector::try_eject) has counted already.
    fn eject(&self, record: &mut EndpointRecord, now: Instant) {
        (record.state, record.standing) = (EndpointState::Ejected, Standing::Outlier);
        record.next_probe = now + self.detector.config.ejection_time(record.ejections);
        record.ejections = record.ejections.saturating_add(1);
        record.is_probing = false;
        self.detector.ejections.inc();
    }

    fn restore(&self, record: &mut EndpointRecord, now: Instant) {
        (record.state, record.standing) = (EndpointState::Watched, Standing::Good);
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
        self.standing.store(record.standing as u8, Ordering::Relaxed);
        result
    }
}

impl EndpointRecord {
    fn start_interval(&mut self, now: Instant) {
        (self.interval_start, self.interval_failures, self.interval_total) = (now, 0, 0);
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
