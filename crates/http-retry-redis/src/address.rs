//! The address of a store, as people may see it.

use std::fmt;

/// The address of a store, without user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreAddress {
    /// The URL. Those of several nodes are separated by commas.
    pub url: String,
    /// All nodes speak TLS.
    pub has_tls: bool,
    /// A password goes to another machine without TLS, so a machine that sees the packets can read it.
    pub exposes_password: bool,
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}
