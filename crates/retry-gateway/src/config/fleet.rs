//! The fleet: the gateways that share the limits of upstreams through a store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_retry_redis::{ConnectError, RedisConfig, StoreAddress};

use super::secret::Secret;

/// The fleet that a gateway is a member of, and its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetConfig {
    /// The URLs of the store, at least one. Several are nodes of a cluster, or sentinels.
    pub store: Vec<Secret>,
    /// The address of the store, as people may see it.
    pub address: StoreAddress,
    /// The name of the fleet: 1 to 32 of `a-z`, `0-9` and `-`.
    pub name: String,
    /// The time for which slots are taken ahead, from 50 ms to 2 s.
    pub lease: Duration,
    /// The longest time that the store has for an answer: from 5 ms to 1 s, and below the lease.
    pub timeout: Duration,
    /// The secret with which the ids of entries are made; `None` for the name of the fleet.
    pub secret: Option<Secret>,
    /// The path of a PEM file with the roots of the store's certificate; `None` for those of the system.
    pub ca: Option<PathBuf>,
}

impl FleetConfig {
    /// Returns the settings of the connection to the store, without its root certificates.
    pub(crate) fn store_settings(&self) -> RedisConfig {
        let settings = settings(&self.store, &self.name).timeout(self.timeout);
        match &self.secret {
            Some(secret) => settings.secret(secret.expose()),
            None => settings,
        }
    }

    /// Returns the files beside the configuration that it was read from.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.store.iter().chain(&self.secret).filter_map(Secret::file).chain(self.ca.as_deref())
    }
}

/// Returns the address of a store with these URLs. There is at least one.
pub(super) fn address_of(store: &[Secret]) -> Result<StoreAddress, ConnectError> {
    settings(store, FleetConfig::NAME).address()
}

fn settings(store: &[Secret], name: &str) -> RedisConfig {
    let mut urls = store.iter().map(Secret::expose);
    let first = RedisConfig::new(urls.next().unwrap_or_default(), name);
    urls.fold(first, |settings, url| settings.seed(url))
}

impl FleetConfig {
    /// The name of a fleet without one.
    pub(super) const NAME: &str = "default";
    /// The default of `lease`.
    pub(super) const LEASE: Duration = Duration::from_millis(200);
    /// The default of `timeout`. An answer is on its way for less than a millisecond in one data centre.
    pub(super) const TIMEOUT: Duration = Duration::from_millis(50);
}
