//! Whose word about the way of a request counts.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use crate::message::headers::FORWARDED_FOR;

/// The proxies in front of the gateway that are believed.
#[derive(Debug)]
pub(crate) struct Trust(Vec<IpNet>);

impl Trust {
    pub(crate) fn new(proxies: &[IpNet]) -> Self {
        Self(proxies.to_vec())
    }

    pub(crate) fn covers(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// Who sent a request first, as far as those who are trusted tell: the first address from the right that is not
    /// theirs.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut told = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        while self.covers(client)
            && let Some(ip) = told.next().and_then(|told| address(told.trim()))
        {
            client = ip;
        }
        client
    }
}

/// With a port or without.
fn address(told: &str) -> Option<IpAddr> {
    let ip = told.parse().ok().or_else(|| Some(told.parse::<SocketAddr>().ok()?.ip()));
    ip.map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, lines: &[&'static str], expected: &str) {
        let trust = Trust::new(&["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, http::HeaderValue::from_static(line));
        }
        assert_eq!(trust.client(peer.parse().unwrap(), &headers).to_string(), expected, "{peer} {lines:?}");
    }

    #[test]
    fn the_client_is_the_first_that_is_not_trusted_from_the_right() {
        check("192.0.2.1", &["198.51.100.1"], "192.0.2.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["203.0.113.9, 198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["203.0.113.9, 198.51.100.1", "10.0.0.2"], "198.51.100.1");
        check("10.0.0.1", &["198.51.100.1:4711, fd00::1"], "198.51.100.1");
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        // Nobody can say what is before what cannot be read.
        check("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2");
    }
}
