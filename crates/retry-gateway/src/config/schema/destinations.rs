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

/// Parses the name of one of these upstreams.
pub(super) fn upstream_name(value: &DeValue<'_>, upstreams: &[&str]) -> Result<String, Invalid> {
    let allowed = listed(upstreams);
    match value::text(value, &allowed)? {
        // A file without any upstream has one problem, which is reported already.
        name if upstreams.is_empty() || upstreams.contains(&name) => Ok(name.to_owned()),
        name => Err(Invalid::new("no such upstream")
            .allowed(&*allowed)
            .nearest(nearest(name, upstreams.iter().copied()))),
    }
}

/// Lists the names for a message.
pub(super) fn listed(upstreams: &[&str]) -> String {
    match upstreams {
        [] => "the name of an upstream".to_owned(),
        upstreams if upstreams.len() > 20 => format!("{}, ..", upstreams[..20].join(", ")),
        upstreams => upstreams.join(", "),
    }
}
