//! What is wrong only in the light of something else.

use std::net::SocketAddr;

use super::error::Wrong;
use super::reader::Table;
use super::route::{HostPattern, Route};

/// Two listeners must not want the same port, and not everybody is an operator.
pub(super) fn listeners(
    root: &Table<'_>,
    listen: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    is_public: bool,
) {
    if !is_public && admin.is_some_and(|admin| !admin.ip().to_canonical().is_loopback()) {
        let allowed = "an address of this machine alone, or admin_public = true";
        root.blame("admin", Wrong::new("others could ask it").allowed(allowed));
        return;
    }
    let (Some(listen), Some(admin)) = (listen, admin) else { return };
    let same_host = listen.ip() == admin.ip() || listen.ip().is_unspecified() || admin.ip().is_unspecified();
    // Port 0 is any that is free.
    if listen.port() == admin.port() && listen.port() != 0 && same_host {
        root.blame("admin", Wrong::new("the port that listen has").allowed("another port"));
    }
}

/// What is wrong with a route of which earlier ones take every request.
pub(super) fn never_fits(route: &Route, earlier: &[(String, Route)]) -> Option<Wrong> {
    let (path, _) = earlier.iter().find(|(_, earlier)| covers(earlier, route))?;
    let what = format!("never gets a request, because {path} takes all of them");
    Some(Wrong::new(what).allowed(format!("the narrower route first, or without {path}")))
}

/// Whether every request that fits `narrow` fits `wide` too.
fn covers(wide: &Route, narrow: &Route) -> bool {
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
        HostPattern::Exact(name) => wide.fits(name),
        HostPattern::Below(_) if wide == narrow => true,
        HostPattern::Below(parent) => matches!(wide, HostPattern::Below(_)) && wide.fits(parent),
    }
}
