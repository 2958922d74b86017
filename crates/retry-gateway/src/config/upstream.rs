//! The servers behind the gateway.

use std::path::PathBuf;
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderName, Uri};

use super::limits::MAX_REQUESTS;
use super::outlier::OutlierDetection;

/// Servers that can stand in for each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Each with `http` or `https`, an authority, and no path but `/`. There is at least one, and none twice.
    pub endpoints: Vec<Uri>,
    /// What is spoken to them.
    pub protocol: Protocol,
    /// How those with `https` are trusted.
    pub tls: UpstreamTls,
    /// What they are called in `Host`, or `:authority`.
    pub host: HostRule,
    /// How long a connection may take, TLS included.
    pub connect_timeout: Duration,
    /// How many requests may be under way to them at a time, with those that wait; at least 1.
    pub max_requests: usize,
    /// What resends to them are paid from; `None` for no bound.
    pub retry_budget: Option<RetryBudget>,
    /// When an endpoint is left alone; `None` for never.
    pub outlier_detection: Option<OutlierDetection>,
    /// How requests wait while they want quiet; `None` if they do not wait. It holds for all routes that lead here,
    /// since what they share is the server's limit.
    pub pace: Option<Pace>,
}

/// The version of HTTP that is spoken to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; to an endpoint with `http` by prior knowledge.
    Http2,
}

/// Whom an upstream's certificate must come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// PEM: the roots to trust, instead of the public ones.
    pub ca: Option<PathBuf>,
}

/// What an upstream is called in the requests that it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRule {
    /// As the endpoint.
    Endpoint,
    /// As the client called the gateway.
    Preserve,
    /// Always this.
    Name(Authority),
}

/// What earns a resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// Hundredths of a resend that a success earns, from 0 to 100.
    pub percent: u32,
    /// Resends that each second earns.
    pub min_retries_per_second: u32,
}

/// How requests wait while the server wants quiet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Which of them share a limit.
    pub key: PaceKey,
    /// How long a key is held at most.
    pub longest: Duration,
    /// Whether a key that nobody has heard from begins with a few requests.
    pub slow_start: bool,
    /// How many requests may wait at a time, of all keys together.
    pub waiters: usize,
    /// How many keys are known at a time; at least 1.
    pub keys: usize,
}

/// Which requests to an upstream share a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaceKey {
    /// All of them.
    Upstream,
    /// Those to the same endpoint.
    Endpoint,
    /// Those with the same value of this header.
    Header(HeaderName),
}

impl Upstream {
    /// By the defaults: HTTP/1.1, a budget, and no pace.
    pub fn with_endpoints(endpoints: Vec<Uri>) -> Self {
        Self {
            endpoints,
            protocol: Protocol::Http1,
            tls: UpstreamTls::default(),
            host: HostRule::Endpoint,
            connect_timeout: CONNECT_TIMEOUT,
            max_requests: MAX_REQUESTS,
            retry_budget: Some(RetryBudget::default()),
            outlier_detection: Some(OutlierDetection::default()),
            pace: None,
        }
    }
}

impl Default for RetryBudget {
    /// A fifth of the successes, and 3 a second, so that a quiet upstream's requests can be sent again at all.
    fn default() -> Self {
        Self { percent: 20, min_retries_per_second: 3 }
    }
}

impl Default for Pace {
    /// One limit for the upstream, held for up to a minute.
    fn default() -> Self {
        Self {
            key: PaceKey::Upstream,
            longest: Duration::from_secs(60),
            slow_start: false,
            waiters: 10_000,
            keys: 10_000,
        }
    }
}

/// Outlasts one lost SYN, which is sent again after a second (RFC 6298 section 2), and leaves most of an attempt's
/// time for the answer.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
