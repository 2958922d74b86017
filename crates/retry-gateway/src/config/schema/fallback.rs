//! The keys of `[routes.fallback]`.

use std::time::Duration;

use super::destinations::{Destinations, upstream_name};
use crate::config::error::Wrong;
use crate::config::reader::{Table, Value};
use crate::config::route::Fallback;
use crate::config::value;

/// Where requests go that the route's `upstream` cannot take; `None` where nothing is said.
pub(super) fn read(
    route: &mut Table<'_>,
    upstream: &str,
    timeout: Duration,
    destinations: &Destinations<'_>,
) -> Option<Fallback> {
    let allowed = "a table such as { upstreams = [\"other\"], after = \"5s\" }";
    let mut table = route.value("fallback")?.table(allowed)?;
    let upstreams = upstreams(&mut table, upstream, destinations);
    let after = table.read("after", |value| match value::duration(value)? {
        time if time > timeout => {
            Err(Wrong::new("longer than the timeout of the route").allowed(format!("up to {timeout:?}")))
        }
        time => Ok(time),
    });
    table.finish();
    Some(Fallback { upstreams, after: after.unwrap_or(AFTER.min(timeout)) })
}

fn upstreams(table: &mut Table<'_>, own: &str, destinations: &Destinations<'_>) -> Vec<String> {
    let allowed = "a list of up to 8 upstreams, such as [\"other\"]";
    let Some(value) = table.value("upstreams") else {
        table.miss("upstreams", allowed);
        return Vec::new();
    };
    let Some(items) = value.items(allowed) else { return Vec::new() };
    if items.is_empty() || items.len() > MOST {
        let what = if items.is_empty() { "empty" } else { "too many" };
        table.blame("upstreams", Wrong::new(what).allowed(allowed));
    }
    let mut upstreams: Vec<String> = Vec::new();
    for item in items {
        let name = item.read(|value| match upstream_name(value, &destinations.names)? {
            name if name == own => Err(Wrong::new("the upstream of the route itself").allowed("another one")),
            name if upstreams.contains(&name) => Err(Wrong::new("stands here twice").allowed("each once")),
            name => Ok(name),
        });
        upstreams.extend(name);
    }
    upstreams
}

/// The names in a route that was not read yet, be they right or wrong.
pub(super) fn peek<'a>(route: &Value<'a>) -> Vec<&'a str> {
    let names = route.inner("fallback").and_then(|fallback| fallback.inner("upstreams"));
    let items = names.filter(Value::is_list).and_then(|names| names.items(""));
    items.into_iter().flatten().filter_map(|name| name.as_str()).collect()
}

/// As long as one try may take by default, and shorter than what people wait for.
const AFTER: Duration = Duration::from_secs(5);
/// More than anybody has.
const MOST: usize = 8;
