//! Checks that compare several keys of a configuration.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use http::uri::Scheme;

use super::error::Invalid;
use super::reader::Table;

/// Checks that the two listeners have different ports, and that only operators reach the admin listener.
pub(super) fn listeners(
    root: &Table<'_>,
    listen: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    admin_public: bool,
) {
    if !admin_public && admin.is_some_and(|admin| !admin.ip().to_canonical().is_loopback()) {
        let allowed = "an address of this machine alone, or admin_public = true";
        root.report("admin", Invalid::new("others could ask it").allowed(allowed));
        return;
    }
    let (Some(listen), Some(admin)) = (listen, admin) else { return };
    let same_host = listen.ip() == admin.ip() || listen.ip().is_unspecified() || admin.ip().is_unspecified();
    // Port 0 stands for any free port.
    if listen.port() == admin.port() && listen.port() != 0 && same_host {
        root.report("admin", Invalid::new("the port that listen has").allowed("another port"));
    }
}

/// Returns whether an endpoint is the gateway's own listener, as far as its address tells.
pub(super) fn is_own_listener(endpoint: &Uri, listen: SocketAddr) -> bool {
    let default_port = if endpoint.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    if listen.port() != endpoint.port_u16().unwrap_or(default_port) {
        return false;
    }
    let host = endpoint.host().unwrap_or_default().trim_matches(['[', ']']);
    let own = listen.ip().to_canonical();
    if host.eq_ignore_ascii_case("localhost") {
        return own.is_unspecified() || own.is_loopback();
    }
    host.parse::<IpAddr>().is_ok_and(|host| {
        let host = host.to_canonical();
        host == own || host.is_unspecified() || own.is_unspecified() && host.is_loopback()
    })
}
