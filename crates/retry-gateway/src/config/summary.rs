//! The summary of a configuration, for people.

use std::fmt;
use std::time::Duration;

use super::profile::Profile;
use super::root::Config;
use super::route::{FallbackConfig, HostPattern, RouteConfig};
use super::upstream::{FairBy, PaceKey, Protocol, UpstreamConfig};

/// A short text about a configuration for people, which its `Display` writes.
#[derive(Debug)]
pub struct Summary<'a> {
    config: &'a Config,
}

impl<'a> Summary<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        Self { config }
    }

    /// Returns what the fleet shares.
    fn shared(&self) -> String {
        let paces = self.config.shared().filter_map(|(name, upstream)| {
            upstream.pace.as_ref().map(|pace| format!("{name} by {}", Inline(&pace.key)))
        });
        let budgets = self.config.shared().filter(|(_, upstream)| upstream.retry_budget.is_some());
        let paces: Vec<_> = paces.collect();
        let budgets: Vec<_> = budgets.map(|(name, _)| name).collect();
        match (paces.is_empty(), budgets.is_empty()) {
            (true, true) => "nothing".to_owned(),
            (false, true) => format!("pace of {}", paces.join(", ")),
            (true, false) => format!("retry budget of {}", budgets.join(", ")),
            (false, false) => format!("pace of {}; retry budget of {}", paces.join(", "), budgets.join(", ")),
        }
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { listen, tls, admin, upstreams, routes, .. } = self.config;
        write!(f, "  listen {listen}{}", if tls.is_some() { " with TLS" } else { "" })?;
        if let Some(admin) = admin {
            write!(f, ", admin {admin}")?;
        }
        for (name, upstream) in upstreams {
            write!(f, "\n  upstream {name}: {}", Inline(upstream))?;
        }
        if let Some(fleet) = &self.config.fleet {
            write!(f, "\n  fleet {} on {}: {}", fleet.name, fleet.address, self.shared())?;
        }
        for route in routes {
            write!(f, "\n  route {}", Inline(route))?;
        }
        Ok(())
    }
}

/// The word of the file for a key.
impl fmt::Display for Inline<'_, PaceKey> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            PaceKey::Upstream => f.write_str("upstream"),
            PaceKey::Endpoint => f.write_str("endpoint"),
            PaceKey::Authority => f.write_str("authority"),
            PaceKey::Credential => f.write_str("credential"),
            PaceKey::CredentialAndModel => f.write_str("credential+model"),
            PaceKey::Header(name) => write!(f, "header:{name}"),
        }
    }
}

/// A wrapper that writes its value in one line of the summary.
struct Inline<'a, T>(&'a T);

impl fmt::Display for Inline<'_, UpstreamConfig> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UpstreamConfig { endpoints, protocol, retry_budget, pace, .. } = self.0;
        let protocol = match protocol {
            Protocol::Http1 => "http1",
            Protocol::Http2 => "http2",
        };
        write!(f, "{}, {protocol}", count_of(endpoints.len() as u64, "endpoint", "endpoints"))?;
        match retry_budget {
            Some(budget) => {
                write!(f, ", budget {} % and {}/s", budget.percent, budget.min_retries_per_second)?
            }
            None => f.write_str(", no budget")?,
        }
        match pace.as_ref().map(|pace| &pace.key) {
            Some(PaceKey::Upstream) => f.write_str(", paced by upstream"),
            Some(PaceKey::Endpoint) => f.write_str(", paced by endpoint"),
            Some(PaceKey::Authority) => f.write_str(", paced by authority"),
            Some(PaceKey::Credential) => f.write_str(", paced by credential"),
            Some(PaceKey::CredentialAndModel) => f.write_str(", paced by credential and model"),
            Some(PaceKey::Header(name)) => write!(f, ", paced by header {name}"),
            None => Ok(()),
        }?;
        match pace.as_ref().and_then(|pace| pace.fair_by.as_ref()) {
            Some(FairBy::Client) => f.write_str(", fair by client"),
            Some(FairBy::Header(name)) => write!(f, ", fair by header {name}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Inline<'_, RouteConfig> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RouteConfig { path_prefix, host, methods, headers, upstream, timeout, profile, retry, fallback } =
            self.0;
        match host {
            Some(HostPattern::Exact(host)) => write!(f, "{host}{path_prefix}")?,
            Some(HostPattern::SubdomainsOf(parent)) => write!(f, "*.{parent}{path_prefix}")?,
            None => f.write_str(path_prefix)?,
        }
        for method in methods {
            write!(f, " {method}")?;
        }
        if !headers.is_empty() {
            write!(f, " with {}", count_of(headers.len() as u64, "header", "headers"))?;
        }
        write!(f, " to {upstream}")?;
        if let Some(FallbackConfig { upstreams, after }) = fallback {
            write!(f, ", else {} after {}", upstreams.join(", "), Inline(after))?;
        }
        f.write_str(": ")?;
        match profile {
            Profile::Default => {}
            Profile::Llm => f.write_str("llm, ")?,
            Profile::Grpc => f.write_str("grpc, ")?,
        }
        match retry {
            Some(retry) => write!(f, "{}", count_of(retry.num_retries.into(), "retry", "retries"))?,
            None => f.write_str("no retries")?,
        }
        write!(f, " within {}", Inline(timeout))
    }
}

impl fmt::Display for Inline<'_, Duration> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.as_secs(), self.0.subsec_nanos()) {
            (seconds, 0) if seconds >= 3_600 && seconds % 3_600 == 0 => write!(f, "{}h", seconds / 3_600),
            (seconds, 0) if seconds >= 60 && seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
            _ => write!(f, "{:?}", self.0),
        }
    }
}

fn count_of(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
