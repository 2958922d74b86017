//! The layer that has a pace alone, and its configuration.

use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::{PaceService, SharedPace};
use crate::timer::{Timer, TokioTimer};

/// Makes requests that share a limit wait for each other, for callers that do not retry. With a
/// [`RetryLayer`](crate::RetryLayer), use its [`pace`](crate::RetryLayer::pace) instead: then a resend keeps its
/// place in the queue, and there is one wait and one deadline for both.
///
/// ```
/// use http::header::AUTHORIZATION;
/// use tower_http_retry::{Pace, PaceLayer};
///
/// let layer = PaceLayer::new(Pace::per_header(AUTHORIZATION).slow_start());
/// # let _ = layer;
/// ```
///
/// The service is always ready, because the pace must see a request before it knows for whom the request waits. The inner
/// service is readied once the request is admitted, so put limits of any kind inside.
#[derive(Clone)]
pub struct PaceLayer {
    config: PaceConfig,
}

/// The configuration that a layer shares with its services.
#[derive(Clone)]
pub(super) struct PaceConfig {
    pub(super) pace: SharedPace,
    pub(super) max_wait: Option<Duration>,
    pub(super) timer: Arc<dyn Timer>,
}

impl PaceLayer {
    /// Creates a layer whose requests are sent once `pace` admits them, however long they wait.
    pub fn new(pace: impl Into<SharedPace>) -> Self {
        let config = PaceConfig { pace: pace.into(), max_wait: None, timer: Arc::new(TokioTimer) };
        Self { config }
    }

    /// Sets the longest time from the call to the send; `None` means no bound. A request that would wait for longer is
    /// [rejected](crate::pace::PaceRejection::TooLong), at the end of that time at the latest.
    pub fn max_wait(mut self, max_wait: impl Into<Option<Duration>>) -> Self {
        self.config.max_wait = max_wait.into();
        self
    }

    /// Sets the timer that reads the clocks and sleeps. [`TokioTimer`] is the default.
    pub fn timer(mut self, timer: impl Timer + 'static) -> Self {
        self.config.timer = Arc::new(timer);
        self
    }
}

impl<S> Layer<S> for PaceLayer {
    type Service = PaceService<S>;

    fn layer(&self, inner: S) -> PaceService<S> {
        PaceService::new(inner, self.config.clone())
    }
}

impl std::fmt::Debug for PaceLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PaceLayer")
            .field("pace", &self.config.pace)
            .field("max_wait", &self.config.max_wait)
            .finish_non_exhaustive()
    }
}
