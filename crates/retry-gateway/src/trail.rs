//! What happened to a request on its way: written by the attempts, read when it is answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::telemetry::RequestSpan;

/// The attempts of a request, shared by all who handle it.
#[derive(Clone, Debug)]
pub(crate) struct Trail(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    began: Instant,
    /// Whether anybody will read when the attempts were made.
    is_timed: bool,
    has_stalled: AtomicBool,
    span: RequestSpan,
    is_torn: AtomicBool,
    steps: Mutex<SmallVec<[Step; 2]>>,
}

/// One attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// The endpoint's place in its upstream.
    pub(crate) endpoint: usize,
    /// What came back, or why nothing did; `None` where nobody waited for that.
    pub(crate) result: Option<Result<StatusCode, &'static str>>,
    /// How long after the request came it was sent, and how long it took.
    pub(crate) at: Duration,
    pub(crate) took: Option<Duration>,
}

impl Trail {
    /// Of a request that comes now.
    pub(crate) fn new(is_timed: bool, span: RequestSpan) -> Self {
        Self(Arc::new(Shared {
            began: Instant::now(),
            is_timed,
            has_stalled: AtomicBool::new(false),
            span,
            is_torn: AtomicBool::new(false),
            steps: Mutex::default(),
        }))
    }

    /// When the request came.
    pub(crate) fn began(&self) -> Instant {
        self.0.began
    }

    pub(crate) fn span(&self) -> &RequestSpan {
        &self.0.span
    }

    /// Notes that the client does not send its body.
    pub(crate) fn stall(&self) {
        self.0.has_stalled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_stalled(&self) -> bool {
        self.0.has_stalled.load(Ordering::Relaxed)
    }

    /// Notes that the client broke off in the middle of its body.
    pub(crate) fn tear(&self) {
        self.0.is_torn.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_torn(&self) -> bool {
        self.0.is_torn.load(Ordering::Relaxed)
    }

    /// Begins an attempt, and returns its number from 0.
    pub(crate) fn begin(&self, endpoint: usize) -> usize {
        let at = self.now();
        self.with(|steps| {
            steps.push(Step { endpoint, result: None, at, took: None });
            steps.len() - 1
        })
    }

    /// Ends it.
    pub(crate) fn end(&self, number: usize, result: Result<StatusCode, &'static str>) {
        let now = self.now();
        self.with(|steps| {
            if let Some(step) = steps.get_mut(number) {
                step.took = Some(now.saturating_sub(step.at));
                step.result = Some(result);
            }
        });
    }

    /// Whether an endpoint was tried.
    pub(crate) fn has_tried(&self, endpoint: usize) -> bool {
        self.with(|steps| steps.iter().any(|step| step.endpoint == endpoint))
    }

    /// How many attempts were made.
    pub(crate) fn attempts(&self) -> u32 {
        self.with(|steps| u32::try_from(steps.len()).unwrap_or(u32::MAX))
    }

    pub(crate) fn steps(&self) -> SmallVec<[Step; 2]> {
        self.with(|steps| steps.clone())
    }

    fn now(&self) -> Duration {
        if self.0.is_timed { self.0.began.elapsed() } else { Duration::ZERO }
    }

    fn with<T>(&self, change: impl FnOnce(&mut SmallVec<[Step; 2]>) -> T) -> T {
        change(&mut self.0.steps.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whole milliseconds, saturating.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
