//! HTTP retries that help and never hurt, as a tower layer.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::{Empty, Full};
//! use tower::{BoxError, ServiceBuilder, service_fn};
//! use tower_http_retry::{AttemptNumber, ReplayBody, RetryInfo, RetryLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! // A server that is busy the first time. The layer wraps any `Service<Request<ReplayBody<B>>>`.
//! let server = service_fn(|request: Request<ReplayBody<Full<Bytes>>>| async move {
//!     let busy = AttemptNumber::from_request(&request) == 1;
//!     let status = if busy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
//!     Response::builder().status(status).header("retry-after", "1").body(Empty::<Bytes>::new())
//! });
//!
//! let client = ServiceBuilder::new().layer(RetryLayer::default()).service(server);
//!
//! let request = Request::get("http://api.example/").body(Full::default())?;
//! let response = client.oneshot(request).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//! assert_eq!(response.extensions().get::<RetryInfo>().unwrap().attempts(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Contents
//!
//! * [`RetryLayer`] wraps a service in [`Retry`]. The inner service receives requests with a [`ReplayBody`].
//! * A [`Policy`] decides. [`RetryAfterFirst`] over [`ExponentialBackoff`] is the default; the module
//!   [`policy`] has more, and your own can be a [`policy_fn`] or a type. The [`rules`] are the standard
//!   decisions.
//! * A [`Budget`] bounds how much retries add to the load of a failing server.
//! * A [`Pace`] makes callers that share a limit wait for each other. [`RetryLayer::pace`] adds it to a retry
//!   layer, and [`PaceLayer`] is a pace without retries.
//! * [`presets`] are layers that are set up for a kind of server.
//! * [`RetryLayer::observe`] calls a hook at each event of a request, for counters and logs.
//! * A [`RetryOverride`] changes the settings for one request. [`AttemptNumber`] and [`RetryInfo`] tell what
//!   happened to it.
//! * The [`guide`] helps to choose, write and test a policy, to build a gateway, and to migrate from another
//!   crate. It gives the reason for each default and for the design, and shows what to write if the code
//!   [does not compile](guide::compile_errors).
//! * The module `fleet` (feature `fleet`) lets several processes share one limit and one budget, through a store.
//! * The module `grpc` (feature `grpc`) reads the status of gRPC calls. The module `testing` (feature
//!   `testing`) has laws, plots of a schedule and a scripted service for policies of your own.
//!
//! Code with a retry loop of its own, without tower, uses the crate [`http_retry`].
//!
//! # When not to retry
//!
//! * A layer above or below retries already: three attempts at each of five layers are 243 requests. Only one
//!   layer should retry: the layer nearest to the server that knows the whole request.
//! * A second processing of the request does harm, and the server does not support `Idempotency-Key`. The
//!   standard rules send such a request again only if the server never processed it.
//! * The caller has stopped waiting. Put a timeout outside of the layer, or set
//!   [`max_elapsed`](RetryLayer::max_elapsed).
//!
//! # Defaults
//!
//! The table has the main defaults. [`guide::defaults`] has all of them, with their sources.
//!
//! | setting | default | reason |
//! |---|---|---|
//! | policy | [`RetryAfterFirst`] over [`ExponentialBackoff`] | the server knows best when it has capacity |
//! | [`max_attempts`](RetryLayer::max_attempts) | 3 | most faults that pass are gone at the second attempt, and a budget is of little use if each session makes ten |
//! | backoff | 100 ms, or 500 ms after a 429 or 529 without a time, doubling, up to 10 s | the first delay outlasts a failover in a data centre, and people do not wait longer than the last |
//! | [`Jitter`](policy::Jitter) | full | callers that fail together must not come back together |
//! | hints | obeyed up to 120 s, and spread over a window of the same length (250 ms to 5 s) | a resend is never earlier than the server asked, and the callers do not all return at one moment; the official OpenAI client gives up beyond 120 s too |
//! | [`max_elapsed`](RetryLayer::max_elapsed) | 60 s to the start of the last attempt | few callers still wait after a minute |
//! | [`budget`](RetryLayer::budget) | 20 % of successes, and 10 a second | resends that cost the server work are at most a fifth of its successes, resends that cost it none count a quarter or nothing, and clients with few requests can still retry |
//! | [`replay_limit`](RetryLayer::replay_limit) | 64 KiB | it holds nearly every JSON request, and ten thousand requests in flight save at most 625 MiB |
//! | [`drain_limit`](RetryLayer::drain_limit) | 16 KiB, 10 ms | it holds every error page that is worth a connection, and a caller does not notice the time |
//!
//! # What happens to a request
//!
//! The layer asks the policy once whether the request is [retryable](Policy::is_retryable). If it is not, the
//! request passes straight through, unbuffered. Otherwise the layer saves the head, and saves the body while
//! the first attempt reads it. It classifies, schedules and admits each outcome (see
//! [`Session`](http_retry::Session)). While the layer waits, the attempt is dropped, with every permit that
//! it held. A failed response is read to its end, so that its connection can be used again; it is dropped if
//! it is too long. Then the layer readies the inner service again, and the next attempt starts from the
//! caller's head, so that no change by an earlier attempt leaks into it.
//!
//! The inner service can fail while it is readied for a resend, or not be ready in time. The caller then gets
//! the outcome that the retry was for: the error, or the response with all of its body (see
//! [`ResponseBody`](body::ResponseBody)). If that response had to be dropped, the layer returns the error of
//! readiness, and a service that becomes ready too late still gets the resend.
//!
//! # Waiting for admission
//!
//! With a [`pace`](RetryLayer::pace), requests that share a limit of the server wait for each other. The wait
//! before a resend and the wait for admission are one, with one time limit, and a resend keeps its place in
//! the queue. Each request that waits has its own timer, so a future that is never polled holds no other request.
//!
//! The layer's service is always ready. The layer readies the inner service once the pace admits a request. If
//! the inner service is not ready then, the admission goes back, and others pass. Once the inner service is
//! ready, the layer asks the pace again. If the request has to wait again, the readied instance goes back too.
//! So a request that waits for the pace holds no permit of the inner service, and a request that waits for the
//! inner service holds nothing of the pace.
//!
//! | | first attempt | resend |
//! |---|---|---|
//! | its wait does not fit into [`max_elapsed`](RetryLayer::max_elapsed) | [`PaceRejection::TooLong`], as soon as that is known, and at the end of that time at the latest | the last outcome, with [`GiveUpReason::MaxElapsed`] |
//! | the queue is full | [`PaceRejection::Full`] at once | the last outcome, with [`GiveUpReason::Pace`] |
//! | the inner service is not ready within [`max_elapsed`](RetryLayer::max_elapsed) | [`PaceRejection::TooLong`] | the last outcome, with [`GiveUpReason::NotReady`] |
//! | the table of keys is full | it is sent without a pace, and [counted](pace::SharedPace::unpaced) | the same |
//! | it is a [probe](RetryInfo::probes) and is refused | it does not count against [`max_attempts`](RetryLayer::max_attempts) | the same, and it takes no token of the budget |
//! | it is dropped while it waits | the next caller moves up | the same, and its token returns to the budget |
//! | it is dropped or fails in flight, while the others wait for its outcome | the next caller sends | the next caller sends |
//!
//! A [`PaceRejection`](pace::PaceRejection) is the only error that does not come from the inner service. It
//! is in a [`PaceError`], or it is boxed where the inner error is a [`BoxError`]. If the last response was
//! too long to save, its resend is rejected like a first attempt. Where the pace knows at once that it
//! rejects a resend, the layer has not read the last response yet, and returns it whole.
//!
//! # What happens to the body
//!
//! | | never read | read, within the limit | read, over the limit | the body failed |
//! |---|---|---|---|---|
//! | connect failed, or queued and cancelled | resent | resent[^early] | not resent | not resent |
//! | REFUSED_STREAM, GOAWAY below our stream | resent at once[^goaway] | resent at once | not resent | not resent |
//! | reset, EOF or timeout before a response head | resent if idempotent | the same | not resent | not resent |
//! | a response worth retrying, after the upload | resent | resent | not resent | |
//! | a response worth retrying, while the upload runs | resent | the new attempt reads the saved frames, then the rest as it arrives | not resent | not resent |
//! | any other response, even if its body fails later | returned | returned | returned | returned |
//!
//! "Not resent" means that the caller gets the outcome unchanged: the response, or the inner service's error.
//! If the caller's body failed, its error is among the sources of that error. A body that is empty, or whose
//! size is known, is so on every attempt. Attempts share frames without a copy, and trailers are saved too.
//!
//! [^early]: hyper may have polled the first frames by then.
//!
//! [^goaway]: After a GOAWAY only if the request is idempotent, or its body was polled: hyper also reports a GOAWAY for a
//! request that it has not begun to send and that the server may process.
//!
//! # Retries of the clients below
//!
//! hyper-util sends a request again, at once and without end, if a pooled connection was closed before the
//! request was written to it. That is safe, since nothing was sent, and this layer neither sees nor counts
//! it. To have every attempt counted, build the client with `retry_canceled_requests(false)`. Such a request
//! then returns to this layer, which knows that it was never sent and resends it under the policy, whatever
//! its method. A connection that is closed *after* the request was written is another matter: no client can
//! tell whether the server saw the request. This layer resends it only if it is idempotent, and hyper-util
//! does not resend it at all. reqwest resends requests that an HTTP/2 peer did not process; build it with
//! `retry(reqwest::retry::never())`.
//!
//! A client that follows redirects sends several requests for one, and its error may be about the last one
//! only. It would then report "never sent" for a request that was answered with 303. Switch redirects off
//! below the layer (reqwest: `redirect(reqwest::redirect::Policy::none())`), and follow them above it. The
//! same holds for any service that makes further calls after the attempt.
//!
//! # Cancel safety
//!
//! Dropping a [`ResponseFuture`](future::ResponseFuture) ends the session at any point: nothing is sent
//! afterwards, the body is freed, and the token of a resend that was not sent returns to the budget.
//!
//! # Features
//!
//! The first two are on by default, and only add to the errors that the layer can read. Without them, an
//! error that the layer does not know counts as maybe processed, and only idempotent requests are resent
//! after it.
//!
//! * `hyper` reads the errors of hyper, hyper-util and h2, also where reqwest and tonic name them as sources.
//! * `tower` reads the errors of tower's timeout, load-shed and buffer layers.
//! * `fleet` adds the module `fleet`, for several processes that share one limit and one retry budget.
//! * `grpc` adds the support for gRPC: `presets::grpc`, the policies `Grpc` and `GrpcRetryPolicy`,
//!   `Budget::throttling`, and `GrpcTrailersLayer`.
//! * `service-config` reads a gRPC service config from JSON: all of it for
//!   `presets::grpc_with_service_config`, or parts of it.
//! * `testing` adds laws that each policy must obey, a plot of its schedule, and a scripted service.
//! * `reqwest` adds `ReqwestService`, which puts a reqwest client below the layer, and reads its errors.
//! * `serde` adds `settings::RetrySettings`, the settings of a layer as a program reads them from its
//!   configuration.
//! * `tower-retry` adds `TowerPolicy` for `tower::retry::Retry`, which decides as the layer does.
//!
//! [`PaceRejection::TooLong`]: pace::PaceRejection::TooLong
//! [`PaceRejection::Full`]: pace::PaceRejection::Full

#![cfg_attr(docsrs, feature(doc_cfg))]

mod attempt_header;
pub mod body;
pub mod bounds;
mod config;
mod error;
pub mod failure;
#[cfg(feature = "fleet")]
pub mod fleet;
pub mod future;
pub mod grpc;
pub mod guide;
mod head;
mod info;
mod layer;
mod lock;
pub mod markers;
pub mod observe;
mod overrides;
pub mod pace;
pub mod policy;
pub mod presets;
mod recycle;
#[cfg(feature = "reqwest")]
pub mod reqwest;
mod rng;
mod service;
#[cfg(feature = "serde")]
pub mod settings;
#[cfg(feature = "testing")]
pub mod testing;
pub mod timer;
#[cfg(feature = "tower-retry")]
pub mod tower_retry;
mod trace;

/// The functions that the fuzz targets call.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// Checks the replay body against its model in `body::model`.
    pub fn replay_body(limit: u8, body: &[u8], events: &[u8]) {
        crate::body::model::check(limit, body, events);
    }
}

pub use http_retry::rules;
pub use http_retry::{
    Attempt, Budget, ExponentialBackoff, FailureKind, GiveUpReason, Outcome, Pace, Plan, Policy, RequestHead,
    RetryAfterFirst, RetryCause, RetryContext, RetryHint, Verdict, Window, policy_fn,
};

pub use self::body::replay_body::ReplayBody;
pub use self::error::BoxError;
pub use self::info::{AttemptNumber, RetryInfo};
pub use self::layer::RetryLayer;
pub use self::overrides::RetryOverride;
pub use self::pace::error::PaceError;
pub use self::pace::layer::PaceLayer;
pub use self::service::{BoxedRetry, PacedRetry, Retry};
