//! The root of a configuration, which is all that a gateway is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::limits::Limits;
use super::route::Route;
use super::upstream::Upstream;

/// All that a gateway is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where requests come in.
    pub listen: SocketAddr,
    /// What `listen` speaks TLS with; `None` for plain HTTP.
    pub tls: Option<ServerTls>,
    /// Where metrics, health and status are; `None` for nowhere.
    pub admin: Option<SocketAddr>,
    /// How long requests under way may take to end when it is asked to stop.
    pub drain_timeout: Duration,
    /// What clients may take of it.
    pub limits: Limits,
    /// The proxies in front that are believed when they tell who was before them.
    pub trusted_proxies: Vec<IpNet>,
    /// The bound on what all requests keep.
    pub buffers: Buffers,
    /// Whether requests are logged.
    pub access_log: AccessLog,
    /// The servers, by name. There is at least one.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Which request goes where: the first in this order that fits takes it. There is at least one, and each can
    /// be reached.
    pub routes: Vec<Route>,
}

/// What the gateway proves its own name with. The paths are relative to the file that names them, if relative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// PEM: the certificate, and those between it and the root.
    pub cert: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// The bound on the request bodies that are kept for resends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffers {
    /// Bytes, of all requests together.
    pub total: usize,
}

/// What is said about each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Whether anything is.
    pub enabled: bool,
}

impl Default for Buffers {
    /// 64 MiB: a thousand requests of the largest size that is kept, and small beside what a process has.
    fn default() -> Self {
        Self { total: 64 * 1024 * 1024 }
    }
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { enabled: true }
    }
}
