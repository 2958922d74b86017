//! Checks that compare several keys of a configuration.

use std::net::SocketAddr;

use super::error::Invalid;
use super::reader::Table;
use super::route::{HostPattern, RouteConfig};

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

/// Returns the problem of a route that never gets a request, because an earlier route matches all of them.
pub(super) fn find_unreachable(route: &RouteConfig, earlier: &[(String, RouteConfig)]) -> Option<Invalid> {
    let (path, _) = earlier.iter().find(|(_, earlier)| covers(earlier, route))?;
    let message = format!("never gets a request, because {path} takes all of them");
    Some(Invalid::new(message).allowed(format!("the narrower route first, or without {path}")))
}

/// Returns true if every request that `narrow` matches is also matched by `wide`.
fn covers(wide: &RouteConfig, narrow: &RouteConfig) -> bool {
    let path = wide.path_prefix == "/"
        || narrow
            .path_prefix
            .strip_prefix(&wide.path_prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let host = wide
        .host
        .as_ref()
        .is_none_or(|wide| narrow.host.as_ref().is_some_and(|narrow| covers_host(wide, narrow)));
    let methods = wide.methods.is_empty()
        || !narrow.methods.is_empty() && narrow.methods.iter().all(|method| wide.methods.contains(method));
    path && host && methods && wide.headers.iter().all(|header| narrow.headers.contains(header))
}

fn covers_host(wide: &HostPattern, narrow: &HostPattern) -> bool {
    match narrow {
        HostPattern::Exact(name) => wide.matches(name),
        HostPattern::SubdomainsOf(_) if wide == narrow => true,
        HostPattern::SubdomainsOf(parent) => {
            matches!(wide, HostPattern::SubdomainsOf(_)) && wide.matches(parent)
        }
    }
}
