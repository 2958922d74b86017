//! The retry settings of a route.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{HeaderName, Method, StatusCode};
use tower_http_retry::grpc::GrpcCode;
use tower_http_retry::policy::Jitter;

/// The retry settings of a route: which outcomes are retried, when and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryConfig {
    /// The outcomes that are worth a retry.
    pub retry_on: RetryOn,
    /// The requests that may be sent again.
    pub methods: RetryMethods,
    /// A request with an `Idempotency-Key` counts as idempotent.
    pub trust_idempotency_key: bool,
    /// The largest number of resends; there is one attempt more than that.
    pub num_retries: u32,
    /// The longest time from the start of an attempt to the head of its response. It is at most the route's
    /// timeout, which alone holds for `None`.
    pub per_try_timeout: Option<Duration>,
    /// The delays before resends after a response without a hint.
    pub back_off: BackOff,
    /// The delays before resends after a response with a hint.
    pub rate_limited_back_off: RateLimitedBackOff,
    /// The endpoint that a resend goes to.
    pub host_selection: HostSelection,
    /// The number of bytes of a request's body that may be buffered for resends; at most `buffers.total`.
    pub request_body_buffer_limit: usize,
    /// The bounds for reading the rest of a failed response, so that its connection can be used again.
    pub error_body_drain: ErrorBodyDrain,
    /// The treatment of requests that are resends already.
    pub nested: Nested,
    /// The header of resends that carries the attempt's number; `None` for no header.
    pub attempt_header: Option<HeaderName>,
    /// Responses get the headers `x-retry-reason` and `x-retry-attempts`.
    pub explain_header: bool,
    /// The gateway reads the body of a 429, because a quota that is used up is not worth another attempt.
    pub peek_quota: bool,
    /// The longest time that an event stream is held back until its first event, so that a request whose
    /// stream begins with a failure is sent again; `None` for never.
    pub hold_event_stream: Option<Duration>,
    /// A POST or PATCH without an `Idempotency-Key` gets one.
    pub mint_idempotency_key: bool,
}

/// The outcomes that are worth a retry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryOn {
    /// The connection could not be opened, so nothing was sent.
    pub connect_failure: bool,
    /// The upstream refused the request before it processed it.
    pub refused_stream: bool,
    /// The connection broke, or the stream was reset, before a response.
    pub reset: bool,
    /// An attempt took longer than `per_try_timeout`.
    pub per_try_timeout: bool,
    /// The upstream refuses the request because of a limit: 429, a 403 or 509 whose headers say so, and a 400, 413, 423, 449 or
    /// 529 that names a time.
    pub rate_limited: bool,
    /// The statuses of `retriable_status_codes` and of the keywords. All are from 400 to 599.
    pub statuses: BTreeSet<StatusCode>,
    /// The headers of `retriable_headers`. An error with one of them counts as the refusal of a limit.
    pub headers: Vec<RetriableHeader>,
    /// The codes of gRPC calls. If there is one, the gateway reads the codes of calls, and `rate_limited` also means a
    /// RESOURCE_EXHAUSTED that names a time.
    pub grpc_codes: BTreeSet<GrpcCode>,
}

/// A header by which an upstream says that a request is worth another attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetriableHeader {
    /// The name of the header.
    pub name: HeaderName,
    /// The value, after which only details follow, behind `:`, `;` or `,`.
    pub value: String,
}

/// The requests that may be sent again after the upstream may have processed them. A request that it did not
/// process may always be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryMethods {
    /// Idempotent requests (RFC 9110 section 9.2.2), and those with an `Idempotency-Key` where it is trusted.
    Idempotent,
    /// Requests with any method after 503, 529 and the refusals of limits, with which a server rejects a request. After all
    /// other outcomes it is [`Idempotent`](Self::Idempotent). It is the default of the profile `llm`, and has
    /// no keyword: "all" is more.
    IdempotentOrThrottled,
    /// All requests.
    All,
    /// Requests with one of these methods, and those with an `Idempotency-Key` where it is trusted. The list
    /// is not empty, and CONNECT is not in it.
    Listed(Vec<Method>),
}

/// The delays before resends after a response without a hint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackOff {
    /// The growth and the jitter of the delays.
    pub policy: BackOffPolicy,
    /// The first delay; at most `max_interval`.
    pub base_interval: Duration,
    /// The longest delay.
    pub max_interval: Duration,
}

/// The growth and the jitter of delays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BackOffPolicy {
    /// The delay doubles each time, with this jitter.
    ExponentialBackoff(Jitter),
    /// The delay is drawn from `[base, 3 * previous]`.
    Decorrelated,
}

/// The delays before resends after the refusal of a limit, and after a response with a hint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimitedBackOff {
    /// The first delay after a refusal of a limit that names no time; at most `max_interval`. It doubles with each such refusal.
    pub base_interval: Duration,
    /// The longest hint that a request waits for.
    pub max_interval: Duration,
    /// The treatment of a request whose hint is longer.
    pub on_exceed: OnExceed,
    /// The width of the window that begins at a hint, as a share of the hint; finite and not negative. Its
    /// default is 0 where the upstream has a pace, because a pace spreads the requests.
    pub spread: f64,
}

/// The treatment of a request whose hint is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExceed {
    /// The client gets the response with its hint.
    Return,
}

/// The choice of the endpoint that a resend goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostSelection {
    /// An endpoint that has not had an attempt of this request yet, if there is one.
    AvoidPrevious,
    /// Any endpoint.
    Any,
}

/// The bounds for reading the rest of a failed response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorBodyDrain {
    /// The largest number of bytes.
    pub bytes: usize,
    /// The longest time.
    pub time: Duration,
}

/// The treatment of requests that are resends already, because a client or another proxy retries too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nested {
    /// The gateway sends them again only if the upstream did not process them, so that retries on several
    /// layers do not multiply. The layer in front does the other retries.
    Limit,
    /// The gateway treats them like any other request.
    Ignore,
}
