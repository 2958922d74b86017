//! Settings of one request that replace those of the layer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_retry::Policy;

/// Overrides a layer's settings for one request. The layer reads it from the request's extensions.
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
    /// Creates an override that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an override that has the request sent once, whatever the outcome.
    pub fn never() -> Self {
        Self { never: true, ..Self::default() }
    }

    /// Declares the request idempotent, whatever its method, so that it may be sent again.
    pub fn idempotent(self) -> Self {
        Self { assume_idempotent: true, ..self }
    }

    /// Sets the largest number of attempts, the first included; 0 means 1.
    pub fn max_attempts(self, max_attempts: u32) -> Self {
        Self { max_attempts: Some(max_attempts), ..self }
    }

    /// Sets the longest time to the start of the last attempt. It counts from the first poll that finds the
    /// first attempt pending; with a pace, from the call. `None` means no bound.
    pub fn max_elapsed(self, max_elapsed: impl Into<Option<Duration>>) -> Self {
        Self { max_elapsed: Some(max_elapsed.into()), ..self }
    }

    /// Sets the policy that decides in place of the layer's.
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
