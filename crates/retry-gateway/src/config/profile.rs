//! Profiles: the defaults of a route, and the reasons for them.

use std::time::Duration;

use clap::ValueEnum;
use http::header::AUTHORIZATION;
use http::{HeaderName, StatusCode};
use tower_http_retry::policy::Jitter;

use super::retry::{
    BackOff, BackOffPolicy, ErrorBodyDrain, HostSelection, Nested, OnExceed, RateLimitedBackOff, RetryConfig,
    RetryMethods, RetryOn,
};
use super::upstream::{PaceConfig, PaceKey};

/// The set of defaults that a route starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Defaults for any server.
    #[default]
    Default,
    /// Defaults for APIs of language models. Their responses take minutes, their limits count by key, and all
    /// of their requests are POST.
    Llm,
}

impl Profile {
    /// Returns the longest time from the request to the head of the response, with all delays.
    pub(crate) fn timeout(self) -> Duration {
        match self {
            // Envoy's default, and about as long as people wait.
            Self::Default => Duration::from_secs(15),
            // The default timeout of the SDKs of OpenAI and Anthropic.
            Self::Llm => Duration::from_secs(600),
        }
    }

    /// Returns the pace of an upstream that routes of this profile go to.
    pub(crate) fn pace(self) -> Option<PaceConfig> {
        match self {
            // The gateway cannot know which requests share a limit, and a wrong guess would hold back the
            // others.
            Self::Default => None,
            Self::Llm => {
                let longest = MAX_LLM_HINT;
                Some(PaceConfig { key: PaceKey::Header(AUTHORIZATION), longest, ..PaceConfig::default() })
            }
        }
    }

    /// Returns the retry settings. A pace spreads the requests, so a hint's window needs no width then.
    pub(crate) fn retry(self, paced: bool) -> RetryConfig {
        let common = Self::common(if paced { 0.0 } else { 1.0 });
        match self {
            Self::Default => common,
            Self::Llm => {
                let mut llm = common;
                // The statuses that the SDKs of these APIs retry. 529 among them is Anthropic's "overloaded".
                // For a request that is not idempotent, `methods` leaves only those that reject the request.
                let retryable = (500..600).filter(|status| ![501, 505].contains(status)).chain([408, 409]);
                llm.retry_on
                    .statuses
                    .extend(retryable.filter_map(|status| StatusCode::from_u16(status).ok()));
                llm.methods = RetryMethods::IdempotentOrThrottled;
                llm.num_retries = 3;
                // A model may take minutes to respond, and does not hang then.
                llm.per_try_timeout = None;
                llm.rate_limited_back_off.max_interval = MAX_LLM_HINT;
                llm.peek_quota = true;
                // An API reports an overload at once. After this time the stream of a slow model goes to the
                // client.
                llm.hold_event_stream = Some(Duration::from_secs(10));
                llm
            }
        }
    }

    fn common(spread: f64) -> RetryConfig {
        RetryConfig {
            retry_on: RetryOn::default_triggers(),
            methods: RetryMethods::Idempotent,
            trust_idempotency_key: true,
            num_retries: 2,
            // A third of the route's timeout, so that all attempts fit into it.
            per_try_timeout: Some(Duration::from_secs(5)),
            back_off: BackOff::default(),
            // After a longer delay, the route's timeout would pass first.
            rate_limited_back_off: RateLimitedBackOff {
                max_interval: Duration::from_secs(10),
                on_exceed: OnExceed::Return,
                spread,
            },
            host_selection: HostSelection::AvoidPrevious,
            // Larger than most bodies, and small beside `buffers.total`.
            request_body_buffer_limit: 64 * 1024,
            // Enough for most error pages. A new connection costs more than reading such a page, and less
            // than waiting for a long one.
            error_body_drain: ErrorBodyDrain { bytes: 16 * 1024, time: Duration::from_millis(10) },
            nested: Nested::Limit,
            attempt_header: Some(HeaderName::from_static("x-retry-attempt")),
            // Clients see nothing of what happens behind the gateway unless the operator wants it.
            explain_header: false,
            // The gateway reads no body unless the profile says what it contains.
            peek_quota: false,
            hold_event_stream: None,
            // A server that does not support such keys would process a resend again all the same.
            mint_idempotency_key: false,
        }
    }
}

impl RetryOn {
    /// Returns `connect-failure`, `refused-stream`, `reset`, `per-try-timeout`, `gateway-error` and `429`:
    /// the outcomes after which another attempt is likely to succeed. After a 500 the same request mostly
    /// fails in the same way.
    fn default_triggers() -> Self {
        Self {
            connect_failure: true,
            refused_stream: true,
            reset: true,
            per_try_timeout: true,
            statuses: [
                StatusCode::TOO_MANY_REQUESTS,
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ]
            .into(),
        }
    }
}

impl Default for BackOff {
    /// Returns Envoy's defaults, whose base suits the inside of a data centre.
    fn default() -> Self {
        Self {
            policy: BackOffPolicy::ExponentialBackoff(Jitter::Full),
            base_interval: Duration::from_millis(25),
            max_interval: Duration::from_millis(250),
        }
    }
}

/// The longest hint that requests to language models wait for. Limits that count by the minute are over by
/// then, and most overloads too.
const MAX_LLM_HINT: Duration = Duration::from_secs(120);
