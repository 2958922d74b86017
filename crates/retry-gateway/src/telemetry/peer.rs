//! The peer that an attempt's span names.

use http::uri::{Authority, Scheme};

/// The endpoint that an attempt goes to.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only spans read it"))]
pub(crate) struct PeerInfo<'a> {
    /// The endpoint as the configuration spells it: scheme and authority.
    pub(crate) name: &'a str,
    pub(crate) scheme: &'a Scheme,
    pub(crate) authority: &'a Authority,
}
