//! The endpoints of an upstream as the gateway sees them: each address of a name is one.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use http::Uri;
use http::uri::Authority;

use crate::config::UpstreamConfig;

/// Returns an upstream with the addresses of its names in the place of the names. A name that the system cannot look up stays
/// one endpoint.
pub fn with_addresses(upstream: &UpstreamConfig) -> UpstreamConfig {
    let endpoints = upstream.endpoints.iter().flat_map(|uri| match addresses(uri) {
        addresses if addresses.is_empty() => vec![uri.clone()],
        addresses => addresses,
    });
    UpstreamConfig { endpoints: endpoints.collect(), ..upstream.clone() }
}

/// Returns the URL of each address of a name. It is empty for an address, and for a name without addresses.
fn addresses(uri: &Uri) -> Vec<Uri> {
    let Some(host) = uri.host().filter(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().is_err())
    else {
        return Vec::new();
    };
    let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let found = (host, uri.port_u16().unwrap_or(default_port)).to_socket_addrs();
    let found: BTreeSet<SocketAddr> = found.into_iter().flatten().collect();
    let with_address = |address: SocketAddr| {
        let mut parts = uri.clone().into_parts();
        parts.authority = Some(Authority::try_from(address.to_string()).ok()?);
        Uri::from_parts(parts).ok()
    };
    found.into_iter().filter_map(with_address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_that_is_known_has_addresses() {
        let of = |url: &str| {
            let upstream = UpstreamConfig::with_endpoints(vec![url.parse().unwrap()]);
            with_addresses(&upstream).endpoints.iter().map(Uri::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of("http://10.0.0.1:81"), ["http://10.0.0.1:81/"]);
        assert_eq!(of("http://[::1]"), ["http://[::1]/"]);
        assert_eq!(of("https://nowhere.invalid"), ["https://nowhere.invalid/"]);
        let local = of("http://localhost:81");
        assert!(local.contains(&"http://127.0.0.1:81/".to_owned()), "{local:?}");
        assert!(local.iter().all(|url| url.ends_with(":81/")), "{local:?}");
    }
}
