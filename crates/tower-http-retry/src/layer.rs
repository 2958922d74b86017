//! The layer, its setters and its defaults.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use http_retry::{Budget, Policy, RetryAfterFirst};
use tower_layer::Layer;

use crate::Retry;
use crate::body::ReplayMemory;
use crate::bounds::CloneService;
use crate::config::{Config, DrainLimit};
use crate::markers::{Concrete, Paced, Unpaced};
use crate::observe::Observe;
use crate::pace::SharedPace;
use crate::policy::AttemptHeader;
use crate::rng::Randomness;
use crate::timer::Timer;

/// Adds retries to any `Service<http::Request<B>>`, as a [`Policy`] decides. It wraps the service in a
/// [`Retry`].
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
/// The compiler infers `E`; see [`ReadError`](crate::markers::ReadError). `G` tells whether the layer has a
/// [pace](Self::pace), which decides the [error](crate::markers::PaceMode) that callers get.
pub struct RetryLayer<P = RetryAfterFirst, E = Concrete, G = Unpaced> {
    config: Config<P>,
    marker: PhantomData<fn() -> (E, G)>,
}

impl<P: Policy, E> RetryLayer<P, E> {
    /// Creates a layer that decides by `policy`, with the defaults: 3 attempts, 60 s to the start of the
    /// last attempt, a budget of its own, and up to 64 KiB of saved body for each request.
    pub fn new(policy: P) -> Self {
        Self { config: Config::new(policy), marker: PhantomData }
    }
}

impl<P, E, G> RetryLayer<P, E, G> {
    /// Sets the largest number of attempts for a request, the first included; 0 means 1. If the peer did not
    /// process a request, the first resend of it does not count (gRPC A6), so there is at most one attempt
    /// more.
    pub fn max_attempts(self, max_attempts: u32) -> Self {
        self.with(|config| config.max_attempts = max_attempts)
    }

    /// Sets the longest time to the start of the last attempt. It counts from the first poll that finds the
    /// first attempt pending; with a [pace](Self::pace), it counts from the call. `None` means no bound. An
    /// attempt in flight is not stopped: a timeout layer does that, outside of this layer for all attempts
    /// together, inside of it for each attempt.
    ///
    /// One resend can start later: if the failed response was too long to hold, and the inner service becomes ready only
    /// after that time, there is no outcome left to return, and the layer sends the request late. With a pace, the caller gets
    /// a [`PaceError`](crate::PaceError) instead.
    pub fn max_elapsed(self, max_elapsed: impl Into<Option<Duration>>) -> Self {
        let max_elapsed = max_elapsed.into();
        self.with(|config| config.max_elapsed = max_elapsed)
    }

    /// Sets the budget that pays for resends; `None` means no bound. Clones of the handle share its tokens,
    /// so several layers can share a budget. With a budget that [is zero](Budget::is_zero), each request is
    /// sent once, as with one [attempt](Self::max_attempts), and nothing of it is saved.
    pub fn budget(self, budget: impl Into<Option<Budget>>) -> Self {
        let budget = budget.into();
        self.with(|config| config.set_budget(budget))
    }

    /// Sets the number of bytes of a request's body that are saved. If the attempt reads more, the request is
    /// sent once. The number of frames is bounded too, since each costs memory beyond its bytes: 1,024 frames
    /// are saved, and one more for every 256 bytes of the limit.
    pub fn replay_limit(self, bytes: usize) -> Self {
        self.with(|config| config.replay_limit = bytes)
    }

    /// Bounds the bytes that all requests in flight save together. `None` means that only the bound of each
    /// request applies.
    pub fn replay_memory(self, memory: impl Into<Option<ReplayMemory>>) -> Self {
        let memory = memory.into();
        self.with(|config| config.replay_memory = memory)
    }

    /// Sets how much of a failed response is read while the layer waits, so that its HTTP/1.1 connection can
    /// be used again. A response that is longer, or takes longer, is dropped, and its connection with it.
    pub fn drain_limit(self, bytes: usize, time: Duration) -> Self {
        self.with(|config| config.drain = DrainLimit { bytes, time })
    }

    /// Ignores the hints of servers about the time of the next attempt.
    pub fn ignore_hints(self) -> Self {
        self.with(|config| config.reads_hints = false)
    }

    /// Sets whether the layer reads the hints of servers about the time of the next attempt.
    #[cfg(feature = "serde")]
    pub(crate) fn read_hints(self, reads_hints: bool) -> Self {
        self.with(|config| config.reads_hints = reads_hints)
    }

    /// Sets a header on each resend, `x-retry-attempt` for example, to the number of the attempt. With
    /// [`AttemptHeader::grpc`], it counts the retries as gRPC defines it.
    pub fn attempt_header(self, header: impl Into<AttemptHeader>) -> Self {
        let header = header.into();
        self.with(|config| config.attempt_header = Some(header))
    }

    /// Keeps to the `grpc-timeout` of a call, over all of its attempts: each resend carries what is left of it, and
    /// none starts once it has passed. The time counts as that of [`max_elapsed`](Self::max_elapsed) does, which also
    /// holds. The layers of [`presets`](crate::presets) for gRPC have this setting.
    #[cfg(feature = "grpc")]
    pub fn keep_grpc_timeout(self) -> Self {
        self.with(|config| config.keeps_grpc_timeout = true)
    }

    /// Sets a pace, which admits every attempt. Requests that share a limit of the server wait for each other,
    /// and go as fast as the server seems to allow. A resend keeps its place in the queue. The
    /// [crate](crate#waiting-for-admission) has a table of what happens when.
    ///
    /// The wait before a resend and the wait for admission are one. If the server names the time, that time
    /// is not spread, because the pace keeps the callers apart. The [limit](Self::max_elapsed) also holds for
    /// the first attempt. The layer's service is always ready, because the layer readies the inner service
    /// once a request is admitted. What a request shares a limit with, and what it costs, is a setting of the
    /// [`Pace`](crate::Pace).
    ///
    /// While others wait, the pace may send a request as a probe, or try more than the server is known to serve.
    /// Such an attempt does not count against [`max_attempts`](Self::max_attempts) if it is refused; at most 8 of a
    /// request are left out. A resend that is a probe takes no token.
    ///
    /// The pace rejects a request whose wait exceeds the limit, and a request that finds the queue full. A
    /// rejected request is not sent. If it is a resend, the caller gets the last outcome. The first attempt
    /// has no outcome, and so the layer's error changes from `E` to [`PaceError<E>`](crate::PaceError). A
    /// [`BoxError`](crate::BoxError) stays one, and contains a [`PaceRejection`](crate::pace::PaceRejection).
    ///
    /// In a router of axum, put a `HandleErrorLayer` outside of the layer, because the layers of a router must not fail. See
    /// [the guide](crate::guide::compile_errors#a-pace-stands-in-a-router-of-axum).
    ///
    /// Pass a [`SharedPace`] to share it with other layers.
    pub fn pace(self, pace: impl Into<SharedPace>) -> RetryLayer<P, E, Paced> {
        let config = Config { pace: Some(pace.into()), ..self.config };
        RetryLayer { config, marker: PhantomData }
    }

    /// Calls a hook at each event of a request. See the module [`observe`](crate::observe).
    pub fn observe(self, observer: impl Observe + 'static) -> Self {
        self.with(|config| config.observer = Some(Arc::new(observer)))
    }

    /// Draws all delays from one sequence that starts from `seed`. All clones of the layer share it.
    pub fn seed(self, seed: u64) -> Self {
        self.with(|config| config.randomness = Randomness::seeded(seed))
    }

    /// Sets the timer that reads the clocks and sleeps. [`TokioTimer`](crate::timer::TokioTimer) is the
    /// default.
    pub fn timer(self, timer: impl Timer + 'static) -> Self {
        self.with(|config| config.timer = Arc::new(timer))
    }

    #[cfg(any(test, feature = "tower-retry"))]
    pub(crate) fn into_config(self) -> Config<P> {
        self.config
    }

    fn with(mut self, set: impl FnOnce(&mut Config<P>)) -> Self {
        set(&mut self.config);
        self
    }
}

impl<S: CloneService, P, E, G> Layer<S> for RetryLayer<P, E, G> {
    type Service = Retry<S, P, E, G>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, Arc::new(self.config.clone()))
    }
}

impl<E> Default for RetryLayer<RetryAfterFirst, E> {
    /// Creates a layer over [`RetryAfterFirst`] and [`ExponentialBackoff`](crate::ExponentialBackoff) with
    /// full jitter; see [`new`](Self::new).
    fn default() -> Self {
        Self::new(RetryAfterFirst::default())
    }
}

impl<P, E, G> Clone for RetryLayer<P, E, G> {
    /// The clone shares the policy, the budget, the pace and the seeded sequence.
    fn clone(&self) -> Self {
        Self { config: self.config.clone(), marker: PhantomData }
    }
}

impl<P: fmt::Debug, E, G> fmt::Debug for RetryLayer<P, E, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer")
            .field("policy", &self.config.policy)
            .field("max_attempts", &self.config.max_attempts)
            .field("max_elapsed", &self.config.max_elapsed)
            .field("budget", &self.config.budget)
            .field("replay_limit", &self.config.replay_limit)
            .field("pace", &self.config.pace)
            .finish_non_exhaustive()
    }
}
