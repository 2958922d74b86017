//! The keys of `[routes.fallback]`.

use std::time::Duration;

use super::destinations::Destinations;
use crate::config::error::Invalid;
use crate::config::reader::{Table, Value};
use crate::config::route::FallbackConfig;
use crate::config::value;

/// Parses the fallback of a route; `None` if the route has none.
pub(super) fn parse(
    route: &mut Table<'_>,
    upstream: &str,
    timeout: Duration,
    destinations: &Destinations<'_>,
) -> Option<FallbackConfig> {
    let allowed = "a table such as { upstreams = [\"other\"], after = \"5s\" }";
    let mut table = route.value("fallback")?.table(allowed)?;
    let upstreams = upstreams(&mut table, upstream, destinations);
    let after = table.parse("after", |value| match value::duration(value)? {
        time if time > timeout => {
            Err(Invalid::new("longer than the timeout of the route").allowed(format!("up to {timeout:?}")))
        }
        time => Ok(time),
    });
    table.finish();
    Some(FallbackConfig { upstreams, after: after.unwrap_or(DEFAULT_AFTER.min(timeout)) })
}

fn upstreams(table: &mut Table<'_>, own: &str, destinations: &Destinations<'_>) -> Vec<String> {
    let allowed = "a list of up to 8 upstreams, such as [\"other\"]";
    let Some(value) = table.value("upstreams") else {
        table.report_missing("upstreams", allowed);
        return Vec::new();
    };
    let Some(items) = value.items(allowed) else { return Vec::new() };
    if items.is_empty() || items.len() > MAX_FALLBACKS {
        let message = if items.is_empty() { "empty" } else { "too many" };
        table.report("upstreams", Invalid::new(message).allowed(allowed));
    }
    let mut upstreams: Vec<String> = Vec::new();
    for item in items {
        let name = item.parse(|value| match destinations.upstream_name(value)? {
            name if name == own => {
                Err(Invalid::new("the upstream of the route itself").allowed("another one"))
            }
            name if upstreams.contains(&name) => Err(Invalid::new("stands here twice").allowed("each once")),
            name => Ok(name),
        });
        upstreams.extend(name);
    }
    upstreams
}

/// Returns the fallback names of a route that is not parsed yet, valid or not.
pub(super) fn peek<'a>(route: &Value<'a>) -> Vec<&'a str> {
    let names = route.inner("fallback").and_then(|fallback| fallback.inner("upstreams"));
    let items = names.filter(Value::is_list).and_then(|names| names.items(""));
    items.into_iter().flatten().filter_map(|name| name.as_str()).collect()
}

/// The default of `after`: the default of `per_try_timeout`, and shorter than people wait.
const DEFAULT_AFTER: Duration = Duration::from_secs(5);
/// More fallbacks than an operator needs.
const MAX_FALLBACKS: usize = 8;
