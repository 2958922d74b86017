//! The log of one request while it is handled. The attempts write to it; the access log reads it at the end.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::sync::lock;
use crate::telemetry::RequestSpan;
use crate::time::millis::millis;

/// The attempts of one request. Clones share one log.
#[derive(Clone, Debug)]
pub(crate) struct RequestLog(Arc<RequestLogInner>);

#[derive(Debug)]
struct RequestLogInner {
    started_at: Instant,
    /// True where the access log will read the times of the attempts.
    is_timed: bool,
    body_timed_out: AtomicBool,
    body_aborted: AtomicBool,
    span: RequestSpan,
    /// The index of the route's upstream that has the request now.
    target: AtomicU8,
    /// The milliseconds from the request's start to the moment at which that upstream got it.
    target_started_ms: AtomicU32,
    records: Mutex<SmallVec<[AttemptRecord; 2]>>,
}

/// One attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttemptRecord {
    /// The index of the upstream among those of its route.
    pub(crate) target: u8,
    /// The index of the endpoint among those of its upstream.
    pub(crate) endpoint: u32,
    /// The status of the response, or the word for the failure. `None` means that the attempt was dropped before it had
    /// an outcome.
    pub(crate) result: Option<Result<StatusCode, &'static str>>,
    /// The time from the request's start to the attempt's.
    pub(crate) at: Duration,
    /// The time from the attempt's start to its outcome.
    pub(crate) took: Option<Duration>,
}

impl RequestLog {
    /// Creates the log of a request that starts now.
    pub(crate) fn new(is_timed: bool, span: RequestSpan) -> Self {
        Self(Arc::new(RequestLogInner {
            started_at: Instant::now(),
            is_timed,
            body_timed_out: AtomicBool::new(false),
            body_aborted: AtomicBool::new(false),
            span,
            target: AtomicU8::new(0),
            target_started_ms: AtomicU32::new(0),
            records: Mutex::default(),
        }))
    }

    /// Returns the time at which the request arrived.
    pub(crate) fn started_at(&self) -> Instant {
        self.0.started_at
    }

    pub(crate) fn span(&self) -> &RequestSpan {
        &self.0.span
    }

    /// Records that the client stopped sending its body.
    pub(crate) fn set_body_timed_out(&self) {
        self.0.body_timed_out.store(true, Ordering::Relaxed);
    }

    pub(crate) fn body_timed_out(&self) -> bool {
        self.0.body_timed_out.load(Ordering::Relaxed)
    }

    /// Records that the client aborted its body before the end.
    pub(crate) fn set_body_aborted(&self) {
        self.0.body_aborted.store(true, Ordering::Relaxed);
    }

    pub(crate) fn body_aborted(&self) -> bool {
        self.0.body_aborted.load(Ordering::Relaxed)
    }

    /// Returns true if the request's body timed out or was aborted.
    pub(crate) fn body_failed(&self) -> bool {
        self.body_timed_out() || self.body_aborted()
    }

    /// Records that the route's upstream with this index has the request from now on.
    pub(crate) fn enter_target(&self, target: usize) {
        let at = u32::try_from(millis(self.0.started_at.elapsed())).unwrap_or(u32::MAX);
        self.0.target_started_ms.store(at, Ordering::Relaxed);
        self.0.target.store(u8::try_from(target).unwrap_or(u8::MAX), Ordering::Relaxed);
    }

    /// Returns the index of the route's upstream that has the request.
    pub(crate) fn target(&self) -> usize {
        self.0.target.load(Ordering::Relaxed).into()
    }

    /// Returns the time at which that upstream got the request.
    pub(crate) fn target_started_at(&self) -> Instant {
        self.0.started_at + Duration::from_millis(self.0.target_started_ms.load(Ordering::Relaxed).into())
    }

    /// Starts an attempt and returns its index, from 0.
    pub(crate) fn start_attempt(&self, endpoint: usize) -> usize {
        let (at, target) = (self.elapsed(), self.0.target.load(Ordering::Relaxed));
        // A configuration cannot list more endpoints than that.
        let endpoint = u32::try_from(endpoint).unwrap_or(u32::MAX);
        self.with_records(|records| {
            records.push(AttemptRecord { target, endpoint, result: None, at, took: None });
            records.len() - 1
        })
    }

    /// Ends the attempt with this index.
    pub(crate) fn end_attempt(&self, index: usize, result: Result<StatusCode, &'static str>) {
        let now = self.elapsed();
        self.with_records(|records| {
            if let Some(record) = records.get_mut(index) {
                record.took = Some(now.saturating_sub(record.at));
                record.result = Some(result);
            }
        });
    }

    /// Returns true if an attempt went to this endpoint of the upstream that has the request now.
    pub(crate) fn has_tried(&self, endpoint: usize) -> bool {
        let target = self.0.target.load(Ordering::Relaxed);
        let is_there =
            |record: &AttemptRecord| record.endpoint as usize == endpoint && record.target == target;
        self.with_records(|records| records.iter().any(is_there))
    }

    /// Returns the number of attempts at the route's upstream with this index.
    pub(crate) fn attempts_at(&self, target: usize) -> u32 {
        let is_there = |record: &&AttemptRecord| usize::from(record.target) == target;
        self.with_records(|records| {
            u32::try_from(records.iter().filter(is_there).count()).unwrap_or(u32::MAX)
        })
    }

    /// Returns the number of attempts at all upstreams.
    pub(crate) fn attempts(&self) -> u32 {
        self.with_records(|records| u32::try_from(records.len()).unwrap_or(u32::MAX))
    }

    pub(crate) fn records(&self) -> SmallVec<[AttemptRecord; 2]> {
        self.with_records(|records| records.clone())
    }

    fn elapsed(&self) -> Duration {
        if self.0.is_timed { self.0.started_at.elapsed() } else { Duration::ZERO }
    }

    fn with_records<T>(&self, change: impl FnOnce(&mut SmallVec<[AttemptRecord; 2]>) -> T) -> T {
        change(&mut lock(&self.0.records))
    }
}
