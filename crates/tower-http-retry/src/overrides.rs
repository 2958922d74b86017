//! What a caller says about one request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_retry::Policy;

/// Overrides a layer's settings for one request, in the request's extensions.
///
/// ```
/// use http::Request;
/// use tower_http_retry::RetryOverride;
///
/// let order = Request::post("http://shop.example/orders")
///     .extension(RetryOverride::new().idempotent().max_attempts(5))
///     .body(())
///     .unwrap();
///
/// let once = Request::get("http://shop.example/queue/next")
///     .extension(RetryOverride::never())
///     .body(())
///     .unwrap();
/// # let _ = (order, once);
/// ```
#[derive(Clone, Default)]
pub struct RetryOverride {
    pub(crate) never: bool,
    pub(crate) assume_idempotent: bool,
    pub(crate) max_attempts: Option<u32>,
    pub(crate) max_elapsed: Option<Option<Duration>>,
    pub(crate) policy: Option<Arc<dyn Policy>>,
}

impl RetryOverride {
    /// Changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends the request once, whatever comes back.
    pub fn never() -> Self {
        Self { never: true, ..Self::default() }
    }

    /// Vouches that the request may be repeated, whatever its method.
    pub fn idempotent(self) -> Self {
        Self { assume_idempotent: true, ..self }
    }

    /// Sets how often the request may be sent in all; 0 means 1.
    pub fn max_attempts(self, max_attempts: u32) -> Self {
        Self { max_attempts: Some(max_attempts), ..self }
    }

    /// Sets the time to the start of the last attempt, from when the first one is waited for; with a pace, from the
    /// call. `None` for no bound.
    pub fn max_elapsed(self, max_elapsed: impl Into<Option<Duration>>) -> Self {
        Self { max_elapsed: Some(max_elapsed.into()), ..self }
    }

    /// Asks this policy instead of the layer's.
    pub fn policy(self, policy: impl Policy + 'static) -> Self {
        Self { policy: Some(Arc::new(policy)), ..self }
    }
}

impl fmt::Debug for RetryOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryOverride")
            .field("never", &self.never)
            .field("idempotent", &self.assume_idempotent)
            .field("max_attempts", &self.max_attempts)
            .field("max_elapsed", &self.max_elapsed)
            .field("policy", &self.policy.as_ref().map(|_| ".."))
            .finish()
    }
}
