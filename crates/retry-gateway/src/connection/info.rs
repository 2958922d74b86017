//! The facts of a client's connection: its address, its scheme, and whether the client is a trusted proxy.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};

use http::HeaderValue;

use crate::sync::lock;

/// The facts of a client's connection that each of its requests needs.
#[derive(Debug)]
pub(crate) struct ConnectionInfo {
    /// The client's address.
    ip: IpAddr,
    is_tls: bool,
    /// The client is a trusted proxy, so its forwarding headers count.
    is_trusted: bool,
    /// The client's address as a value of `X-Forwarded-For`.
    forwarded_for: HeaderValue,
    host_cache: Mutex<Option<HostCache>>,
}

/// Cache of the last `Host` and its `Forwarded` value: most clients ask for the same host each time.
#[derive(Debug)]
struct HostCache {
    host: Option<HeaderValue>,
    forwarded: HeaderValue,
}

impl ConnectionInfo {
    pub(crate) fn new(ip: IpAddr, is_tls: bool, is_trusted: bool) -> Self {
        let ip = ip.to_canonical();
        // An address is visible ASCII.
        let forwarded_for =
            HeaderValue::try_from(ip.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        Self { ip, is_tls, is_trusted, forwarded_for, host_cache: Mutex::default() }
    }

    pub(crate) fn ip(&self) -> IpAddr {
        self.ip
    }

    pub(crate) fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    pub(crate) fn forwarded_for(&self) -> &HeaderValue {
        &self.forwarded_for
    }

    /// Returns true if the previous request named the same host, which was valid then.
    pub(crate) fn is_cached(&self, host: &HeaderValue) -> bool {
        self.host_cache().as_ref().is_some_and(|cache| cache.host.as_ref() == Some(host))
    }

    /// Returns the `Forwarded` value of a request for this host (RFC 7239).
    pub(crate) fn forwarded(&self, host: Option<&HeaderValue>) -> HeaderValue {
        let mut cache = self.host_cache();
        match &*cache {
            Some(cached) if cached.host.as_ref() == host => cached.forwarded.clone(),
            _ => {
                let forwarded = self.forwarded_value(host);
                // The copy releases the read buffer that the header value points into.
                let host = host.and_then(|host| HeaderValue::from_bytes(host.as_bytes()).ok());
                *cache = Some(HostCache { host, forwarded: forwarded.clone() });
                forwarded
            }
        }
    }

    fn forwarded_value(&self, host: Option<&HeaderValue>) -> HeaderValue {
        let node = match self.ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("\"[{ip}]\""),
        };
        let host = host.and_then(|host| host.to_str().ok()).filter(|host| !host.contains(['"', '\\']));
        let host = host.map_or_else(String::new, |host| format!(";host=\"{host}\""));
        let value = HeaderValue::try_from(format!("for={node}{host};proto={}", self.scheme()));
        // A host that was a header value is also valid inside of one.
        value.unwrap_or(HeaderValue::from_static("for=unknown"))
    }

    fn host_cache(&self) -> MutexGuard<'_, Option<HostCache>> {
        lock(&self.host_cache)
    }
}
