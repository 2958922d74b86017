//! The policies and combinators beside the default, and the types that a policy of your own reads.
//!
//! [`Policy`](crate::Policy) itself, [`policy_fn`](crate::policy_fn),
//! [`RetryAfterFirst`](crate::RetryAfterFirst) and [`ExponentialBackoff`](crate::ExponentialBackoff) are at
//! the root of the crate.

pub use http_retry::{
    AnyMethod, BodyState, ClassifyWith, DecorrelatedJitter, Failure, FixedDelay, Jitter, LlmPolicy, NeverOn,
    NoRetry, Only, PolicyFn, ResponseHead, RetryOn,
};

pub use crate::attempt_header::AttemptHeader;
