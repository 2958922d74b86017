//! Trusted proxies: the addresses whose forwarding headers count.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use crate::message::headers::FORWARDED_FOR;

/// The networks of the proxies in front of the gateway whose forwarding headers count.
#[derive(Debug)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub(crate) fn new(proxies: &[IpNet]) -> Self {
        Self(proxies.to_vec())
    }

    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// Returns the address of the client that sent a request first, as far as trusted proxies tell it: the
    /// first address of `X-Forwarded-For`, from the right, that is not a trusted proxy.
    pub(crate) fn client_ip(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut items = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        while self.contains(client)
            && let Some(ip) = items.next().and_then(|item| parse_address(item.trim()))
        {
            client = ip;
        }
        client
    }
}

/// Parses an address with or without a port.
fn parse_address(item: &str) -> Option<IpAddr> {
    let ip = item.parse().ok().or_else(|| Some(item.parse::<SocketAddr>().ok()?.ip()));
    ip.map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, lines: &[&'static str], expected: &str) {
        let proxies = TrustedProxies::new(&["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, http::HeaderValue::from_static(line));
        }
        let client = proxies.client_ip(peer.parse().unwrap(), &headers);
        assert_eq!(client.to_string(), expected, "{peer} {lines:?}");
    }

    #[test]
    fn the_client_is_the_first_address_from_the_right_that_is_not_trusted() {
        check("192.0.2.1", &["198.51.100.1"], "192.0.2.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["203.0.113.9, 198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["203.0.113.9, 198.51.100.1", "10.0.0.2"], "198.51.100.1");
        check("10.0.0.1", &["198.51.100.1:4711, fd00::1"], "198.51.100.1");
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        // The search ends at an item that is no address, because nothing before it can be trusted.
        check("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2");
    }
}
