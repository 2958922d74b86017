//! The log of one request while it is handled. The attempts write to it; the access log reads it at the end.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use smallvec::SmallVec;
use tokio::time::Instant;
use tower_http_retry::timer::PausedTime;

use crate::connection::wait_reason::WaitReason;
use crate::sync::lock;
use crate::telemetry::RequestSpan;
use crate::time::millis::millis;
use crate::time::request_clock::RequestClock;

/// The attempts of one request. Clones share one log.
#[derive(Clone, Debug)]
pub(crate) struct RequestLog(Arc<RequestLogInner>);

#[derive(Debug)]
struct RequestLogInner {
    clock: RequestClock,
    /// True where the access log will read the times of the attempts.
    is_timed: bool,
    /// The [`BodyFailure`] of the request's body, or 0.
    body_failure: AtomicU8,
    /// Set while the request's body has not been read to its end.
    has_unread_body: AtomicBool,
    span: RequestSpan,
    /// The [`WaitReason`] of the request, or [`IN_FLIGHT`] while an endpoint has an attempt of it.
    waits_for: AtomicU8,
    /// The index of the route's upstream that has the request now.
    target: AtomicU8,
    /// The milliseconds from the request's start to the moment at which that upstream got it.
    target_started_ms: AtomicU32,
    records: Mutex<SmallVec<[AttemptRecord; 2]>>,
}

impl PausedTime for RequestLogInner {
    fn paused(&self) -> Duration {
        self.clock.stopped_for()
    }
}

/// The way in which a client failed to send the body of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum BodyFailure {
    /// The client left, or reset its stream.
    Aborted = 1,
    /// The client closed its sending side within the body, or sent bytes that are no part of one. It may still read.
    Incomplete,
    /// The client sent nothing for `body_timeout`.
    Timeout,
    /// The client sent less than `body_min_rate`.
    TooSlow,
}

/// One attempt.
#[derive(Clone, Debug)]
pub(crate) struct AttemptRecord {
    /// The index of the upstream among those of its route.
    pub(crate) target: u8,
    /// The name of the endpoint. It is not an index, because the endpoints of a name change while the request waits.
    pub(crate) endpoint: Arc<str>,
    /// The status of the response, or the word for the failure. `None` means that the attempt was dropped before it had
    /// an outcome.
    pub(crate) result: Option<Result<StatusCode, &'static str>>,
    /// The text of the failure from the system or a library.
    pub(crate) detail: Option<Arc<str>>,
    /// The time from the request's start to the attempt's.
    pub(crate) at: Duration,
    /// The time from the attempt's start to its outcome.
    pub(crate) took: Option<Duration>,
}

impl RequestLog {
    /// Creates the log of a request that starts now.
    pub(crate) fn new(is_timed: bool, span: RequestSpan) -> Self {
        Self(Arc::new(RequestLogInner {
            clock: RequestClock::new(),
            is_timed,
            body_failure: AtomicU8::new(0),
            has_unread_body: AtomicBool::new(false),
            span,
            waits_for: AtomicU8::new(WaitReason::Pace as u8),
            target: AtomicU8::new(0),
            target_started_ms: AtomicU32::new(0),
            records: Mutex::default(),
        }))
    }

    /// Returns the time at which the request arrived.
    pub(crate) fn started_at(&self) -> Instant {
        self.0.clock.started_at()
    }

    /// Returns the clock of the request's timeouts.
    pub(crate) fn clock(&self) -> &RequestClock {
        &self.0.clock
    }

    /// Returns the time in which the gateway waited for the client, for the retry layer.
    pub(crate) fn paused_time(&self) -> Arc<dyn PausedTime> {
        Arc::clone(&self.0) as Arc<dyn PausedTime>
    }

    pub(crate) fn span(&self) -> &RequestSpan {
        &self.0.span
    }

    /// Records whether the client has sent the whole body of its request.
    pub(crate) fn set_unread_body(&self, has_unread_body: bool) {
        self.0.has_unread_body.store(has_unread_body, Ordering::Relaxed);
    }

    /// Returns whether the client may still be sending the body of its request.
    pub(crate) fn has_unread_body(&self) -> bool {
        self.0.has_unread_body.load(Ordering::Relaxed)
    }

    /// Records why the request's body is incomplete. The first reason counts.
    pub(crate) fn set_body_failure(&self, failure: BodyFailure) {
        let body_failure = &self.0.body_failure;
        let _ = body_failure.compare_exchange(0, failure as u8, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Returns why the request's body is incomplete, if it is the client's fault.
    pub(crate) fn body_failure(&self) -> Option<BodyFailure> {
        let failures =
            [BodyFailure::Aborted, BodyFailure::Incomplete, BodyFailure::Timeout, BodyFailure::TooSlow];
        let recorded = self.0.body_failure.load(Ordering::Relaxed);
        failures.into_iter().find(|failure| *failure as u8 == recorded)
    }

    /// Records what the request waits for, or `None` if an endpoint has an attempt of it.
    pub(crate) fn set_waits_for(&self, reason: Option<WaitReason>) {
        self.0.waits_for.store(reason.map_or(IN_FLIGHT, |reason| reason as u8), Ordering::Relaxed);
    }

    /// Returns what the request waits for, or `None` if an endpoint has an attempt of it.
    pub(crate) fn waits_for(&self) -> Option<WaitReason> {
        WaitReason::ALL.get(usize::from(self.0.waits_for.load(Ordering::Relaxed))).copied()
    }

    /// Records that the route's upstream with this index has the request from now on.
    pub(crate) fn enter_target(&self, target: usize) {
        let at = u32::try_from(millis(self.0.clock.started_at().elapsed())).unwrap_or(u32::MAX);
        self.0.target_started_ms.store(at, Ordering::Relaxed);
        self.0.target.store(u8::try_from(target).unwrap_or(u8::MAX), Ordering::Relaxed);
    }

    /// Returns the index of the route's upstream that has the request.
    pub(crate) fn target(&self) -> usize {
        self.0.target.load(Ordering::Relaxed).into()
    }

    /// Returns the time at which that upstream got the request.
    pub(crate) fn target_started_at(&self) -> Instant {
        self.0.clock.started_at()
            + Duration::from_millis(self.0.target_started_ms.load(Ordering::Relaxed).into())
    }

    /// Starts an attempt and returns its index, from 0.
    pub(crate) fn start_attempt(&self, endpoint: Arc<str>) -> usize {
        self.0.clock.set_responding(false);
        let (at, target) = (self.elapsed(), self.0.target.load(Ordering::Relaxed));
        self.with_records(|records| {
            records.push(AttemptRecord { target, endpoint, result: None, detail: None, at, took: None });
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

    /// Records what the innermost cause of an attempt's failure says.
    pub(crate) fn set_detail(&self, index: usize, error: &(dyn Error + 'static)) {
        if !self.0.is_timed {
            return;
        }
        let mut cause = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let detail = cause.to_string().into();
        self.with_records(|records| {
            if let Some(record) = records.get_mut(index) {
                record.detail = Some(detail);
            }
        });
    }

    /// Returns true if an attempt went to this endpoint of the upstream that has the request now.
    pub(crate) fn has_tried(&self, endpoint: &str) -> bool {
        let target = self.0.target.load(Ordering::Relaxed);
        let is_there = |record: &AttemptRecord| &*record.endpoint == endpoint && record.target == target;
        self.with_records(|records| records.iter().any(is_there))
    }

    /// Returns whether the last attempt failed with this word.
    pub(crate) fn has_just_failed(&self, word: &str) -> bool {
        self.with_records(|records| records.last().is_some_and(|record| record.result == Some(Err(word))))
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
        if self.0.is_timed { self.0.clock.started_at().elapsed() } else { Duration::ZERO }
    }

    fn with_records<T>(&self, change: impl FnOnce(&mut SmallVec<[AttemptRecord; 2]>) -> T) -> T {
        change(&mut lock(&self.0.records))
    }
}

/// The value of `waits_for` while an endpoint has an attempt of the request.
const IN_FLIGHT: u8 = u8::MAX;
