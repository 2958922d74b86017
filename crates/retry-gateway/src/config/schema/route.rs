//! The keys of `[[routes]]`.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::destinations::Destinations;
use super::{fallback, retry};
use crate::config::error::Invalid;
use crate::config::profile::Profile;
use crate::config::reader::{Table, Value};
use crate::config::route::RouteConfig;
use crate::config::{parse_http, value};

/// Parses a route. Its profile sets the defaults.
pub(super) fn parse(mut table: Table<'_>, destinations: &Destinations<'_>) -> RouteConfig {
    let upstream = upstream(&mut table, destinations);
    let before = table.document.problem_count();
    let profile: Profile = table.parse("profile", value::keyword).unwrap_or_default();
    let timeout = table.parse("timeout", value::duration);
    let is_valid = table.document.problem_count() == before;
    let paced = destinations.upstreams.get(&upstream).is_some_and(|upstream| upstream.pace.is_some());
    let default = RouteConfig::with_upstream(&upstream, profile, paced);

    let path_prefix = table.parse("path_prefix", parse_http::path_prefix).unwrap_or(default.path_prefix);
    let host = table.parse("host", parse_http::host_pattern);
    let methods = methods(&mut table);
    let headers = headers(&mut table);
    // An invalid timeout must not contradict other keys.
    let timeout = if is_valid { timeout.unwrap_or(default.timeout) } else { Duration::MAX };
    let context = retry::RouteContext { profile, paced, timeout, buffers: destinations.buffers };
    let retry = retry::parse(&mut table, &context);
    let fallback = fallback::parse(&mut table, &upstream, timeout, destinations);
    table.finish();
    RouteConfig { path_prefix, host, methods, headers, upstream, timeout, profile, retry, fallback }
}

fn upstream(table: &mut Table<'_>, destinations: &Destinations<'_>) -> String {
    let allowed = destinations.listed();
    let name = table.require("upstream", &allowed, |value| destinations.upstream_name(value));
    name.unwrap_or_default()
}

fn methods(table: &mut Table<'_>) -> Vec<Method> {
    let allowed = "a list such as [\"GET\", \"HEAD\"]";
    let Some(items) = table.value("methods").and_then(|value| value.items(allowed)) else {
        return Vec::new();
    };
    if items.is_empty() {
        table
            .report("methods", Invalid::new("empty").allowed(format!("{allowed}; without the key, all fit")));
    }
    items.into_iter().filter_map(|item| item.parse(parse_http::method)).collect()
}

fn headers(table: &mut Table<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let allowed = "a table such as { x-tenant = \"blue\" }";
    let Some(table) = table.value("headers").and_then(|value| value.table(allowed)) else {
        return Vec::new();
    };
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (name, value) in table.entries() {
        match parse_http::header_name(name) {
            Err(invalid) => table.report_key(name, invalid),
            Ok(name) if name == http::header::HOST => report_host(&value),
            Ok(same) if headers.iter().any(|(name, _)| *name == same) => {
                table.report_key(
                    name,
                    Invalid::new("stands here twice; case means nothing in the name of a header"),
                );
            }
            Ok(name) => headers.extend(value.parse(parse_http::header_value).map(|value| (name, value))),
        }
    }
    headers
}

fn report_host(value: &Value<'_>) {
    value.report(Invalid::new("has a key of its own").allowed("the key host of the route"));
}
