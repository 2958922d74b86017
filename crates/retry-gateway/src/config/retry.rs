//! When a route's requests are sent again.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{HeaderName, Method, StatusCode};
use tower_http_retry::policy::Jitter;

/// When a route's requests are sent again.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// After what.
    pub retry_on: RetryOn,
    /// Which requests.
    pub methods: RetryMethods,
    /// Whether a request with an `Idempotency-Key` counts as idempotent.
    pub trust_idempotency_key: bool,
    /// How often at most: resends, so that there is one attempt more.
    pub num_retries: u32,
    /// How long one attempt may take until its response's headers; `None` for as long as the route's timeout. It is
    /// never longer than that.
    pub per_try_timeout: Option<Duration>,
    /// How long to wait where the server names no time.
    pub back_off: BackOff,
    /// How long to wait where it does.
    pub rate_limited_back_off: AfterHint,
    /// Where to.
    pub host_selection: HostSelection,
    /// How many bytes of a request's body are kept; at most what all together may keep.
    pub request_body_buffer_limit: usize,
    /// How much of a failed response is read, so that its connection can be used again.
    pub error_body_drain: ErrorBodyDrain,
    /// What becomes of requests that are themselves resends.
    pub nested: Nested,
    /// The header of resends that holds the attempt's number; `None` for no header.
    pub attempt_header: Option<HeaderName>,
    /// Whether responses say what happened: `x-retry-reason`, `x-retry-attempts`.
    pub explain_header: bool,
    /// Whether the body of a 429 is read, for a quota that is gone and so is not worth another attempt.
    pub peek_quota: bool,
    /// How long a stream of events is held for its first event, so that a failure which comes first is sent again;
    /// `None` for not at all.
    pub hold_event_stream: Option<Duration>,
    /// Whether a POST or a PATCH without an `Idempotency-Key` is given one.
    pub mint_idempotency_key: bool,
}

/// What a request is sent again after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryOn {
    /// No connection: nothing was sent.
    pub connect_failure: bool,
    /// The server refused it before processing.
    pub refused_stream: bool,
    /// The connection broke, or the stream was reset, before a response.
    pub reset: bool,
    /// An attempt took longer than `per_try_timeout`.
    pub per_try_timeout: bool,
    /// Responses with one of these: those that words stand for, and `retriable_status_codes`. All are from 400 to
    /// 599.
    pub statuses: BTreeSet<StatusCode>,
}

/// Which requests may be sent again after they may have been processed. One that never was may be always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryMethods {
    /// Idempotent ones (RFC 9110 section 9.2.2), and those with a key where it is trusted.
    Idempotent,
    /// After 429, 503 and 529, by which the server turns a request away, those with any method; after the rest as
    /// [`Idempotent`](Self::Idempotent). The `llm` profile's, and no word in the file: "all" is more.
    IdempotentOrThrottled,
    /// All.
    All,
    /// Those with one of these, and those with a key where it is trusted. Never CONNECT, and at least one.
    Listed(Vec<Method>),
}

/// How long to wait where the server names no time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackOff {
    /// How the waits grow.
    pub policy: BackOffPolicy,
    /// The first wait; at most `max_interval`.
    pub base_interval: Duration,
    /// The longest.
    pub max_interval: Duration,
}

/// How waits grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BackOffPolicy {
    /// Doubled each time, with this jitter.
    ExponentialBackoff(Jitter),
    /// Drawn from `[base, 3 * previous]`.
    Decorrelated,
}

/// How long to wait where the server names the time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AfterHint {
    /// The longest hint that is waited for.
    pub max_interval: Duration,
    /// What becomes of a longer one.
    pub on_exceed: OnExceed,
    /// How far callers are spread above a hint, as a share of it; finite and not negative. What was not set is 0
    /// where the upstream has a pace, which keeps them apart.
    pub spread: f64,
}

/// What becomes of a request whose hint is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExceed {
    /// The client gets the response, hint included.
    Return,
}

/// Which endpoint a resend goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostSelection {
    /// One that the request was not sent to yet, if there is one.
    AvoidPrevious,
    /// Any.
    Any,
}

/// How much of a failed response is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorBodyDrain {
    /// Bytes.
    pub bytes: usize,
    /// For how long.
    pub time: Duration,
}

/// What becomes of requests that are themselves resends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nested {
    /// They are sent again only if they were never processed, so that layers of retries do not multiply.
    Damp,
    /// They are requests like any other.
    Ignore,
}
