//! The configuration, and how it becomes a service.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use http_retry::{Budget, Policy, RetryAfterFirst, Session};
use tower_layer::Layer;

use crate::Retry;
use crate::body::ReplayMemory;
use crate::bounds::CloneService;
use crate::future::DrainLimit;
use crate::markers::{Concrete, Paced, Unpaced};
use crate::pace::SharedPace;
use crate::policy::AttemptHeader;
use crate::rng::Randomness;
use crate::timer::{Timer, TokioTimer};

/// Sends requests again, as a [`Policy`] decides, through any `Service<http::Request<B>>`.
///
/// The setters read as a sentence:
///
/// ```
/// use std::time::Duration;
/// use tower_http_retry::{Budget, RetryAfterFirst, RetryLayer};
/// use tower_http_retry::policy::DecorrelatedJitter;
///
/// let backoff = DecorrelatedJitter::new(Duration::from_millis(100), Duration::from_secs(5));
/// let layer = RetryLayer::new(RetryAfterFirst::new(backoff))
///     .max_attempts(4)
///     .max_elapsed(Duration::from_secs(30))
///     .budget(Budget::percent(20))
///     .replay_limit(64 * 1024);
/// # let _: RetryLayer<_> = layer;
/// ```
///
/// `E` is inferred: see [`ReadError`](crate::markers::ReadError). `G` tells whether there is a [pace](Self::pace), and with it
/// which [error](crate::markers::PaceMode) callers get.
pub struct RetryLayer<P = RetryAfterFirst, E = Concrete, G = Unpaced> {
    policy: Arc<P>,
    settings: Settings,
    marker: PhantomData<fn() -> (E, G)>,
}

/// What a layer and its services know.
pub(crate) struct Terms<P> {
    pub(crate) policy: Arc<P>,
    pub(crate) settings: Settings,
    /// The budget can never pay for a resend.
    pub(crate) budget_is_zero: bool,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) max_attempts: u32,
    pub(crate) max_elapsed: Option<Duration>,
    pub(crate) heeds_hints: bool,
    pub(crate) budget: Option<Budget>,
    pub(crate) replay_limit: usize,
    pub(crate) replay_memory: Option<ReplayMemory>,
    pub(crate) drain: DrainLimit,
    pub(crate) attempt_header: Option<AttemptHeader>,
    pub(crate) pace: Option<SharedPace>,
    pub(crate) randomness: Randomness,
    pub(crate) timer: Arc<dyn Timer>,
}

impl<P: Policy, E> RetryLayer<P, E> {
    /// Decides by `policy`, within the defaults: 3 attempts, the last of which starts within 60 s, a budget
    /// of its own, and up to 64 KiB of body kept per request.
    pub fn new(policy: P) -> Self {
        let settings = Settings {
            max_attempts: Session::MAX_ATTEMPTS,
            max_elapsed: Some(Session::MAX_ELAPSED),
            heeds_hints: true,
            budget: Some(Budget::default()),
            replay_limit: 64 * 1024,
            replay_memory: None,
            drain: DrainLimit { bytes: 16 * 1024, time: Duration::from_millis(10) },
            attempt_header: None,
            pace: None,
            randomness: Randomness::default(),
            timer: Arc::new(TokioTimer),
        };
        Self { policy: Arc::new(policy), settings, marker: PhantomData }
    }
}

impl<P, E, G> RetryLayer<P, E, G> {
    /// Sets how often a request may be sent in all; 0 means 1. The first resend of a request that the peer
    /// refused unprocessed is not counted (gRPC A6), so there is at most one send more.
    pub fn max_attempts(self, max_attempts: u32) -> Self {
        self.with(|settings| settings.max_attempts = max_attempts)
    }

    /// Sets the time to the start of the last attempt, from when the first one is waited for; with a [pace](Self::pace),
    /// from the call. `None` for no bound. An attempt that is under way is not cut: that is for a timeout layer, outside
    /// of this one for all attempts, inside for each.
    pub fn max_elapsed(self, max_elapsed: impl Into<Option<Duration>>) -> Self {
        let max_elapsed = max_elapsed.into();
        self.with(|settings| settings.max_elapsed = max_elapsed)
    }

    /// Sets the tokens that resends are paid from; `None` for no bound. Clones of the handle share them, so
    /// one budget can serve several layers. With a budget that [is zero](Budget::is_zero) all requests are sent once, as
    /// with one [attempt](Self::max_attempts), and nothing of them is kept.
    pub fn budget(self, budget: impl Into<Option<Budget>>) -> Self {
        let budget = budget.into();
        self.with(|settings| settings.budget = budget)
    }

    /// Sets how many bytes of a request's body are kept. A body of which more is read is sent once, and so is
    /// one in very small frames, since each costs memory beyond its bytes: 1,024 of them are kept, and one more
    /// for every 256 bytes of the limit.
    pub fn replay_limit(self, bytes: usize) -> Self {
        self.with(|settings| settings.replay_limit = bytes)
    }

    /// Bounds what all requests in flight keep of their bodies together; `None` for no bound but each one's
    /// own.
    pub fn replay_memory(self, memory: impl Into<Option<ReplayMemory>>) -> Self {
        let memory = memory.into();
        self.with(|settings| settings.replay_memory = memory)
    }

    /// Sets how much of a failed response is read while the layer waits, so that its HTTP/1.1 connection can
    /// be used again. One that is longer or takes longer is dropped, and its connection with it.
    pub fn drain_limit(self, bytes: usize, time: Duration) -> Self {
        self.with(|settings| settings.drain = DrainLimit { bytes, time })
    }

    /// Does not read what servers wish about time.
    pub fn ignore_hints(self) -> Self {
        self.with(|settings| settings.heeds_hints = false)
    }

    /// Sets whether the layer reads what servers wish about time.
    #[cfg(feature = "serde")]
    pub(crate) fn heed_hints(self, heeds_hints: bool) -> Self {
        self.with(|settings| settings.heeds_hints = heeds_hints)
    }

    /// Sets a header, `x-retry-attempt` for example, to the attempt's number on each resend; or, with
    /// [`AttemptHeader::grpc`], as gRPC has it.
    pub fn attempt_header(self, header: impl Into<AttemptHeader>) -> Self {
        let header = header.into();
        self.with(|settings| settings.attempt_header = Some(header))
    }

    /// Lets every attempt wait for its turn: while the server wants quiet nobody sends, and then the callers go
    /// one after the other, as fast as the server seems to allow. A resend keeps its place in line.
    ///
    /// The wait before a resend and the wait for its turn are one, and where the server names the time, it is not
    /// spread: the pace keeps the callers apart. The [limit](Self::max_elapsed) also holds for the first attempt.
    /// The inner service is readied when a request's turn has come, so the layer's service is always ready.
    ///
    /// A request that is not let through, because its deadline comes first or because too many wait, is not sent.
    /// If that is a resend, the caller gets the last outcome. If it is the first attempt there is none, and so the
    /// layer's error changes from `E` to [`PaceError<E>`](crate::PaceError); a [`BoxError`](crate::BoxError)
    /// stays one, and holds a [`PaceRejection`](crate::pace::PaceRejection).
    ///
    /// Pass a [`SharedPace`] to share one with other layers.
    pub fn pace(self, pace: impl Into<SharedPace>) -> RetryLayer<P, E, Paced> {
        let settings = Settings { pace: Some(pace.into()), ..self.settings };
        RetryLayer { policy: self.policy, settings, marker: PhantomData }
    }

    /// Draws all delays from one sequence, shared by all clones, that starts from `seed`.
    pub fn seed(self, seed: u64) -> Self {
        self.with(|settings| settings.randomness = Randomness::seeded(seed))
    }

    /// Sets what tells the time and sleeps. [`TokioTimer`] is the default.
    pub fn timer(self, timer: impl Timer + 'static) -> Self {
        self.with(|settings| settings.timer = Arc::new(timer))
    }

    pub(crate) fn into_terms(self) -> Terms<P> {
        let budget_is_zero = self.settings.budget.as_ref().is_some_and(Budget::is_zero);
        Terms { policy: self.policy, settings: self.settings, budget_is_zero }
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self
    }
}

impl<S: CloneService, P, E, G> Layer<S> for RetryLayer<P, E, G> {
    type Service = Retry<S, P, E, G>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, Arc::new(self.clone().into_terms()))
    }
}

impl<E> Default for RetryLayer<RetryAfterFirst, E> {
    /// [`RetryAfterFirst`] over [`ExponentialBackoff`](crate::ExponentialBackoff) with full jitter; see [`new`](Self::new).
    fn default() -> Self {
        Self::new(RetryAfterFirst::default())
    }
}

impl<P, E, G> Clone for RetryLayer<P, E, G> {
    /// The clone shares the policy, the budget, the pace and the seeded sequence.
    fn clone(&self) -> Self {
        Self { policy: Arc::clone(&self.policy), settings: self.settings.clone(), marker: PhantomData }
    }
}

impl<P: fmt::Debug, E, G> fmt::Debug for RetryLayer<P, E, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer")
            .field("policy", &self.policy)
            .field("max_attempts", &self.settings.max_attempts)
            .field("max_elapsed", &self.settings.max_elapsed)
            .field("budget", &self.settings.budget)
            .field("replay_limit", &self.settings.replay_limit)
            .field("pace", &self.settings.pace)
            .finish_non_exhaustive()
    }
}
