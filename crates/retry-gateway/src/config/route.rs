//! Routes: which requests go to which upstream.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::profile::Profile;
use super::retry::RetryConfig;

/// A route: the requests that it matches, and the upstream and settings that they get.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteConfig {
    /// The prefix of the path. It begins with `/`, and ends with one only if it is `/`. It matches whole
    /// segments: `/v1` matches `/v1` and `/v1/x`, and not `/v10`.
    pub path_prefix: String,
    /// The host of the request, without its port; `None` matches all hosts.
    pub host: Option<HostPattern>,
    /// The methods of the request; an empty list matches all methods.
    pub methods: Vec<Method>,
    /// Headers that the request must have with exactly this value. Each name is listed once.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The name of the upstream, which exists.
    pub upstream: String,
    /// The longest time from the request to the head of the response, with all delays and resends.
    pub timeout: Duration,
    /// The profile that sets the defaults.
    pub profile: Profile,
    /// The retry settings; `None` for no retries.
    pub retry: Option<RetryConfig>,
    /// The next upstreams for requests that the first one cannot take now; `None` for no others.
    pub fallback: Option<FallbackConfig>,
}

/// The next upstreams of a route, for requests that its own upstream cannot take now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallbackConfig {
    /// The names of the upstreams in their order, at least one and at most eight. Each exists and is listed
    /// once, and the route's own upstream is not among them.
    pub upstreams: Vec<String>,
    /// The longest time from the first attempt at an upstream to the start of the last one there, with all
    /// delays, if another upstream is left. It is at most the route's timeout.
    pub after: Duration,
}

/// A pattern for hosts, in lower case and without a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// The host itself.
    Exact(String),
    /// The subdomains of a host at any depth, without the host itself: `*.example.com` is
    /// `SubdomainsOf("example.com")`.
    SubdomainsOf(String),
}

impl RouteConfig {
    /// Creates a route that matches all requests, with the defaults of a profile. `paced` is true if the
    /// upstream has a pace.
    pub fn with_upstream(upstream: &str, profile: Profile, paced: bool) -> Self {
        Self {
            path_prefix: "/".to_owned(),
            host: None,
            methods: Vec::new(),
            headers: Vec::new(),
            upstream: upstream.to_owned(),
            timeout: profile.timeout(),
            profile,
            retry: Some(profile.retry(paced)),
            fallback: None,
        }
    }

    /// Returns whether the route's requests are gRPC calls, whose codes and timeouts count.
    pub(crate) fn is_grpc(&self) -> bool {
        let retries_codes = self.retry.as_ref().is_some_and(|retry| !retry.retry_on.grpc_codes.is_empty());
        self.profile == Profile::Grpc || retries_codes
    }

    /// Returns all upstreams that the requests can go to, in their order.
    pub fn upstreams(&self) -> impl Iterator<Item = &str> {
        let others = self.fallback.iter().flat_map(|fallback| &fallback.upstreams);
        std::iter::once(&self.upstream).chain(others).map(String::as_str)
    }
}

impl HostPattern {
    /// Returns true if the pattern matches this host, which has no port and may be in any case.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name.eq_ignore_ascii_case(host),
            Self::SubdomainsOf(parent) => {
                let (host, parent) = (host.as_bytes(), parent.as_bytes());
                host.len().checked_sub(parent.len() + 1).is_some_and(|dot| {
                    dot > 0 && host[dot] == b'.' && host[dot + 1..].eq_ignore_ascii_case(parent)
                })
            }
        }
    }
}
