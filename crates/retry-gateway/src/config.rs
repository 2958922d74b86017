//! The gateway's configuration, with every default applied, every keyword parsed and every reference checked.
//!
//! [`Config::load`] reads a file, [`Config::parse`] a text, and [`Config::for_upstream`] needs neither. Each
//! returns a consistent [`Config`], so a program has nothing left to check but what is outside of it: files,
//! ports, host names.

mod checks;
mod connections;
mod error;
mod fleet;
mod keywords;
mod limits;
mod outlier;
mod parse_http;
mod profile;
mod reader;
mod retry;
mod root;
mod route;
mod schema;
mod secret;
mod summary;
mod unreachable;
mod upstream;
mod value;
mod warnings;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use http::Uri;

pub use self::connections::{ConnectionConfig, HeaderCase, Http2Keepalive, TcpKeepalive};
pub use self::error::{ConfigError, ConfigProblem};
pub use self::fleet::FleetConfig;
pub use self::limits::Limits;
pub use self::outlier::OutlierDetection;
pub use self::profile::Profile;
pub use self::retry::{
    BackOff, BackOffPolicy, ErrorBodyDrain, HostSelection, Nested, OnExceed, RateLimitedBackOff,
    RetriableHeader, RetryConfig, RetryMethods, RetryOn,
};
pub use self::root::{AccessLog, Buffers, Config, ServerTls};
pub use self::route::{FallbackConfig, HostPattern, RouteConfig};
pub use self::secret::Secret;
pub use self::summary::Summary;
pub use self::upstream::{
    FairBy, HostRule, PaceConfig, PaceKey, Protocol, RetryBudget, UpstreamConfig, UpstreamTls,
};

impl Config {
    /// The address of a gateway without a configuration file, which only this machine can reach.
    pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

    /// Reads and parses a configuration file. The error lists all of its problems.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = reader::text_of(path, &name)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        schema::parse(&name, &text, folder)
    }

    /// Parses a configuration text. Its problems name `name` as their file, and relative paths stay relative.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        schema::parse(name, text, Path::new(""))
    }

    /// Creates a configuration that sends all requests to one endpoint, with the defaults of a profile.
    pub fn for_upstream(endpoint: Uri, profile: Profile) -> Self {
        let upstream = profile.upstream(vec![endpoint]);
        let route = RouteConfig::with_upstream(Self::UPSTREAM, profile, upstream.pace.is_some());
        Self {
            listen: Self::LISTEN,
            tls: None,
            admin: None,
            drain_timeout: limits::DRAIN_TIMEOUT,
            limits: Limits::default(),
            trusted_proxies: Vec::new(),
            underscores_in_headers: false,
            header_case: HeaderCase::default(),
            buffers: Buffers::default(),
            access_log: AccessLog::default(),
            fleet: None,
            upstreams: BTreeMap::from([(Self::UPSTREAM.to_owned(), upstream)]),
            routes: vec![route],
        }
    }

    /// Parses an endpoint's URL: `http` or `https`, a host, an optional port, and nothing else.
    ///
    /// The error says what is wrong with the URL, and does not repeat it.
    pub fn endpoint(text: &str) -> Result<Uri, String> {
        parse_http::endpoint_of(text).map_err(|invalid| invalid.to_string())
    }

    /// Returns a short text for people: the listeners, the upstreams and the routes.
    pub fn summary(&self) -> Summary<'_> {
        Summary::new(self)
    }

    /// The name of the only upstream of a configuration without a file.
    const UPSTREAM: &str = "upstream";
}

#[cfg(test)]
mod tests;
