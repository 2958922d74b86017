//! The URLs of nodes.

use std::net::IpAddr;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use crate::address::StoreAddress;
use crate::error::ConnectErrorKind;

/// Reads the URL of one node. News needs the third version of the protocol.
pub(super) fn node(url: &str) -> Result<ConnectionInfo, ConnectErrorKind> {
    let info = url.into_connection_info().map_err(|_| ConnectErrorKind::Url)?;
    // Redis 7.0 does not know the command by which a client tells its name.
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
    Ok(info.set_redis_settings(settings))
}

/// Returns the address of these nodes without user and password.
pub(super) fn address_of(nodes: &[ConnectionInfo]) -> StoreAddress {
    let is_tls = |node: &ConnectionInfo| matches!(node.addr(), ConnectionAddr::TcpTls { .. });
    StoreAddress {
        url: nodes.iter().map(shown).collect::<Vec<_>>().join(","),
        has_tls: nodes.iter().all(is_tls),
        exposes_password: nodes.iter().any(exposes_password),
    }
}

/// Returns the URL of a node without user and password.
fn shown(node: &ConnectionInfo) -> String {
    let db = node.redis_settings().db();
    match node.addr() {
        ConnectionAddr::TcpTls { host, port, .. } => format!("rediss://{}:{port}/{db}", bracketed(host)),
        ConnectionAddr::Tcp(host, port) => format!("redis://{}:{port}/{db}", bracketed(host)),
        other => format!("{other}"),
    }
}

/// Returns a host as it stands in a URL: an IPv6 address has brackets.
fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

/// Returns whether a password goes to another machine in the clear.
fn exposes_password(node: &ConnectionInfo) -> bool {
    let ConnectionAddr::Tcp(host, _) = node.addr() else { return false };
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|host| host.to_canonical().is_loopback());
    node.redis_settings().password().is_some() && !is_here
}
