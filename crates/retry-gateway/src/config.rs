//! What a gateway is told: every default applied, every word an enum, every reference checked.
//!
//! [`Config::load`] reads a file, [`Config::parse`] a text, and [`Config::for_upstream`] needs neither. What comes
//! out of them is consistent, so a program that is given a [`Config`] has nothing left to check but what is outside
//! of it: files, ports, names.

mod checks;
mod error;
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
mod summary;
mod upstream;
mod value;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use http::Uri;

pub use self::error::{ConfigError, Problem};
pub use self::limits::Limits;
pub use self::outlier::OutlierDetection;
pub use self::profile::Profile;
pub use self::retry::{
    AfterHint, BackOff, BackOffPolicy, ErrorBodyDrain, HostSelection, Nested, OnExceed, Retry, RetryMethods,
    RetryOn,
};
pub use self::root::{AccessLog, Buffers, Config, ServerTls};
pub use self::route::{Fallback, HostPattern, Route};
pub use self::summary::Summary;
pub use self::upstream::{HostRule, Pace, PaceKey, Protocol, RetryBudget, Upstream, UpstreamTls};

impl Config {
    /// Where a gateway without a file listens: to this machine only.
    pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = reader::text_of(path, &name)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        schema::read(&name, &text, folder)
    }

    /// Reads a text; `name` is what its problems are said to be in, and relative paths stay as they are.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        schema::read(name, text, Path::new(""))
    }

    /// Sends everything to one server, by the defaults of a profile.
    pub fn for_upstream(endpoint: Uri, profile: Profile) -> Self {
        let mut upstream = Upstream::with_endpoints(vec![endpoint]);
        upstream.pace = profile.pace();
        let route = Route::to(Self::UPSTREAM, profile, upstream.pace.is_some());
        Self {
            listen: Self::LISTEN,
            tls: None,
            admin: None,
            drain_timeout: limits::DRAIN_TIMEOUT,
            limits: Limits::default(),
            trusted_proxies: Vec::new(),
            buffers: Buffers::default(),
            access_log: AccessLog::default(),
            upstreams: BTreeMap::from([(Self::UPSTREAM.to_owned(), upstream)]),
            routes: vec![route],
        }
    }

    /// The endpoint that a text names: `http` or `https`, a host, maybe a port, and nothing else.
    ///
    /// The error says what is wrong with it, without the text.
    pub fn endpoint(text: &str) -> Result<Uri, String> {
        parse_http::endpoint_of(text).map_err(|wrong| wrong.to_string())
    }

    /// A few lines for people: where it listens, what it knows, where requests go.
    pub fn summary(&self) -> Summary<'_> {
        Summary::of(self)
    }

    /// What the one server is called that was named without a file.
    const UPSTREAM: &str = "upstream";
}

#[cfg(test)]
mod tests;
