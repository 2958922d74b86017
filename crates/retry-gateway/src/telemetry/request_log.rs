//! What happened to a request on its way: written by the attempts, read when it is answered.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::telemetry::RequestSpan;
use crate::time::millis::millis;

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
    /// The upstream of the route that has it now, from 0, and how many milliseconds after the request came that began.
    leg: AtomicU8,
    leg_at: AtomicU32,
    steps: Mutex<SmallVec<[Step; 2]>>,
}

/// One attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// The place of the upstream among those of its route, and the endpoint's in it.
    pub(crate) leg: u8,
    pub(crate) endpoint: u32,
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
            leg: AtomicU8::new(0),
            leg_at: AtomicU32::new(0),
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

    /// Whether the client did either.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_stalled() || self.is_torn()
    }

    /// Notes that the request goes to this upstream of its route from now on.
    pub(crate) fn enter(&self, leg: usize) {
        let at = u32::try_from(millis(self.0.began.elapsed())).unwrap_or(u32::MAX);
        self.0.leg_at.store(at, Ordering::Relaxed);
        self.0.leg.store(u8::try_from(leg).unwrap_or(u8::MAX), Ordering::Relaxed);
    }

    /// Which one that is.
    pub(crate) fn leg(&self) -> usize {
        self.0.leg.load(Ordering::Relaxed).into()
    }

    /// When it went there.
    pub(crate) fn leg_began(&self) -> Instant {
        self.0.began + Duration::from_millis(self.0.leg_at.load(Ordering::Relaxed).into())
    }

    /// Begins an attempt, and returns its number from 0.
    pub(crate) fn begin(&self, endpoint: usize) -> usize {
        let (at, leg) = (self.now(), self.0.leg.load(Ordering::Relaxed));
        // More endpoints than that are in no file.
        let endpoint = u32::try_from(endpoint).unwrap_or(u32::MAX);
        self.with(|steps| {
            steps.push(Step { leg, endpoint, result: None, at, took: None });
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

    /// Whether an endpoint of the upstream that has the request now was tried.
    pub(crate) fn has_tried(&self, endpoint: usize) -> bool {
        let leg = self.0.leg.load(Ordering::Relaxed);
        self.with(|steps| steps.iter().any(|step| step.endpoint as usize == endpoint && step.leg == leg))
    }

    /// How many attempts were made at one of the route's upstreams.
    pub(crate) fn attempts_at(&self, leg: usize) -> u32 {
        let is_there = |step: &&Step| usize::from(step.leg) == leg;
        self.with(|steps| u32::try_from(steps.iter().filter(is_there).count()).unwrap_or(u32::MAX))
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
