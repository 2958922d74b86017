//! The upstreams of the file that routes can name.

use std::collections::BTreeMap;

use toml::de::DeValue;

use crate::config::error::Invalid;
use crate::config::keywords::nearest;
use crate::config::root::Buffers;
use crate::config::upstream::UpstreamConfig;
use crate::config::value;

/// The upstreams that routes can name, and the settings that all routes share.
pub(super) struct Destinations<'a> {
    /// The names of all upstreams in the file, valid or not.
    pub(super) names: Vec<&'a str>,
    pub(super) upstreams: &'a BTreeMap<String, UpstreamConfig>,
    pub(super) buffers: &'a Buffers,
}

impl Destinations<'_> {
    /// Parses the name of one of these upstreams.
    pub(super) fn upstream_name(&self, value: &DeValue<'_>) -> Result<String, Invalid> {
        let allowed = self.listed();
        let name = value::text(value, &allowed)?;
        // A file without any upstream has one problem, which is reported already. The search in the list is for the
        // upstreams that did not parse.
        if self.names.is_empty() || self.upstreams.contains_key(name) || self.names.contains(&name) {
            return Ok(name.to_owned());
        }
        Err(Invalid::new("no such upstream")
            .allowed(allowed)
            .nearest(nearest(name, self.names.iter().copied())))
    }

    /// Lists the names for a message.
    pub(super) fn listed(&self) -> String {
        match &*self.names {
            [] => "the name of an upstream".to_owned(),
            names if names.len() > 20 => format!("{}, ..", names[..20].join(", ")),
            names => names.join(", "),
        }
    }
}
