//! The keys of `[[routes]]`.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::destinations::{Destinations, listed, upstream_name};
use super::{fallback, retry};
use crate::config::error::Wrong;
use crate::config::profile::Profile;
use crate::config::reader::{Table, Value};
use crate::config::route::Route;
use crate::config::{parse_http, value};

/// A route. Where it says nothing, its profile does.
pub(super) fn read(mut table: Table<'_>, destinations: &Destinations<'_>) -> Route {
    let upstream = upstream(&mut table, &destinations.names);
    let before = table.report.count();
    let profile: Profile = table.read("profile", value::word).unwrap_or_default();
    let timeout = table.read("timeout", value::duration);
    let is_known = table.report.count() == before;
    let paced = destinations.upstreams.get(&upstream).is_some_and(|upstream| upstream.pace.is_some());
    let default = Route::to(&upstream, profile, paced);

    let path_prefix = table.read("path_prefix", parse_http::path_prefix).unwrap_or(default.path_prefix);
    let host = table.read("host", parse_http::host_pattern);
    let methods = methods(&mut table);
    let headers = headers(&mut table);
    // What is not known contradicts nothing.
    let timeout = if is_known { timeout.unwrap_or(default.timeout) } else { Duration::MAX };
    let terms = retry::Terms { profile, paced, timeout, buffers: destinations.buffers };
    let retry = retry::read(&mut table, &terms);
    let fallback = fallback::read(&mut table, &upstream, timeout, destinations);
    table.finish();
    Route { path_prefix, host, methods, headers, upstream, timeout, profile, retry, fallback }
}

fn upstream(table: &mut Table<'_>, upstreams: &[&str]) -> String {
    let name = table.require("upstream", &listed(upstreams), |value| upstream_name(value, upstreams));
    name.unwrap_or_default()
}

fn methods(table: &mut Table<'_>) -> Vec<Method> {
    let allowed = "a list such as [\"GET\", \"HEAD\"]";
    let Some(items) = table.value("methods").and_then(|value| value.items(allowed)) else {
        return Vec::new();
    };
    if items.is_empty() {
        table.blame("methods", Wrong::new("empty").allowed(format!("{allowed}; without the key, all fit")));
    }
    items.into_iter().filter_map(|item| item.read(parse_http::method)).collect()
}

fn headers(table: &mut Table<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let allowed = "a table such as { x-tenant = \"blue\" }";
    let Some(table) = table.value("headers").and_then(|value| value.table(allowed)) else {
        return Vec::new();
    };
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (name, value) in table.entries() {
        match parse_http::header_name(name) {
            Err(wrong) => table.blame_key(name, wrong),
            Ok(name) if name == http::header::HOST => blame_host(&value),
            Ok(same) if headers.iter().any(|(name, _)| *name == same) => {
                table.blame_key(
                    name,
                    Wrong::new("stands here twice; case means nothing in the name of a header"),
                );
            }
            Ok(name) => headers.extend(value.read(parse_http::header_value).map(|value| (name, value))),
        }
    }
    headers
}

fn blame_host(value: &Value<'_>) {
    value.blame(Wrong::new("has a key of its own").allowed("the key host of the route"));
}
