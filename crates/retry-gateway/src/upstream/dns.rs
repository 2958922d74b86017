//! The names among the endpoints of an upstream. Each address of a name is an endpoint, and a name is looked up again
//! now and then.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use tokio::net::{TcpStream, lookup_host};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::upstream::balancer::Balancer;
use crate::upstream::endpoint::Endpoint;
use crate::upstream::endpoint_factory::EndpointFactory;

/// Follows the addresses of the names among `uris`, until the balancer is gone.
///
/// Without a runtime, as in a check of a configuration, nothing is looked up.
pub(crate) fn follow(balancer: &Arc<Balancer>, factory: EndpointFactory, uris: &[Uri]) {
    let (true, Ok(runtime)) = (uris.iter().any(is_name), Handle::try_current()) else { return };
    let interval = factory.connections.config.dns_refresh;
    let names = NameResolver { balancer: Arc::downgrade(balancer), factory, uris: uris.to_vec() };
    runtime.spawn(async move {
        while names.refresh().await {
            tokio::time::sleep(interval).await;
        }
    });
}

/// Looks up the names of one upstream.
struct NameResolver {
    balancer: Weak<Balancer>,
    factory: EndpointFactory,
    /// The endpoints as the configuration has them.
    uris: Vec<Uri>,
}

impl NameResolver {
    /// Looks up all names once. Returns false if the balancer is gone.
    async fn refresh(&self) -> bool {
        let mut found = Vec::with_capacity(self.uris.len());
        for uri in &self.uris {
            found.push(if is_name(uri) { self.addresses(uri).await } else { None });
        }
        let Some(balancer) = self.balancer.upgrade() else { return false };
        let before = balancer.endpoints.load_full();
        let mut endpoints = Vec::new();
        for (uri, found) in self.uris.iter().zip(found) {
            let known = before.iter().filter(|endpoint| endpoint.uri() == uri);
            match found {
                Some(addresses) => endpoints
                    .extend(addresses.iter().filter_map(|address| self.endpoint(&before, uri, *address))),
                // It is an address itself, or the look-up failed. Those that were found last may still serve.
                None => endpoints.extend(known.cloned()),
            }
        }
        let is_same = endpoints.len() == before.len()
            && endpoints.iter().zip(before.iter()).all(|(now, before)| Arc::ptr_eq(now, before));
        // An endpoint that is left out lives until its last request has ended.
        if !is_same && !endpoints.is_empty() {
            if let Some(outliers) = &balancer.outliers {
                outliers.resize(endpoints.len());
            }
            balancer.endpoints.store(Arc::new(endpoints));
        }
        true
    }

    /// Returns the endpoint of an address, which is the one from before if there is one.
    fn endpoint(&self, before: &[Arc<Endpoint>], uri: &Uri, address: IpAddr) -> Option<Arc<Endpoint>> {
        let is_it = |endpoint: &&Arc<Endpoint>| endpoint.uri() == uri && endpoint.address() == Some(address);
        match before.iter().find(is_it) {
            Some(endpoint) => Some(Arc::clone(endpoint)),
            // The same settings have made the endpoint of the configuration, so this does not fail.
            None => self.factory.create(uri, Some(address)).ok(),
        }
    }

    /// Returns the addresses of a name, or `None` if the look-up fails.
    async fn addresses(&self, uri: &Uri) -> Option<BTreeSet<IpAddr>> {
        let (host, port) = (uri.host()?, port(uri));
        let found: io::Result<Vec<SocketAddr>> =
            timeout(LOOKUP_TIMEOUT, lookup_host((host, port))).await.ok()?.map(Iterator::collect);
        let found = found.ok().filter(|found| !found.is_empty())?;
        let is_ipv6 = self.prefers_ipv6(&found).await;
        Some(found.iter().filter(|address| address.is_ipv6() == is_ipv6).map(SocketAddr::ip).collect())
    }

    /// Chooses between the families of addresses. A name may have addresses of a family that the server does not
    /// listen on, or that this machine does not reach. As a client would (RFC 8305), the gateway takes the first family
    /// with an address that takes a connection.
    async fn prefers_ipv6(&self, found: &[SocketAddr]) -> bool {
        let first = found[0].is_ipv6();
        let of_family =
            |is_ipv6: bool| found.iter().copied().filter(move |address| address.is_ipv6() == is_ipv6);
        if of_family(!first).next().is_none() {
            return first;
        }
        let connect_timeout = self.factory.connections.config.connect_timeout;
        for family in [first, !first] {
            let addresses: Vec<_> = of_family(family).collect();
            if let Ok(Ok(_)) = timeout(connect_timeout, TcpStream::connect(&addresses[..])).await {
                return family;
            }
        }
        first
    }
}

/// Returns whether the host of an endpoint is a name.
fn is_name(uri: &Uri) -> bool {
    uri.host().is_some_and(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().is_err())
}

fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 })
}

/// The longest time for a look-up. It outlasts two tries of the system's resolver.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(12);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_no_name() {
        for (uri, expected) in [
            ("http://api.example", true),
            ("https://localhost:8080", true),
            ("http://10.0.0.1:80", false),
            ("http://[::1]:80", false),
        ] {
            assert_eq!(is_name(&Uri::from_static(uri)), expected, "{uri}");
        }
    }
}
