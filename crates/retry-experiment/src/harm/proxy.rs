//! A proxy between the callers of a row and its server, which holds their requests back instead of a layer.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::task::JoinHandle;

/// The pace that a proxy is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyPace {
    /// The requests that share a limit.
    pub key: ProxyKey,
    /// True if a new key begins with a few requests at a time.
    pub slow_start: bool,
    /// The largest number of keys, where the row is about it.
    pub keys: Option<usize>,
}

/// The requests that share a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKey {
    /// All requests.
    Upstream,
    /// Those with the same `Authorization` or `x-api-key`.
    Credential,
    /// Those with the same credential for the same model, which the path names as `/models/NAME`, or else the header `x-model`.
    CredentialAndModel,
}

/// The largest number of attempts, with a pace and without.
pub const MAX_ATTEMPTS: u32 = 6;
/// The header that names the model of a request.
pub(super) const MODEL_HEADER: &str = "x-model";

/// A proxy that runs until this is dropped.
pub struct RunningProxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// The start of a proxy in front of a server. It sends each request up to [`MAX_ATTEMPTS`] times, without a budget.
pub type StartProxy = dyn Fn(SocketAddr, Option<ProxyPace>) -> StartingProxy + Send + Sync;
/// A proxy that is about to run.
pub type StartingProxy = Pin<Box<dyn Future<Output = anyhow::Result<RunningProxy>> + Send>>;

impl ProxyPace {
    /// Creates the settings of a pace for a kind of keys.
    pub(super) fn new(key: ProxyKey) -> Self {
        Self { key, slow_start: false, keys: None }
    }
}

impl RunningProxy {
    /// Takes over the task that runs the proxy, and ends it when this is dropped.
    pub fn new(address: SocketAddr, task: JoinHandle<()>) -> Self {
        Self { address, task }
    }

    /// Returns the address that callers send to.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for RunningProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for RunningProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningProxy").field("address", &self.address).finish_non_exhaustive()
    }
}
