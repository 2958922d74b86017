//! Finds the route of a request among many: an index by host, then by path prefix, then by a header.

use std::borrow::Cow;
use std::collections::HashMap;

use http::{HeaderName, Request};

use crate::config::{HostPattern, RouteConfig};
use crate::proxy::route_match::{self, host};

/// An index of routes. It finds the same route as a search from the first to the last.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    any_host: PathIndex,
    hosts: HashMap<Box<str>, PathIndex>,
    /// The routes of all subdomains of a host.
    subdomains: HashMap<Box<str>, PathIndex>,
    /// The lengths of the names in `subdomains`. Each costs one look-up.
    subdomain_lengths: Vec<usize>,
    /// The number of routes.
    len: usize,
}

/// The routes with the same pattern for hosts, by path prefix without the last `/`.
#[derive(Debug, Default)]
struct PathIndex {
    prefixes: HashMap<Box<str>, HeaderIndex>,
    /// The lengths of the prefixes. Each costs one look-up, however many prefixes there are.
    lengths: Vec<usize>,
}

/// The routes with the same host and path prefix, by the first header that they ask for.
#[derive(Debug, Default)]
struct HeaderIndex {
    /// The routes that ask for no header, in their order.
    plain: Vec<usize>,
    by_header: Vec<(HeaderName, RoutesByValue)>,
}

/// The routes that ask for a header, by its value.
type RoutesByValue = HashMap<Box<[u8]>, Vec<usize>>;

impl RouteTable {
    pub(crate) fn new<'a>(routes: impl IntoIterator<Item = &'a RouteConfig>) -> Self {
        let mut table = Self::default();
        for (number, route) in routes.into_iter().enumerate() {
            let paths = match &route.host {
                None => &mut table.any_host,
                Some(HostPattern::Exact(name)) => {
                    table.hosts.entry(name.to_ascii_lowercase().into()).or_default()
                }
                Some(HostPattern::SubdomainsOf(parent)) => {
                    insert_sorted(&mut table.subdomain_lengths, parent.len());
                    table.subdomains.entry(parent.to_ascii_lowercase().into()).or_default()
                }
            };
            paths.insert(route, number);
            table.len = number + 1;
        }
        table
    }

    /// Returns the index of the first route that matches a request. `route` returns the route with an index.
    pub(crate) fn find<'a, B>(
        &self,
        request: &Request<B>,
        route: impl Fn(usize) -> &'a RouteConfig,
    ) -> Option<usize> {
        if self.len <= MAX_LINEAR {
            return (0..self.len).find(|number| route_match::matches(route(*number), request));
        }
        let mut search = Search { request, route, first: None };
        self.any_host.find(&mut search);
        if self.hosts.is_empty() && self.subdomains.is_empty() {
            return search.first;
        }
        let Some(host) = host(request).map(lowercase) else { return search.first };
        if let Some(paths) = self.hosts.get(&*host) {
            paths.find(&mut search);
        }
        for length in &self.subdomain_lengths {
            // Before the dot, there is at least one byte.
            let dot =
                host.len().checked_sub(length + 1).filter(|dot| *dot > 0 && host.as_bytes()[*dot] == b'.');
            if let Some(paths) = dot.and_then(|dot| self.subdomains.get(host.get(dot + 1..)?)) {
                paths.find(&mut search);
            }
        }
        search.first
    }
}

/// One search, with the first route that it has found.
struct Search<'r, B, F> {
    request: &'r Request<B>,
    route: F,
    first: Option<usize>,
}

impl<'a, B, F: Fn(usize) -> &'a RouteConfig> Search<'_, B, F> {
    /// Takes the first route of a list that matches and comes before the one that was found. The index knows nothing of
    /// methods and further headers.
    fn try_all(&mut self, numbers: &[usize]) {
        let end = self.first.unwrap_or(usize::MAX);
        let mut earlier = numbers.iter().copied().take_while(|number| *number < end);
        if let Some(number) = earlier.find(|number| route_match::matches((self.route)(*number), self.request))
        {
            self.first = Some(number);
        }
    }
}

impl PathIndex {
    fn insert(&mut self, route: &RouteConfig, number: usize) {
        let prefix = route_match::without_last_slash(&route.path_prefix);
        insert_sorted(&mut self.lengths, prefix.len());
        let headers = self.prefixes.entry(prefix.into()).or_default();
        let Some((name, value)) = route.headers.first() else { return headers.plain.push(number) };
        let of_name = match headers.by_header.iter().position(|(known, _)| known == name) {
            Some(place) => place,
            None => {
                headers.by_header.push((name.clone(), HashMap::new()));
                headers.by_header.len() - 1
            }
        };
        headers.by_header[of_name].1.entry(value.as_bytes().into()).or_default().push(number);
    }

    fn find<'a, B, F: Fn(usize) -> &'a RouteConfig>(&self, search: &mut Search<'_, B, F>) {
        let path = route_match::path(search.request);
        for length in &self.lengths {
            // A prefix matches whole segments.
            if path.len() < *length || path.as_bytes().get(*length).is_some_and(|byte| *byte != b'/') {
                continue;
            }
            let Some(headers) = path.get(..*length).and_then(|prefix| self.prefixes.get(prefix)) else {
                continue;
            };
            search.try_all(&headers.plain);
            for (name, values) in &headers.by_header {
                for value in search.request.headers().get_all(name) {
                    if let Some(numbers) = values.get(value.as_bytes()) {
                        search.try_all(numbers);
                    }
                }
            }
        }
    }
}

/// Inserts a number into a sorted list that has each number once.
fn insert_sorted(list: &mut Vec<usize>, number: usize) {
    if let Err(place) = list.binary_search(&number) {
        list.insert(place, number);
    }
}

/// Returns a host in lower case. Most hosts are, and need no copy.
fn lowercase(host: String) -> Cow<'static, str> {
    match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => host.to_ascii_lowercase().into(),
        false => host.into(),
    }
}

/// The largest table that is searched from the first route to the last, which costs less than the look-ups there.
const MAX_LINEAR: usize = 4;

#[cfg(test)]
mod tests;
