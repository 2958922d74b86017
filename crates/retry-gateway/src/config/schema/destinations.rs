//! The upstreams of the file, to which routes can lead.

use std::collections::BTreeMap;

use toml::de::DeValue;

use crate::config::error::Wrong;
use crate::config::keywords::nearest;
use crate::config::root::Buffers;
use crate::config::upstream::Upstream;
use crate::config::value;

/// Where routes can lead, and what all of them share.
pub(super) struct Destinations<'a> {
    /// Of all upstreams in the file, be they right or wrong.
    pub(super) names: Vec<&'a str>,
    pub(super) upstreams: &'a BTreeMap<String, Upstream>,
    pub(super) buffers: &'a Buffers,
}

/// The name of one of these.
pub(super) fn upstream_name(value: &DeValue<'_>, upstreams: &[&str]) -> Result<String, Wrong> {
    let allowed = listed(upstreams);
    match value::text(value, &allowed)? {
        // With no upstream at all there is one problem, and it has been told.
        name if upstreams.is_empty() || upstreams.contains(&name) => Ok(name.to_owned()),
        name => Err(Wrong::new("no such upstream")
            .allowed(&*allowed)
            .nearest(nearest(name, upstreams.iter().copied()))),
    }
}

/// The names, for a message.
pub(super) fn listed(upstreams: &[&str]) -> String {
    match upstreams {
        [] => "the name of an upstream".to_owned(),
        upstreams if upstreams.len() > 20 => format!("{}, ..", upstreams[..20].join(", ")),
        upstreams => upstreams.join(", "),
    }
}
