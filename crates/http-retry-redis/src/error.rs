//! The reasons for which a store cannot be used at all.

use std::fmt;
use std::time::Duration;

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

/// The reason for which a store cannot be used now. It shows no user and no password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConnectError),
    /// There is no connection. The text is that of the system.
    #[error("no connection: {0}")]
    Connect(String),
    /// The store takes a connection and refuses its commands. The text is that of the store.
    #[error("the store refuses commands: {0}")]
    Refused(String),
    /// The user of the store lacks these rights, which are words of `ACL SETUSER`.
    #[error("the user of the store lacks rights; allow {}", .0.join(" "))]
    Missing(Vec<String>),
    /// The store does not know this command.
    #[error("the store does not know the command {0}; it must be Redis 7 or Valkey 8")]
    Unknown(String),
    /// The store refused this script. The text is that of the store.
    #[error("the store refused the script {0}: {1}")]
    Script(&'static str, String),
    /// The store takes longer than the timeout, so members would be alone.
    #[error("the store took {} ms, longer than the timeout of {} ms", .took.as_millis(), .limit.as_millis())]
    Slow {
        /// The time that the slowest script took.
        took: Duration,
        /// The timeout of the settings.
        limit: Duration,
    },
}
