//! Whether, and when, an HTTP request is sent again, decided without I/O.
//!
//! This is the pure half of `tower-http-retry`: it knows what outcomes mean, what servers ask for and how
//! backoffs grow, and it reads no clock, draws no randomness of its own, and needs no runtime. Users of tower
//! want that crate, which re-exports this one. Loops written by hand, simulators and tests want this one.
//!
//! ```
//! use std::time::Duration;
//! use http::{Request, Response, StatusCode};
//! use http_retry::{Attempt, Cause, Policy, ResponseHead, RetryAfterFirst, Verdict};
//!
//! let policy = RetryAfterFirst::default();
//! let request = Request::get("http://api.example/v1/models").body(()).unwrap();
//! let response = Response::builder().status(StatusCode::TOO_MANY_REQUESTS).body(()).unwrap();
//!
//! let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
//! assert_eq!(policy.classify(&attempt), Verdict::Retry(Cause::Throttled));
//! ```
//!
//! # The rooms
//!
//! A request walks them in one order, and types and traces use the same words.
//!
//! | room | question | here |
//! |---|---|---|
//! | classify | is the outcome worth another attempt? | [`Policy::classify`], [`table`] |
//! | schedule | when may that start? | [`Policy::schedule`], [`Window`], [`Hint`] |
//! | admit | is it allowed? | [`Session`], [`Budget`] |
//! | wait | does the server want quiet? | [`Pace`] |
//!
//! [`Session`] walks the three and says one [`Step`]: accept, give up, or wait. Waiting and sending again
//! are the business of whoever drives it.
//!
//! # Policies
//!
//! | policy | window of the `n`th resend | for |
//! |---|---|---|
//! | [`RetryAfterFirst`] | `[hint, hint + clamp(hint, 250 ms, 5 s)]`, else the inner policy's | almost everybody |
//! | [`Exponential`] | `[0, d]` with `d = min(cap, base * 2^(n-1))`; other [`Jitter`]s | servers that say nothing |
//! | [`DecorrelatedJitter`] | `[base, min(cap, 3 * previous)]` | many callers at once |
//! | [`Constant`] | `[d, d]` | tests |
//! | [`LlmPolicy`] | as [`RetryAfterFirst`], from 500 ms to 8 s | APIs of language models |
//! | [`Never`] | none | switching retries off |
//! | [`policy_fn`] | yours | ten lines of your own |
//! | `Grpc` | another policy's | gRPC, by its codes |
//! | `GrpcRetryPolicy` | `[0.8 d, 1.2 d]` | gRPC, by the `retryPolicy` of a service config |
//! | `GrpcServiceConfig` | that of the method's `retryPolicy` | gRPC, by a whole service config |
//!
//! # Features
//!
//! None is on by default, and each adds to what there is.
//!
//! * `grpc` has `Grpc` and `GrpcRetryPolicy`, `Budget::throttling`, and what gRPC's answers say of time: a
//!   `google.rpc.RetryInfo` is a [`Hint`].
//! * `service-config` reads the JSON of a gRPC service config: parts of it, or all as a `GrpcServiceConfig`.
//! * `testing` helps the author of a policy: laws that each must keep, a plot of its schedule as text, and scripted servers.

mod attempt;
mod budget;
#[cfg(feature = "grpc")]
mod grpc;
mod head;
mod hint;
mod idempotency;
mod outcome;
mod pace;
mod policy;
mod session;
pub mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod verdict;
mod window;

pub use self::attempt::{Attempt, BodyState, Setback};
pub use self::budget::{Budget, Cost, Withdrawal};
#[cfg(feature = "grpc")]
pub use self::grpc::{GrpcCode, ServiceConfigError};
pub use self::head::{KeptHead, RequestHead, ResponseHead};
pub use self::hint::Hint;
pub use self::outcome::{Failure, FailureKind, Outcome};
pub use self::pace::{Pace, Pass, Refusal, Ticket, Turn};
#[cfg(feature = "service-config")]
pub use self::policy::GrpcServiceConfig;
pub use self::policy::{
    AnyMethod, ClassifyWith, Constant, DecorrelatedJitter, Exponential, Jitter, LlmPolicy, Never, NeverOn,
    Only, Policy, PolicyFn, RetryAfterFirst, RetryOn, policy_fn,
};
#[cfg(feature = "grpc")]
pub use self::policy::{Grpc, GrpcRetryPolicy, GrpcRetryValues};
pub use self::session::{Moment, Session, Step};
pub use self::verdict::{Cause, Plan, Reason, Verdict};
pub use self::window::Window;
