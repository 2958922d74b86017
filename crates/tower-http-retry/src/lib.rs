//! HTTP retries that help and never hurt, as a tower layer.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::{Empty, Full};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//! use tower_http_retry::{AttemptNumber, ReplayBody, RetryInfo, RetryLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! // A server that is busy the first time; any `Service<Request<ReplayBody<B>>>` will do.
//! let server = service_fn(|request: Request<ReplayBody<Full<Bytes>>>| async move {
//!     let busy = AttemptNumber::of(&request) == 1;
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
//! * [`RetryLayer`] wraps a service in [`Retry`]; the inner service gets a [`ReplayBody`].
//! * A [`Policy`] decides: [`RetryAfterFirst`], [`Exponential`], [`DecorrelatedJitter`], [`Constant`],
//!   [`LlmPolicy`], [`Never`], [`policy_fn`], or your own. The standard decisions are the [`table`].
//! * A [`Pace`] keeps callers who share a limit from being refused at all: [`RetryLayer::pace`], or [`PaceLayer`]
//!   for those who do not retry.
//! * [`presets`] are layers that are set up for a kind of server.
//! * A [`Budget`] bounds what retries add to the load of a server that is failing.
//! * [`RetryOverride`] speaks for one request; [`AttemptNumber`] and [`RetryInfo`] tell what happened.
//! * The [`guide`] helps to choose, write and test a policy, to build a gateway, and to come from another crate. It has the
//!   reason of every default, and answers why things are as they are.
//! * With the feature `grpc`, `presets::grpc` and its parts read how gRPC calls end; with `testing`, there are laws, plots
//!   and scripted services for policies of your own.
//!
//! # When not to retry
//!
//! * Where a layer above or below retries already: three tries at five layers are 243 requests. One layer
//!   retries, the one nearest to the server that knows the whole request.
//! * Where doing the request twice does harm and the server knows no `Idempotency-Key`. The standard table
//!   sends such a request again only if it was never processed.
//! * Where nobody waits for the answer any more. Put a timeout outside of the layer, or set a
//!   [`deadline`](RetryLayer::deadline).
//!
//! # Defaults
//!
//! The main ones; [`guide::defaults`] has all, with their sources.
//!
//! | setting | default | because |
//! |---|---|---|
//! | policy | [`RetryAfterFirst`] over [`Exponential`] | the server knows best when it has room |
//! | [`attempts`](RetryLayer::attempts) | 3 | most faults that heal do so at the second send, and a budget is no use if each session takes ten |
//! | backoff | 100 ms, doubling, up to 10 s | the first outlasts a failover inside of a data centre, the last is as long as people wait |
//! | [`Jitter`] | full | callers that fail together must not come back together |
//! | hints | obeyed up to 120 s, spread over as much again (250 ms to 5 s) | never earlier than asked, and not all at the same moment; the official OpenAI client gives up beyond 120 s too |
//! | [`deadline`](RetryLayer::deadline) | 60 s to the start of the last attempt | a caller that is still there after a minute is rare |
//! | [`budget`](RetryLayer::budget) | 20 % of successes, and 10 a second | resends that cost the server work are at most a fifth of its successes, those that cost it none count a quarter, and quiet clients can still retry |
//! | [`replay_limit`](RetryLayer::replay_limit) | 64 KiB | holds nearly every JSON request, and ten thousand requests in flight keep 625 MiB at worst |
//! | [`drain_limit`](RetryLayer::drain_limit) | 16 KiB, 10 ms | holds every error page worth a connection, and no wait is felt |
//!
//! # What happens to a request
//!
//! The policy is asked once whether the request may [ever](Policy::keep) be sent again. If not, it passes
//! straight through, unbuffered. Otherwise its head is kept, its body is remembered while the first attempt
//! reads it, and each outcome is classified, scheduled and admitted (see [`Session`]). While the layer waits,
//! the attempt is gone, with every permit that it held, and a failed response is read to its end, so that its
//! connection can be used again, or dropped if it is too long for that. Then the inner service is readied
//! again, and the next attempt starts from the caller's head, so that nothing an attempt changed leaks into
//! the next.
//!
//! If the inner service fails while it is readied for a resend, or is not ready by the deadline, the caller
//! gets the outcome that the retry was for: the error, or the head of the response, whose body has ended. Only where the response had to be dropped there is nothing to return: then an error of readiness
//! is returned as it is, and a service that is ready only after the deadline gets the resend late.
//!
//! # Waiting for one's turn
//!
//! With a [`pace`](RetryLayer::pace), nobody sends while the server wants quiet, and then the callers go one after
//! the other. The wait before a resend and the wait for its turn are one, with one deadline, and a resend keeps its
//! place in line. The layer's service is always ready; the inner one is readied when a request's turn has come.
//!
//! | | first attempt | resend |
//! |---|---|---|
//! | its wait does not fit before the deadline | [`Refusal::Deadline`], as soon as that is known | the last outcome, with [`Reason::Deadline`] |
//! | as many wait as may | [`Refusal::Waiters`] at once | the last outcome, with [`Reason::Pace`] |
//! | as many keys are in use as can be | [`Refusal::Keys`] at once | the last outcome, with [`Reason::Pace`] |
//! | it is dropped while it waits | the next moves up | the same, and its token returns to the budget |
//! | it is dropped under way, or fails, while the others wait for what comes of it | the next goes | the next goes |
//!
//! A [`Refusal`] is the one error that is not the inner service's: [`PaceError::Refused`], or a [`BoxError`] of it
//! where the inner error is boxed. A resend whose last response was too long to keep is refused like a first attempt.
//!
//! # What happens to the body
//!
//! | | never read | read, within the limit | read, over the limit | failed itself |
//! |---|---|---|---|---|
//! | connect failed, or queued and cancelled | resent | resent[^early] | not resent | not resent |
//! | REFUSED_STREAM, GOAWAY below our stream | resent at once[^goaway] | resent at once | not resent | not resent |
//! | reset, EOF or timeout before a response head | resent if it may be repeated | the same | not resent | not resent |
//! | a response worth retrying, after the upload | resent | resent | not resent | |
//! | a response worth retrying, while the upload runs | resent | the new attempt reads what was kept, then the rest as it comes | not resent | not resent |
//! | any other response, also one that breaks off later | returned | returned | returned | returned |
//!
//! "Not resent" means that the caller gets the outcome as it is: the response, or the inner service's error,
//! which has the error of the caller's body among its sources if that is what failed. A body that is empty, or
//! whose size is known, is so on every attempt. Frames are shared and never copied; trailers are kept.
//!
//! [^early]: hyper may have asked for the first frames by then.
//!
//! [^goaway]: After a GOAWAY only if it may be repeated, or its body was asked for: of a request with which hyper has not
//! begun it says GOAWAY also where the server counts that request in.
//!
//! # Retries of the clients below
//!
//! hyper-util sends a request again, at once and without end, if a pooled connection was closed before the
//! request was written to it. That is safe, since nothing was sent, and this layer neither sees nor counts it.
//! To have every send counted, build the client with `retry_canceled_requests(false)`: then such a request
//! comes back here, is known as never sent, and is resent under this layer's policy, whatever its method. A
//! connection that is closed *after* the request was written is another matter: no client can tell whether the
//! server saw it, so this layer resends the request only if it may be repeated, and hyper-util does not at all.
//! reqwest resends requests that an HTTP/2 peer refused; build it with `retry(reqwest::retry::never())`.
//!
//! A client that follows redirects makes several requests of one, and its error may tell of the last of them
//! only: "never sent" would then be said of a request that was answered with 303. Switch that off below the
//! layer (reqwest: `redirect(reqwest::redirect::Policy::none())`), and follow redirects above it. The same holds
//! for whatever makes calls of its own after the attempt.
//!
//! # Cancel safety
//!
//! Dropping a [`ResponseFuture`] ends the session wherever it is: nothing is sent afterwards, the body is
//! freed, and the token of a resend that did not go out returns to the budget.
//!
//! # Features
//!
//! The first two are on by default, and only add to what the layer can read: without them, an error that it does not
//! know counts as maybe processed, and is resent only for requests that may be repeated.
//!
//! * `hyper` reads the errors of hyper, hyper-util and h2, also those that reqwest and tonic name as sources.
//! * `tower` reads the errors of tower's timeout, load-shed and buffer layers.
//! * `grpc` has what gRPC needs: `presets::grpc`, the policies `Grpc` and `GrpcRetryPolicy`, `Budget::throttling`, and
//!   `GrpcTrailersLayer`.
//! * `service-config` reads a gRPC service config from JSON: all of it for `presets::grpc_by_method`, or parts.
//! * `testing` helps the author of a policy: laws that each must keep, a plot of its schedule as text, a scripted service.
//! * `reqwest` adds `ReqwestService`, which puts a client of reqwest below the layer, and reads its errors.
//! * `tower-retry` adds `TowerPolicy`, which decides as the layer does, for `tower::retry::Retry`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod attempt_header;
mod body;
mod bounds;
mod error;
mod failure;
mod future;
mod grpc;
pub mod guide;
mod head;
mod info;
mod layer;
mod overrides;
mod pace;
pub mod presets;
mod randomness;
#[cfg(feature = "reqwest")]
mod reqwest;
mod service;
mod spare;
#[cfg(feature = "testing")]
pub mod testing;
mod timer;
#[cfg(feature = "tower-retry")]
mod tower_retry;
mod trace;

/// What the fuzz targets drive.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// Checks the replay body against its model; see there.
    pub fn replay_body(limit: u8, body: &[u8], events: &[u8]) {
        crate::body::model::check(limit, body, events);
    }
}

pub use http_retry::*;

pub use self::attempt_header::AttemptHeader;
pub use self::body::{KeptBody, ReplayBody, ReplayMemory};
pub use self::bounds::{BytesBody, CloneService};
pub use self::error::{BoxError, Boxed, Concrete, ReadError};
pub use self::failure::{cautious_failure_kind, failure_kind};
pub use self::future::ResponseFuture;
#[cfg(feature = "grpc")]
pub use self::grpc::{GrpcTrailers, GrpcTrailersFuture, GrpcTrailersLayer, PeekedBody, UnaryCall};
pub use self::info::{AttemptNumber, RetryInfo};
pub use self::layer::RetryLayer;
pub use self::overrides::RetryOverride;
pub use self::pace::{NoPace, PaceError, PaceFuture, PaceLayer, Paced, Pacing, SharedPace, WithPace};
#[cfg(feature = "reqwest")]
pub use self::reqwest::{ReqwestFuture, ReqwestService};
pub use self::service::Retry;
pub use self::timer::{Sleep, Timer, TokioTimer};
#[cfg(feature = "tower-retry")]
pub use self::tower_retry::TowerPolicy;
