//! The configuration, and how it becomes a service.

use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::{PaceService, SharedPace};
use crate::timer::{Timer, TokioTimer};

/// Holds requests while the server wants quiet, for those who do not retry. With a
/// [`RetryLayer`](crate::RetryLayer), use its [`pace`](crate::RetryLayer::pace) instead: then a resend keeps its
/// place in line, and there is one wait and one deadline for both.
///
/// ```
/// use http::header::AUTHORIZATION;
/// use tower_http_retry::{Pace, PaceLayer};
///
/// let layer = PaceLayer::new(Pace::per_header(AUTHORIZATION).slow_start());
/// # let _ = layer;
/// ```
///
/// The service is always ready, because a request has to be seen before it is known for whom it waits; the inner
/// one is readied when its turn has come. So put limits of any kind inside.
#[derive(Clone)]
pub struct PaceLayer {
    terms: PaceTerms,
}

/// What a layer, its services and their futures know.
#[derive(Clone)]
pub(super) struct PaceTerms {
    pub(super) pace: SharedPace,
    pub(super) deadline: Option<Duration>,
    pub(super) timer: Arc<dyn Timer>,
}

impl PaceLayer {
    /// Lets requests through as `pace` says, however long they wait.
    pub fn new(pace: impl Into<SharedPace>) -> Self {
        let terms = PaceTerms { pace: pace.into(), deadline: None, timer: Arc::new(TokioTimer) };
        Self { terms }
    }

    /// Sets the time from the call to the send; `None` for no bound. As soon as it is known that a request would
    /// wait for longer, it is [refused](crate::pace::PaceRejection::Deadline).
    pub fn max_wait(mut self, max_wait: impl Into<Option<Duration>>) -> Self {
        self.terms.deadline = max_wait.into();
        self
    }

    /// Sets what tells the time and sleeps. [`TokioTimer`] is the default.
    pub fn timer(mut self, timer: impl Timer + 'static) -> Self {
        self.terms.timer = Arc::new(timer);
        self
    }
}

impl<S> Layer<S> for PaceLayer {
    type Service = PaceService<S>;

    fn layer(&self, inner: S) -> PaceService<S> {
        PaceService::new(inner, self.terms.clone())
    }
}

impl std::fmt::Debug for PaceLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PaceLayer")
            .field("pace", &self.terms.pace)
            .field("deadline", &self.terms.deadline)
            .finish_non_exhaustive()
    }
}
