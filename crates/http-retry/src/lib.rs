//! Whether, and when, an HTTP request is sent again, decided without I/O.
//!
//! This is the pure half of `tower-http-retry`: it knows what outcomes mean, what servers ask for and how
//! backoffs grow, and it reads no clock, draws no randomness of its own, and needs no runtime. Users of tower
//! want that crate, which re-exports this one. Loops written by hand, simulators and tests want this one.
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
//! # The rooms
//!
//! A request walks them in one order, and types and traces use the same words.
//!
//! | room | question | here |
//! |---|---|---|
//! | classify | is the outcome worth another attempt? | [`Policy::classify`], [`rules`] |
//! | schedule | when may that start? | [`Policy::schedule`], [`Window`], [`RetryHint`] |
//! | admit | is it allowed? | [`Session`], [`Budget`] |
//! | wait | does the server want quiet? | [`Pace`] |
//!
//! [`Session`] walks the three and says one [`Decision`]: accept, give up, or wait. Waiting and sending again
//! are the business of whoever drives it.
//!
//! # Policies
//!
//! | policy | window of the `n`th resend | for |
//! |---|---|---|
//! | [`RetryAfterFirst`] | `[hint, hint + clamp(hint, 250 ms, 5 s)]`, else the inner policy's | almost everybody |
//! | [`ExponentialBackoff`] | `[0, d]` with `d = min(cap, base * 2^(n-1))`; other [`Jitter`]s | servers that say nothing |
//! | [`DecorrelatedJitter`] | `[base, min(cap, 3 * previous)]` | many callers at once |
//! | [`FixedDelay`] | `[d, d]` | tests |
//! | [`LlmPolicy`] | as [`RetryAfterFirst`], from 500 ms to 8 s | APIs of language models |
//! | [`NoRetry`] | none | switching retries off |
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
//!   `google.rpc.RetryInfo` is a [`RetryHint`].
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
pub use self::hint::RetryHint;
pub use self::outcome::{Failure, FailureKind, Outcome};
pub use self::pace::{Admission, Pace, PaceRejection, Permit, Ticket};
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
