//! Which endpoints are left alone because they fail, and who tries first whether they are well again.
//!
//! Endpoints and requests share this, so that as long as nothing fails it is one load for each of them: no clock, no
//! lock, no write.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use crate::config::OutlierDetection;

/// What the endpoints of an upstream share.
#[derive(Debug)]
pub(crate) struct Outliers {
    config: OutlierDetection,
    /// How many of them may be out at a time, how many are, and how often one was.
    most: AtomicUsize,
    active: AtomicUsize,
    ejections: Counter,
}

impl Outliers {
    /// Of no endpoints.
    pub(crate) fn new(config: &OutlierDetection, ejections: Counter) -> Self {
        let (most, active) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { config: config.clone(), most, active, ejections }
    }

    /// Of so many endpoints from now on, of which one is always tried.
    pub(crate) fn fit(&self, endpoints: usize) {
        let share = (endpoints * self.config.max_ejection_percent as usize).div_ceil(100);
        self.most.store(share.min(endpoints.saturating_sub(1)), Ordering::Relaxed);
    }

    /// How many are out.
    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Whether one more may go.
    fn admits_one(&self) -> bool {
        let most = self.most.load(Ordering::Relaxed);
        let one_more = |active: usize| (active < most).then_some(active + 1);
        self.active.try_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }
}

/// How an endpoint has done lately.
#[derive(Debug)]
pub(crate) struct Health {
    outliers: Arc<Outliers>,
    /// The word of `record`, for those who only want to know that.
    state: AtomicU8,
    record: Mutex<Record>,
}

impl Drop for Health {
    /// An endpoint that is gone counts no more.
    fn drop(&mut self) {
        if self.is_ejected() {
            self.outliers.active.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Where an endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// It has not failed lately.
    Healthy,
    /// It is tried, and something failed lately.
    Watched,
    /// It is left alone, or one request tries it.
    Ejected,
}

/// What a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    Success,
    Failure,
    /// Nobody was there, so the next one would fail too.
    Unreachable,
}

#[derive(Debug)]
struct Record {
    state: State,
    /// In a row.
    failures: u32,
    /// In the interval that began then.
    began: Instant,
    failed: u32,
    total: u32,
    /// How long it is out the next time: as often doubled as it was before, less one for each interval without failure.
    ejections: u32,
    /// Until when nobody tries it; while one does, until when it is waited for.
    until: Instant,
    is_probed: bool,
}

impl Health {
    pub(crate) fn new(outliers: Arc<Outliers>, now: Instant) -> Self {
        let record = Record {
            state: State::Healthy,
            failures: 0,
            began: now,
            failed: 0,
            total: 0,
            ejections: 0,
            until: now,
            is_probed: false,
        };
        Self { outliers, state: AtomicU8::new(State::Healthy as u8), record: Mutex::new(record) }
    }

    pub(crate) fn is_ejected(&self) -> bool {
        self.state.load(Ordering::Relaxed) == State::Ejected as u8
    }

    /// Where it stands, and how many ejections count for the length of the next.
    pub(crate) fn stand(&self) -> (State, u32) {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        (record.state, record.ejections)
    }

    /// Whether the caller is the one to try it again.
    pub(crate) fn take_probe(&self, now: Instant) -> bool {
        self.with(|record| {
            let is_due = record.state == State::Ejected && now >= record.until;
            if is_due {
                record.is_probed = true;
                // Who tries it may be gone without a word, as its client was.
                record.until = now + self.outliers.config.max_ejection_time;
            }
            is_due
        })
    }

    /// Counts what a request came to.
    pub(crate) fn report(&self, report: Report, now: impl FnOnce() -> Instant) {
        if report == Report::Success && self.state.load(Ordering::Relaxed) == State::Healthy as u8 {
            return;
        }
        let now = now();
        self.with(|record| match (record.state, report) {
            // What was under way when it was ejected says nothing new.
            (State::Ejected, _) if !record.is_probed => {}
            (State::Ejected, Report::Success) => self.restore(record, now),
            (State::Ejected, _) => self.eject(record, now),
            (_, Report::Success) => self.succeed(record, now),
            (_, report) => self.fail(record, report, now),
        });
    }

    fn succeed(&self, record: &mut Record, now: Instant) {
        record.failures = 0;
        record.total = record.total.saturating_add(1);
        if now.saturating_duration_since(record.began) < self.outliers.config.interval {
            return;
        }
        if record.failed == 0 {
            record.ejections = record.ejections.saturating_sub(1);
        }
        if record.failed == 0 && record.ejections == 0 {
            record.state = State::Healthy;
        }
        record.begin(now);
    }

    fn fail(&self, record: &mut Record, report: Report, now: Instant) {
        let config = &self.outliers.config;
        let is_over = now.saturating_duration_since(record.began) >= config.interval;
        if record.state == State::Healthy || is_over {
            record.begin(now);
        }
        record.state = State::Watched;
        record.failures = record.failures.saturating_add(1);
        record.failed = record.failed.saturating_add(1);
        record.total = record.total.saturating_add(1);
        let threshold = config.failure_percentage_threshold;
        let many_in_a_row = config.consecutive_5xx > 0 && record.failures >= config.consecutive_5xx;
        let large_share = threshold > 0
            && record.total >= config.failure_percentage_request_volume
            && u64::from(record.failed) * 100 >= u64::from(threshold) * u64::from(record.total);
        let is_outlier = report == Report::Unreachable || many_in_a_row || large_share;
        if is_outlier && self.outliers.admits_one() {
            self.eject(record, now);
        }
    }

    /// It counts as out already.
    fn eject(&self, record: &mut Record, now: Instant) {
        record.state = State::Ejected;
        record.until = now + self.outliers.config.ejection_time(record.ejections);
        record.ejections = record.ejections.saturating_add(1);
        record.is_probed = false;
        self.outliers.ejections.inc();
    }

    fn restore(&self, record: &mut Record, now: Instant) {
        record.state = State::Watched;
        record.is_probed = false;
        record.failures = 0;
        record.begin(now);
        self.outliers.active.fetch_sub(1, Ordering::Relaxed);
    }

    fn with<T>(&self, change: impl FnOnce(&mut Record) -> T) -> T {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut record);
        self.state.store(record.state as u8, Ordering::Relaxed);
        result
    }
}

impl Record {
    fn begin(&mut self, now: Instant) {
        (self.began, self.failed, self.total) = (now, 0, 0);
    }
}

impl OutlierDetection {
    /// How long an endpoint is out that was so often before.
    fn ejection_time(&self, before: u32) -> Duration {
        let grown = self.base_ejection_time.saturating_mul(1 << before.min(16));
        grown.min(self.max_ejection_time)
    }

    /// What a response with this status says of an endpoint.
    pub(crate) fn report(&self, status: StatusCode) -> Report {
        match status.is_server_error() && self.status_codes.contains(&status) {
            true => Report::Failure,
            false => Report::Success,
        }
    }
}

impl Outliers {
    pub(crate) fn config(&self) -> &OutlierDetection {
        &self.config
    }
}

impl State {
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
