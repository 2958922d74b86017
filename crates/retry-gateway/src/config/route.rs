//! Which requests go where.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::profile::Profile;
use super::retry::Retry;

/// The requests that it fits, and what becomes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Begins with `/`, and ends with one only if it is `/`. It fits by segments: `/v1` fits `/v1` and `/v1/x`, and
    /// not `/v10`.
    pub path_prefix: String,
    /// The host that the client asks for, whatever the port; `None` fits all.
    pub host: Option<HostPattern>,
    /// Those that it fits; none of them means all.
    pub methods: Vec<Method>,
    /// Headers that a request must have, with exactly this value. Each name stands here once.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The name of the upstream. It exists.
    pub upstream: String,
    /// From the request to the response's headers, waits and resends included.
    pub timeout: Duration,
    /// Where its defaults are from.
    pub profile: Profile,
    /// When it is sent again; `None` for never.
    pub retry: Option<Retry>,
    /// Where requests go that the upstream cannot take now; `None` for nowhere.
    pub fallback: Option<Fallback>,
}

/// Where requests go that a route's upstream cannot take now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The names of the upstreams, in their order: at least one and at most eight. Each exists, and stands here once; the
    /// route's own does not.
    pub upstreams: Vec<String>,
    /// How long an upstream that has another behind it may take until the last attempt there begins, with all waits. It is
    /// never longer than the route's timeout.
    pub after: Duration,
}

/// Which hosts a route is for; in lower case, and without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This one.
    Exact(String),
    /// Those below this one, at any depth, but not itself: `*.example.com` is `Below("example.com")`.
    Below(String),
}

impl Route {
    /// Takes everything, by the defaults of a profile. `paced` says whether the upstream has a pace.
    pub fn to(upstream: &str, profile: Profile, paced: bool) -> Self {
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

    /// All upstreams that its requests can go to, in their order.
    pub fn upstreams(&self) -> impl Iterator<Item = &str> {
        let others = self.fallback.iter().flat_map(|fallback| &fallback.upstreams);
        std::iter::once(&self.upstream).chain(others).map(String::as_str)
    }
}

impl HostPattern {
    /// Whether it fits a host without a port, in any case.
    pub fn fits(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name.eq_ignore_ascii_case(host),
            Self::Below(parent) => {
                let (host, parent) = (host.as_bytes(), parent.as_bytes());
                host.len().checked_sub(parent.len() + 1).is_some_and(|dot| {
                    dot > 0 && host[dot] == b'.' && host[dot + 1..].eq_ignore_ascii_case(parent)
                })
            }
        }
    }
}
