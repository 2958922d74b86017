//! Profiles: the defaults of a route, and the reasons for them.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::ValueEnum;
use http::{HeaderName, StatusCode, Uri};
use tower_http_retry::grpc::GrpcCode;
use tower_http_retry::policy::Jitter;

use super::retry::{
    BackOff, BackOffPolicy, ErrorBodyDrain, HostSelection, Nested, OnExceed, RateLimitedBackOff, RetryConfig,
    RetryMethods, RetryOn,
};
use super::upstream::{PaceConfig, PaceKey, Protocol, UpstreamConfig};

/// The set of defaults that a route starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Defaults for any server.
    #[default]
    Default,
    /// Defaults for APIs of language models. Their responses take minutes, their limits count by key, and all
    /// of their requests are POST.
    Llm,
    /// Defaults for gRPC. Its calls have timeouts and failures of their own, are all POST, and may be streams that last
    /// for days.
    Grpc,
}

impl Profile {
    /// Returns the longest time from the request to the head of the response, with all delays.
    pub(crate) fn timeout(self) -> Duration {
        match self {
            // Envoy's default, and about as long as people wait.
            Self::Default => Duration::from_secs(15),
            // The default timeout of the SDKs of OpenAI and Anthropic.
            Self::Llm => Duration::from_secs(600),
            // A call has its own `grpc-timeout`, and the head of a stream may come with its first message.
            Self::Grpc => Duration::from_secs(3_600),
        }
    }

    /// Returns the pace of an upstream that routes of this profile go to.
    pub(crate) fn pace(self) -> Option<PaceConfig> {
        match self {
            // The gateway cannot know which requests share a limit, and a wrong guess would hold back the
            // others.
            Self::Default | Self::Grpc => None,
            Self::Llm => {
                let longest = MAX_LLM_HINT;
                // Anthropic, Azure and Google have headers of their own for the key, and each limit is one of a
                // key's account. Most APIs also count by model.
                Some(PaceConfig { key: PaceKey::CredentialAndModel, longest, ..PaceConfig::default() })
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
                // The backoff of the SDKs of OpenAI and Anthropic, as in the library's policy for these APIs.
                llm.back_off.base_interval = Duration::from_millis(500);
                llm.back_off.max_interval = Duration::from_secs(8);
                llm.rate_limited_back_off.max_interval = MAX_LLM_HINT;
                llm.peek_quota = true;
                // Long prompts cost the most, and their bodies have a few hundred KiB. Some SDKs name the model behind them.
                llm.request_body_buffer_limit = 1024 * 1024;
                // An API reports an overload at once. After this time the stream of a slow model goes to the
                // client.
                llm.hold_event_stream = Some(Duration::from_secs(10));
                llm
            }
            Self::Grpc => {
                let mut grpc = common;
                // The code that gRPC retries by default, and RESOURCE_EXHAUSTED with a time by `rate-limited`.
                grpc.retry_on.grpc_codes.insert(GrpcCode::Unavailable);
                // Every call is a POST. A server that sends one of these statuses has rejected the call.
                grpc.methods = RetryMethods::IdempotentOrThrottled;
                // The call has its own timeout.
                grpc.per_try_timeout = None;
                grpc.attempt_header = Some(HeaderName::from_static("grpc-previous-rpc-attempts"));
                grpc
            }
        }
    }

    /// Returns an upstream that routes of this profile go to, with its defaults.
    pub(crate) fn upstream(self, endpoints: Vec<Uri>) -> UpstreamConfig {
        let mut upstream = UpstreamConfig::with_endpoints(endpoints);
        upstream.pace = self.pace();
        if self == Self::Grpc {
            upstream.protocol = Protocol::Http2;
            // A stream of events may be quiet for days. Pings find out if its server is gone.
            upstream.response_idle_timeout = None;
        }
        upstream
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
                // A limit that is met is still there after 25 ms.
                base_interval: Duration::from_millis(500),
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
    /// Returns `connect-failure`, `refused-stream`, `reset`, `per-try-timeout`, `gateway-error`, `rate-limited` and `529`:
    /// the outcomes after which another attempt is likely to succeed. After a 500 the same request mostly
    /// fails in the same way.
    fn default_triggers() -> Self {
        Self {
            connect_failure: true,
            refused_stream: true,
            reset: true,
            per_try_timeout: true,
            rate_limited: true,
            // Some servers say 529 in the place of 503.
            statuses: [502, 503, 504, 529]
                .into_iter()
                .filter_map(|status| StatusCode::from_u16(status).ok())
                .collect(),
            headers: Vec::new(),
            grpc_codes: BTreeSet::new(),
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
