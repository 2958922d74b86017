//! HTTP retry decisions without I/O. The crate decides whether, and when, a request is sent again.
//!
//! It has the retry policies, the hints of servers, the retry budget, and the session that applies them to one request. It
//! reads no clock, has no randomness of its own, and needs no runtime. `tower-http-retry` builds a tower layer on it and
//! re-exports most of it, and users of tower need only that crate. This crate is for hand-written retry loops, simulators
//! and tests.
//!
//! ```
//! use std::time::Duration;
//! use http::{Request, Response, StatusCode};
//! use http_retry::{Attempt, RetryCause, Policy, ResponseHead, RetryAfterFirst, Verdict};
//!
//! let policy = RetryAfterFirst::default();
//! let request = Request::get("http://api.example/v1/models").body(()).unwrap();
//! let response = Response::builder().status(StatusCode::TOO_MANY_REQUESTS).body(()).unwrap();
//!
//! let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
//! assert_eq!(policy.classify(&attempt), Verdict::Retry(RetryCause::Throttled));
//! ```
//!
//! # The steps of a decision
//!
//! Each outcome goes through the same steps, and types, modules and traces use these words.
//!
//! | step | question | types |
//! |---|---|---|
//! | classify | Is the outcome worth another attempt? | [`Policy::classify`], [`rules`] |
//! | schedule | When may the next attempt start? | [`Policy::schedule`], [`Window`], [`RetryHint`] |
//! | admit | Is the next attempt allowed? | [`Session`], [`Budget`] |
//! | wait | Does a shared limit hold it back? | [`Pace`] |
//!
//! [`Session`] takes the first three steps and returns one [`Decision`]: accept, give up, or wait. The code that runs the
//! session waits and sends the request again.
//!
//! # Policies
//!
//! | policy | window of the `n`th resend | use |
//! |---|---|---|
//! | [`RetryAfterFirst`] | `[hint, hint + clamp(hint, 250 ms, 5 s)]`, or that of the inner policy without a hint | the default |
//! | [`ExponentialBackoff`] | `[0, d]` with `d = min(cap, base * 2^(n-1))`, or another [`Jitter`] | servers without hints |
//! | [`DecorrelatedJitter`] | `[base, min(cap, 3 * previous)]` | many callers at once |
//! | [`FixedDelay`] | `[d, d]` | tests |
//! | [`LlmPolicy`] | as [`RetryAfterFirst`], with a backoff from 500 ms to 8 s | APIs of language models |
//! | [`NoRetry`] | none | retries switched off |
//! | [`policy_fn`] | that of a closure | your own schedule |
//! | `Grpc` | that of another policy | gRPC, by status codes |
//! | `GrpcRetryPolicy` | `[0.8 d, 1.2 d]` | gRPC, by the `retryPolicy` of a service config |
//! | `GrpcServiceConfig` | that of the method's `retryPolicy` | gRPC, by a whole service config |
//!
//! # Features
//!
//! No feature is on by default. A feature adds API and changes no behaviour.
//!
//! * `fleet` adds `Pace::fleet` and `Budget::fleet`, by which several processes share one limit and one retry budget through a
//!   store, and the arithmetic of that store.
//! * `grpc` adds `Grpc`, `GrpcRetryPolicy` and `Budget::throttling`, and reads a `google.rpc.RetryInfo` as a [`RetryHint`].
//! * `service-config` parses the JSON of a gRPC service config, or parts of it.
//! * `testing` helps the author of a policy with laws that every policy must obey, a plot of its schedule as text, and
//!   scripted servers.

mod attempt;
mod budget;
#[cfg(feature = "fleet")]
pub mod fleet;
#[cfg(feature = "grpc")]
mod grpc;
mod head;
mod hint;
mod idempotency;
mod outcome;
mod pace;
mod policy;
pub mod rules;
mod session;
#[cfg(feature = "testing")]
pub mod testing;
mod verdict;
mod window;

pub use self::attempt::{Attempt, BodyState, RetryContext};
pub use self::budget::{Budget, RetryCost, Withdrawal};
#[cfg(feature = "grpc")]
pub use self::grpc::{GrpcCode, ServiceConfigError};
pub use self::head::{HeadSnapshot, RequestHead, ResponseHead};
pub use self::hint::{BodyHint, RetryHint};
pub use self::outcome::{Failure, FailureKind, Outcome};
pub use self::pace::{Admission, Pace, PaceRejection, PaceReport, Permit, Settlement, Ticket, Why};
#[cfg(feature = "service-config")]
pub use self::policy::GrpcServiceConfig;
pub use self::policy::{
    AnyMethod, ClassifyWith, DecorrelatedJitter, ExponentialBackoff, FixedDelay, Jitter, LlmPolicy, NeverOn,
    NoRetry, Only, Policy, PolicyFn, RetryAfterFirst, RetryOn, policy_fn,
};
#[cfg(feature = "grpc")]
pub use self::policy::{Grpc, GrpcRetryConfig, GrpcRetryPolicy};
pub use self::session::{ClockReading, Decision, Session};
pub use self::verdict::{GiveUpReason, Plan, RetryCause, Verdict};
pub use self::window::Window;
/// Version 0.10 of `rand_core`, whose [`Rng`](rand_core::Rng) is the trait of the generators that [`Session::decide`] and
/// [`Window::draw`] take. The generators of `rand` 0.10 implement it; those of `rand` 0.9 implement that of another version.
///
/// ```
/// use std::time::Duration;
/// use http_retry::{Window, rand_core::Rng};
/// use rand::{SeedableRng, rngs::SmallRng};
///
/// fn draw(rng: &mut impl Rng) -> Duration {
///     Window::up_to(Duration::from_secs(1)).draw(rng)
/// }
/// assert!(draw(&mut SmallRng::seed_from_u64(1)) <= Duration::from_secs(1));
/// ```
pub use rand::rand_core;
