//! The settings of a connection to the store.

use std::fmt;
use std::time::Duration;

use crate::address::StoreAddress;
use crate::check::{self, StoreCheck};
use crate::connection::Target;
use crate::error::{CheckError, ConnectError, ConnectErrorKind};
use crate::id_key::IdKey;
use crate::store::RedisStore;

/// The settings of a connection to the store of a fleet.
///
/// ```
/// use std::time::Duration;
/// use http_retry_redis::RedisConfig;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), http_retry_redis::ConnectError> {
/// let store = RedisConfig::new("redis://retry:PASSWORD@127.0.0.1:6379/0", "prod")
///     .secret("kept in a vault")
///     .timeout(Duration::from_millis(20))
///     .connect()?;
/// assert_eq!(store.address(), "redis://127.0.0.1:6379/0");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisConfig {
    urls: Vec<String>,
    name: String,
    secret: Option<Vec<u8>>,
    timeout: Duration,
    root_certificates: Option<Vec<u8>>,
}

impl RedisConfig {
    /// Creates the settings of a store at this URL. The name is that of the fleet: 1 to 32 of `a-z`, `0-9` and `-`.
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            name: name.into(),
            secret: None,
            timeout: DEFAULT_TIMEOUT,
            root_certificates: None,
        }
    }

    /// Adds the URL of another node: the store is a cluster, which is found by any of its nodes.
    #[cfg(feature = "cluster")]
    pub fn seed(mut self, url: impl Into<String>) -> Self {
        self.urls.push(url.into());
        self
    }

    /// Sets the secret with which the ids of entries are made. Without one, the name of the fleet takes its place, and a reader of
    /// the store can test whether a guessed key is in use. All members have the same secret.
    pub fn secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Sets the time in which the store must answer, from 5 ms to 1 s. The default is 50 ms.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.clamp(MIN_TIMEOUT, MAX_TIMEOUT);
        self
    }

    /// Sets the root certificates by which a store over TLS is trusted, as PEM. Without them, those of the system count.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates = Some(pem.into());
        self
    }

    /// Connects to the store. It never waits: the connection is made in the background.
    ///
    /// # Errors
    ///
    /// Returns an error if a URL, the name or the certificates cannot be used, or without a runtime of tokio.
    pub fn connect(self) -> Result<RedisStore, ConnectError> {
        let target = self.target()?;
        let key = IdKey::new(self.secret.as_deref().unwrap_or(self.name.as_bytes()));
        RedisStore::new(target, self.name, key, self.timeout)
    }

    /// Reads the settings without connecting, and returns the address of the store as people may see it.
    ///
    /// # Errors
    ///
    /// Returns an error if a URL, the name or the certificates cannot be used.
    pub fn address(&self) -> Result<StoreAddress, ConnectError> {
        self.target().map(|target| target.address().clone())
    }

    /// Connects once, tries each command and each script with entries of its own, which expire, and closes the connection. It
    /// takes up to 8 s, and a script of it as long as for a member.
    ///
    /// # Errors
    ///
    /// Returns an error if a member could not use the store.
    pub async fn check(self) -> Result<StoreCheck, CheckError> {
        let target = self.target()?;
        check::check(&target, &self.name, self.timeout).await
    }

    fn target(&self) -> Result<Target, ConnectError> {
        if !is_name(&self.name) {
            return Err(ConnectErrorKind::Name(self.name.clone()).into());
        }
        Ok(Target::new(&self.urls, self.root_certificates.clone())?)
    }
}

/// Returns whether a name is 1 to 32 of `a-z`, `0-9` and `-`.
fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(is_allowed)
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL may have a password.
        f.debug_struct("RedisConfig")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// An answer is on its way for less than 1 ms in one data centre, and 50 ms are not felt by a request.
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(50);
const MIN_TIMEOUT: Duration = Duration::from_millis(5);
const MAX_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, name: &str, expected: &str) {
        let error = RedisConfig::new(url, name).connect().map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        let shown = format!("{error:?} {error} {:?}", RedisConfig::new(url, name).secret("hidden"));
        for word in ["hidden", "alice", "swordfish"] {
            assert!(!shown.contains(word), "{shown}");
        }
    }

    #[test]
    fn settings_that_cannot_be_used_are_named() {
        let name = "the name of a fleet is 1 to 32 of a-z, 0-9 and -, not ";
        check("redis://localhost", "", &format!("{name}\"\""));
        check("redis://localhost", "Prod", &format!("{name}\"Prod\""));
        check("redis://localhost", "a:{b}", &format!("{name}\"a:{{b}}\""));
        let url = "the store is not a URL such as redis://HOST:6379/0 or rediss://HOST:6379/0";
        check("localhost", "prod", url);
        check("http://alice:swordfish@localhost", "prod", url);
        check("redis://alice:swordfish@localhost/zero", "prod", url);
        check("redis://alice:swordfish@localhost:1", "prod", "a store needs a runtime of tokio");
    }

    #[test]
    fn address_has_no_user_and_says_whether_a_password_is_exposed() {
        let address = |url: &str| RedisConfig::new(url, "prod").address().unwrap();
        for (url, shown, exposes_password) in [
            ("redis://alice:swordfish@redis.example", "redis://redis.example:6379/0", true),
            ("redis://:swordfish@10.0.0.7:7000/2", "redis://10.0.0.7:7000/2", true),
            ("redis://redis.example", "redis://redis.example:6379/0", false),
            ("redis://alice:swordfish@localhost", "redis://localhost:6379/0", false),
            ("redis://alice:swordfish@127.0.0.2", "redis://127.0.0.2:6379/0", false),
            ("redis://alice:swordfish@[::1]", "redis://[::1]:6379/0", false),
            ("rediss://alice:swordfish@redis.example", "rediss://redis.example:6379/0", false),
        ] {
            let address = address(url);
            assert_eq!((address.url.as_str(), address.exposes_password), (shown, exposes_password), "{url}");
            assert_eq!(address.has_tls, url.starts_with("rediss"), "{url}");
        }
    }

    #[test]
    fn timeout_stays_within_its_bounds() {
        let timeout = |time| RedisConfig::new("", "").timeout(time).timeout;
        assert_eq!(timeout(Duration::ZERO), Duration::from_millis(5));
        assert_eq!(timeout(Duration::MAX), Duration::from_secs(1));
    }
}
