//! The defaults, and why they are what they are.

use std::time::Duration;

use clap::ValueEnum;
use http::header::AUTHORIZATION;
use http::{HeaderName, StatusCode};
use tower_http_retry::policy::Jitter;

use super::retry::{
    AfterHint, BackOff, BackOffPolicy, ErrorBodyDrain, HostSelection, Nested, OnExceed, Retry, RetryMethods,
    RetryOn,
};
use super::upstream::{Pace, PaceKey};

/// Where a route's defaults are from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// For servers of which nothing is known.
    #[default]
    Default,
    /// For APIs of language models, whose answers take minutes, whose limits count by key, and whose requests are
    /// all POST.
    Llm,
}

impl Profile {
    /// Until the response's headers, waits included.
    pub(crate) fn timeout(self) -> Duration {
        match self {
            // Envoy's, and about as long as people wait.
            Self::Default => Duration::from_secs(15),
            // What the SDKs of OpenAI and Anthropic wait.
            Self::Llm => Duration::from_secs(600),
        }
    }

    /// How requests wait at an upstream that routes of this profile lead to.
    pub(crate) fn pace(self) -> Option<Pace> {
        match self {
            // Who shares a limit is not known, and a wrong guess would hold those who do not.
            Self::Default => None,
            Self::Llm => {
                let longest = HINTS_OF_MODELS;
                Some(Pace { key: PaceKey::Header(AUTHORIZATION), longest, ..Pace::default() })
            }
        }
    }

    /// When its requests are sent again. Where they are paced, nothing needs to be spread.
    pub(crate) fn retry(self, paced: bool) -> Retry {
        let common = Self::common(if paced { 0.0 } else { 1.0 });
        match self {
            Self::Default => common,
            Self::Llm => {
                let mut llm = common;
                // What their SDKs send again, 529 among them, which is Anthropic's "overloaded". `methods` leaves
                // only those that turn the request away for one that may not be repeated.
                let healing = (500..600).filter(|status| ![501, 505].contains(status)).chain([408, 409]);
                llm.retry_on.statuses.extend(healing.filter_map(|status| StatusCode::from_u16(status).ok()));
                llm.methods = RetryMethods::IdempotentOrThrottled;
                llm.num_retries = 3;
                // A model that thinks for minutes does not hang.
                llm.per_try_timeout = None;
                llm.rate_limited_back_off.max_interval = HINTS_OF_MODELS;
                llm.peek_quota = true;
                // An overload is told at once; a model that thinks for longer is not held back for it.
                llm.hold_event_stream = Some(Duration::from_secs(10));
                llm
            }
        }
    }

    fn common(spread: f64) -> Retry {
        Retry {
            retry_on: RetryOn::default_words(),
            methods: RetryMethods::Idempotent,
            trust_idempotency_key: true,
            num_retries: 2,
            // A third of the timeout, so that all attempts fit into it.
            per_try_timeout: Some(Duration::from_secs(5)),
            back_off: BackOff::default(),
            // Longer than that, and the route's timeout would come first.
            rate_limited_back_off: AfterHint {
                max_interval: Duration::from_secs(10),
                on_exceed: OnExceed::Return,
                spread,
            },
            host_selection: HostSelection::AvoidPrevious,
            // More than most requests have, and small beside what all together may keep.
            request_body_buffer_limit: 64 * 1024,
            // Most error pages; a connection costs more than reading one, and less than waiting for a long one.
            error_body_drain: ErrorBodyDrain { bytes: 16 * 1024, time: Duration::from_millis(10) },
            nested: Nested::Damp,
            attempt_header: Some(HeaderName::from_static("x-retry-attempt")),
            // What goes on behind the gateway is nobody's business unless somebody says so.
            explain_header: false,
            // Bodies are the client's, unless it is known what they hold.
            peek_quota: false,
            hold_event_stream: None,
            // A server that knows no such key processes a request twice that has one.
            mint_idempotency_key: false,
        }
    }
}

impl RetryOn {
    /// `connect-failure`, `refused-stream`, `reset`, `per-try-timeout`, `gateway-error` and `429`: what another
    /// attempt is likely to heal. 500 is not: the same request mostly fails in the same way.
    fn default_words() -> Self {
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
    /// Envoy's, whose base suits the inside of a data centre.
    fn default() -> Self {
        Self {
            policy: BackOffPolicy::ExponentialBackoff(Jitter::Full),
            base_interval: Duration::from_millis(25),
            max_interval: Duration::from_millis(250),
        }
    }
}

/// Limits that count by the minute are over by then, and so is an overload, mostly.
const HINTS_OF_MODELS: Duration = Duration::from_secs(120);
