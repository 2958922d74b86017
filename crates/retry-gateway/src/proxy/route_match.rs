//! Finds the route of a request.

use http::{HeaderMap, Method, Request};

use crate::config::{self, Config};
use crate::message::headers;

impl Config {
    /// Returns the first route that matches a request with this head.
    ///
    /// # Errors
    ///
    /// Returns an error if `target` is no URI.
    pub fn route(
        &self,
        method: &Method,
        target: &str,
        headers: &HeaderMap,
    ) -> http::Result<Option<&config::RouteConfig>> {
        let mut request = Request::builder().method(method.clone()).uri(target).body(())?;
        *request.headers_mut() = headers.clone();
        Ok(self.routes.iter().find(|route| matches(route, &request)))
    }
}

/// Returns whether a route matches a request.
pub(crate) fn matches<B>(route: &config::RouteConfig, request: &Request<B>) -> bool {
    has_prefix(path(request), &route.path_prefix)
        && (route.methods.is_empty() || route.methods.contains(request.method()))
        && route.host.as_ref().is_none_or(|pattern| host(request).is_some_and(|host| pattern.matches(&host)))
        && route
            .headers
            .iter()
            .all(|(name, value)| request.headers().get_all(name).iter().any(|actual| actual == value))
}

/// Returns the path of a request. `OPTIONS *` is about the server as a whole (RFC 9110 section 9.3.7), so it has no
/// path, and only the prefix of all paths matches.
pub(crate) fn path<B>(request: &Request<B>) -> &str {
    match request.uri().path() {
        "*" if request.method() == Method::OPTIONS => "",
        path => path,
    }
}

/// Compares by segments: `/v1` is a prefix of `/v1` and `/v1/x`, and not of `/v10`.
fn has_prefix(path: &str, prefix: &str) -> bool {
    let prefix = without_last_slash(prefix);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns a prefix without the `/` at its end, which only the prefix of all paths has.
pub(crate) fn without_last_slash(prefix: &str) -> &str {
    prefix.strip_suffix('/').unwrap_or(prefix)
}

/// Returns the host of a request without its port.
pub(crate) fn host<B>(request: &Request<B>) -> Option<String> {
    let authority = headers::host_of(request)?;
    let authority = http::uri::Authority::try_from(authority.as_bytes()).ok()?;
    Some(authority.host().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HostPattern, Profile, RouteConfig};

    fn route(change: impl FnOnce(&mut RouteConfig)) -> RouteConfig {
        let mut route = RouteConfig::with_upstream("api", Profile::Default, false);
        change(&mut route);
        route
    }

    #[track_caller]
    fn check(route: &RouteConfig, method: &str, uri: &str, headers: &[(&str, &str)], expected: bool) {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        assert_eq!(matches(route, &request.body(()).unwrap()), expected, "{method} {uri} {headers:?}");
    }

    #[test]
    fn paths_match_by_segments() {
        let v1 = route(|route| route.path_prefix = "/v1".into());
        for (path, expected) in
            [("/v1", true), ("/v1/", true), ("/v1/x?y", true), ("/v10", false), ("/", false)]
        {
            check(&v1, "GET", path, &[], expected);
        }
        check(&route(|_| {}), "GET", "/anything", &[], true);
        check(&route(|_| {}), "OPTIONS", "*", &[], true);
        check(&route(|_| {}), "GET", "*", &[], false);
        check(&v1, "OPTIONS", "*", &[], false);
    }

    #[test]
    fn hosts_match_in_any_case_and_with_any_port() {
        let exact = route(|route| route.host = Some(HostPattern::Exact("api.example".into())));
        check(&exact, "GET", "/", &[("host", "API.example:8080")], true);
        check(&exact, "GET", "http://api.example/", &[("host", "other")], true);
        check(&exact, "GET", "/", &[("host", "www.api.example")], false);
        check(&exact, "GET", "/", &[], false);
        let below = route(|route| route.host = Some(HostPattern::SubdomainsOf("example".into())));
        check(&below, "GET", "/", &[("host", "a.b.example")], true);
        check(&below, "GET", "/", &[("host", "example")], false);
    }

    #[test]
    fn methods_and_headers_match_exactly() {
        let posts = route(|route| route.methods = vec![Method::POST]);
        check(&posts, "POST", "/", &[], true);
        check(&posts, "GET", "/", &[], false);
        let beta = route(|route| route.headers = vec![("x-beta".parse().unwrap(), "1".parse().unwrap())]);
        check(&beta, "GET", "/", &[("x-beta", "0"), ("x-beta", "1")], true);
        check(&beta, "GET", "/", &[("x-beta", "10")], false);
        check(&beta, "GET", "/", &[], false);
    }
}
