//! Finds routes that never get a request, because an earlier route takes all of them.

use std::collections::HashMap;
use std::iter::once;

use http::{HeaderName, HeaderValue};

use super::error::Invalid;
use super::route::{HostPattern, RouteConfig};

/// The routes that stand before the next one, by what a route that covers it has in common with it. A file may have many
/// routes, so each is compared only with those few.
#[derive(Debug, Default)]
pub(super) struct EarlierRoutes {
    /// Each with its path in the file.
    routes: Vec<(String, RouteConfig)>,
    by_key: HashMap<RouteKey, Vec<usize>>,
}

/// The properties of a route that the index knows: its host, its path prefix, and the first header that it asks for.
#[derive(Debug, PartialEq, Eq, Hash)]
struct RouteKey(Option<HostPattern>, String, Option<(HeaderName, HeaderValue)>);

impl EarlierRoutes {
    pub(super) fn push(&mut self, path: String, route: RouteConfig) {
        let key = RouteKey(route.host.clone(), route.path_prefix.clone(), route.headers.first().cloned());
        self.by_key.entry(key).or_default().push(self.routes.len());
        self.routes.push((path, route));
    }

    /// Returns the problem of a route that never gets a request, because an earlier route matches all of them.
    pub(super) fn find_unreachable(&self, route: &RouteConfig) -> Option<Invalid> {
        let covering = |numbers: &Vec<usize>| {
            numbers.iter().copied().find(|number| covers(&self.routes[*number].1, route))
        };
        let first = self.candidates(route).into_iter().filter_map(covering).min();
        let (path, _) = &self.routes[first?];
        let message = format!("never gets a request, because {path} takes all of them");
        Some(Invalid::new(message).allowed(format!("the narrower route first, or without {path}")))
    }

    /// Returns the lists of the routes whose host, path prefix and first header cover those of `route`.
    pub(super) fn candidates(&self, route: &RouteConfig) -> Vec<&Vec<usize>> {
        let (hosts, prefixes) = (covering_hosts(route.host.as_ref()), covering_prefixes(&route.path_prefix));
        let mut candidates = Vec::new();
        for host in &hosts {
            for prefix in &prefixes {
                for header in route.headers.iter().map(Some).chain(once(None)) {
                    let key = RouteKey(host.clone(), (*prefix).to_owned(), header.cloned());
                    candidates.extend(self.by_key.get(&key));
                }
            }
        }
        candidates
    }

    pub(super) fn into_routes(self) -> Vec<RouteConfig> {
        self.routes.into_iter().map(|(_, route)| route).collect()
    }
}

/// Returns the hosts of routes that may cover one with the host `narrow`: all hosts, the same, and the subdomains of each
/// parent.
fn covering_hosts(narrow: Option<&HostPattern>) -> Vec<Option<HostPattern>> {
    let name = match narrow {
        None => "",
        Some(HostPattern::Exact(name) | HostPattern::SubdomainsOf(name)) => name,
    };
    let parents =
        name.match_indices('.').map(|(dot, _)| HostPattern::SubdomainsOf(name[dot + 1..].to_owned()));
    once(None).chain(narrow.cloned().into_iter().chain(parents).map(Some)).collect()
}

/// Returns the path prefixes of routes that may cover one with the prefix `narrow`: all paths, and each of its parts that
/// ends with a segment.
fn covering_prefixes(narrow: &str) -> Vec<&str> {
    let mut prefixes = vec!["/"];
    prefixes
        .extend(narrow.match_indices('/').map(|(slash, _)| &narrow[..slash]).filter(|part| !part.is_empty()));
    if narrow != "/" {
        prefixes.push(narrow);
    }
    prefixes
}

/// Returns whether every request that `narrow` matches is also matched by `wide`, whose host, path prefix and first header
/// cover those of `narrow`.
fn covers(wide: &RouteConfig, narrow: &RouteConfig) -> bool {
    let methods = wide.methods.is_empty()
        || !narrow.methods.is_empty() && narrow.methods.iter().all(|method| wide.methods.contains(method));
    methods && wide.headers.iter().all(|header| narrow.headers.contains(header))
}
