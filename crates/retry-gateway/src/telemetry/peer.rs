//! The endpoint that an attempt's span names.

use http::uri::{Authority, Scheme};

/// The endpoint that an attempt's span names.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only spans read it"))]
pub(crate) struct PeerInfo<'a> {
    /// The scheme and the authority, as the configuration has them.
    pub(crate) name: &'a str,
    pub(crate) scheme: &'a Scheme,
    pub(crate) authority: &'a Authority,
}
