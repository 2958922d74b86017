//! The hook that a layer calls at each event of a request.
//!
//! With it, counters need no further layers inside and outside of the retry layer. A layer without a hook pays one
//! comparison for each request.
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use tower::{BoxError, ServiceBuilder, service_fn};
//! use tower_http_retry::observe::Event;
//! use tower_http_retry::{GiveUpReason, ReplayBody, RetryLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let not_idempotent = Arc::new(AtomicU64::new(0));
//! let counter = Arc::clone(&not_idempotent);
//! let layer = RetryLayer::default().observe(move |event: &Event<'_>| {
//!     if let Event::Finished { reason: Some(GiveUpReason::NotIdempotent), .. } = event {
//!         counter.fetch_add(1, Ordering::Relaxed);
//!     }
//! });
//!
//! let server = service_fn(|_: Request<ReplayBody<Full<Bytes>>>| async {
//!     Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).body(Full::<Bytes>::default())
//! });
//! let client = ServiceBuilder::new().layer(layer).service(server);
//! client.oneshot(Request::post("http://api.example/orders").body(Full::default())?).await?;
//! assert_eq!(not_idempotent.load(Ordering::Relaxed), 1);
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use http::{Response, StatusCode};
use http_retry::{GiveUpReason, RequestHead, RetryCause, RetryHint, Session};

/// Receives the [`Event`]s of a layer's requests.
///
/// Every `Fn(&Event<'_>)` implements it, as the [module](self) shows. The layer calls it in the task of the request, and so it must not block.
pub trait Observe: Send + Sync {
    /// Receives one event.
    fn on_event(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync> Observe for F {
    fn on_event(&self, event: &Event<'_>) {
        self(event);
    }
}

/// An event of a request in a layer. The [module](self) has an example.
///
/// A request that can be retried has any number of `WillResend` and `Resend`, and one `Finished` at its end. A request
/// that can never be retried has only one `NotRetryable`. A request whose future is dropped has no `Finished`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The layer sends the request once, whatever its outcome. The reason is the policy, the override, CONNECT, an
    /// upgrade, a limit of one attempt, or a budget of zero.
    #[non_exhaustive]
    NotRetryable {
        /// The head of the request.
        request: RequestHead<'a>,
    },
    /// An attempt failed, and the layer waits before the next attempt.
    #[non_exhaustive]
    WillResend {
        /// The head of the request.
        request: RequestHead<'a>,
        /// The number of the failed attempt, from 1.
        attempt: u32,
        /// The cause for which its outcome is worth a retry.
        cause: RetryCause,
        /// The server's hint about the next attempt, if it gave one.
        hint: Option<RetryHint>,
        /// The time until the next attempt. A pace may make it longer.
        delay: Duration,
    },
    /// The layer sends the request again.
    #[non_exhaustive]
    Resend {
        /// The head of the request.
        request: RequestHead<'a>,
        /// The number of this attempt, from 2.
        attempt: u32,
    },
    /// The caller gets the outcome.
    #[non_exhaustive]
    Finished {
        /// The head of the request.
        request: RequestHead<'a>,
        /// The number of attempts. It is 0 for a request that a pace rejected before its first attempt.
        attempts: u32,
        /// The sum of the waits between attempts.
        waited: Duration,
        /// The status of the response. `None` means that the caller gets an error.
        status: Option<StatusCode>,
        /// The cause of the last outcome that was worth a retry.
        cause: Option<RetryCause>,
        /// The reason for which the layer gave up, or did not retry. `None` means that it accepted the outcome.
        reason: Option<GiveUpReason>,
    },
}

impl<'a> Event<'a> {
    /// Creates the event of a wait that a session has decided on.
    pub(crate) fn will_resend(request: RequestHead<'a>, session: &Session, delay: Duration) -> Option<Self> {
        let (attempt, cause, hint) = (session.number(), session.cause()?, session.hint());
        Some(Self::WillResend { request, attempt, cause, hint, delay })
    }

    /// Creates the event of a session's end.
    pub(crate) fn finished<R, E>(
        request: RequestHead<'a>,
        session: &Session,
        reason: Option<GiveUpReason>,
        result: &Result<Response<R>, E>,
    ) -> Self {
        let status = result.as_ref().ok().map(Response::status);
        Self::ended(request, session, session.number(), reason, status)
    }

    /// Creates the event of a session that ends with an error before its next attempt.
    pub(crate) fn not_sent(
        request: RequestHead<'a>,
        session: &Session,
        attempts: u32,
        reason: Option<GiveUpReason>,
    ) -> Self {
        Self::ended(request, session, attempts, reason, None)
    }

    fn ended(
        request: RequestHead<'a>,
        session: &Session,
        attempts: u32,
        reason: Option<GiveUpReason>,
        status: Option<StatusCode>,
    ) -> Self {
        let (waited, cause) = (session.waited(), session.cause());
        Self::Finished { request, attempts, waited, status, cause, reason }
    }
}
