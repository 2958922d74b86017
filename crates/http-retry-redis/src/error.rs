//! The reasons for which a store cannot be used at all.

use std::fmt;

/// The error of [`connect`](crate::connect). It never shows a URL, because a URL may have a password.
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct ConnectError(#[from] ConnectErrorKind);

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectErrorKind {
    #[error("the name of a fleet is 1 to 32 of a-z, 0-9 and -, not {0:?}")]
    Name(String),
    #[error("the store is not a URL such as redis://HOST:6379/0 or rediss://HOST:6379/0")]
    Url,
    #[error(
        "the store is a URL without the name of a master, as in redis+sentinel://HOST:26379/0?master=NAME"
    )]
    #[cfg(feature = "sentinel")]
    Master,
    #[error("the root certificates of the store are not PEM, or the store's URL is not rediss://")]
    Certificates,
    #[error("the URL of the store needs the feature `{0}` of http-retry-redis")]
    #[allow(dead_code, reason = "each of the two features leaves one use")]
    Feature(&'static str),
    #[error("a store needs a runtime of tokio")]
    Runtime,
}

impl ConnectError {
    /// Returns whether the name of the fleet is the reason.
    pub fn is_name(&self) -> bool {
        matches!(self.0, ConnectErrorKind::Name(_))
    }

    /// Returns whether there is no runtime of tokio.
    pub fn is_runtime(&self) -> bool {
        matches!(self.0, ConnectErrorKind::Runtime)
    }
}

impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectError").field(&self.0).finish()
    }
}
