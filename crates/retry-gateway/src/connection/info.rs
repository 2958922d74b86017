//! Who sends requests over a connection, and how they arrive.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderValue;

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Downstream {
    /// The peer's address.
    ip: IpAddr,
    /// Whether the connection is encrypted.
    is_tls: bool,
    /// Whether it is believed what the peer says of those before it.
    is_trusted: bool,
    /// What `X-Forwarded-For` says of it.
    forwarded_for: HeaderValue,
    last: Mutex<Option<Asked>>,
}

/// What was asked for last: mostly it is always the same.
#[derive(Debug)]
struct Asked {
    host: Option<HeaderValue>,
    /// What `Forwarded` says of that.
    forwarded: HeaderValue,
}

impl Downstream {
    pub(crate) fn new(ip: IpAddr, is_tls: bool, is_trusted: bool) -> Self {
        let ip = ip.to_canonical();
        // An address is visible ASCII.
        let forwarded_for =
            HeaderValue::try_from(ip.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        Self { ip, is_tls, is_trusted, forwarded_for, last: Mutex::default() }
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

    /// Whether the request before asked for the same host, which was good enough then.
    pub(crate) fn knows(&self, host: &HeaderValue) -> bool {
        self.last().as_ref().is_some_and(|last| last.host.as_ref() == Some(host))
    }

    /// What `Forwarded` says of a request for this host.
    pub(crate) fn forwarded(&self, host: Option<&HeaderValue>) -> HeaderValue {
        let mut last = self.last();
        match &*last {
            Some(known) if known.host.as_ref() == host => known.forwarded.clone(),
            _ => {
                let forwarded = self.forwarded_from(host);
                // A copy, so that no read buffer is held.
                let host = host.and_then(|host| HeaderValue::from_bytes(host.as_bytes()).ok());
                *last = Some(Asked { host, forwarded: forwarded.clone() });
                forwarded
            }
        }
    }

    fn forwarded_from(&self, host: Option<&HeaderValue>) -> HeaderValue {
        let node = match self.ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("\"[{ip}]\""),
        };
        let host = host.and_then(|host| host.to_str().ok()).filter(|host| !host.contains(['"', '\\']));
        let host = host.map_or_else(String::new, |host| format!(";host=\"{host}\""));
        let value = HeaderValue::try_from(format!("for={node}{host};proto={}", self.scheme()));
        // A host that was a value is one within a value.
        value.unwrap_or(HeaderValue::from_static("for=unknown"))
    }

    fn last(&self) -> MutexGuard<'_, Option<Asked>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
