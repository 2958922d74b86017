//! The root of a configuration.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::connections::HeaderCase;
use super::fleet::FleetConfig;
use super::limits::Limits;
use super::route::RouteConfig;
use super::upstream::UpstreamConfig;

/// The configuration of a gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The address of the listener for requests.
    pub listen: SocketAddr,
    /// The certificate and key of the listener; `None` for plain HTTP.
    pub tls: Option<ServerTls>,
    /// The address of the admin listener, which serves metrics, health and status; `None` for no such
    /// listener.
    pub admin: Option<SocketAddr>,
    /// The longest time that a shutdown waits for requests in flight.
    pub drain_timeout: Duration,
    /// Limits on clients.
    pub limits: Limits,
    /// The proxies in front of the gateway whose forwarding headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// Headers of requests whose name has an underscore are kept.
    pub underscores_in_headers: bool,
    /// The case of header names over HTTP/1.1.
    pub header_case: HeaderCase,
    /// The bound on the request bodies that are buffered for resends.
    pub buffers: Buffers,
    /// The settings of the access log.
    pub access_log: AccessLog,
    /// The fleet that shares the paces and budgets of upstreams; `None` for a gateway of its own.
    pub fleet: Option<FleetConfig>,
    /// The upstreams by name, at least one.
    pub upstreams: BTreeMap<String, UpstreamConfig>,
    /// The routes, at least one. A request takes the first one that matches it, and no route is shadowed by
    /// those before it.
    pub routes: Vec<RouteConfig>,
}

/// The certificate and key of the listener. Relative paths are relative to the file that names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// The path of a PEM file with the certificate and the intermediate certificates.
    pub cert: PathBuf,
    /// The path of a PEM file with the private key.
    pub key: PathBuf,
}

/// The bound on the request bodies that are buffered for resends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffers {
    /// The number of bytes that all requests together may buffer.
    pub total: usize,
}

/// The settings of the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// The gateway writes a line for each request.
    pub enabled: bool,
}

impl Default for Buffers {
    /// Returns 64 MiB: room for a thousand bodies of the largest default size, and small beside a machine's
    /// memory.
    fn default() -> Self {
        Self { total: 64 * 1024 * 1024 }
    }
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { enabled: true }
    }
}
