//! The keys of `[limits]`.

use toml::de::DeValue;

use crate::config::error::Invalid;
use crate::config::limits::Limits;
use crate::config::reader::Table;
use crate::config::value;

/// Parses the limits on clients.
pub(super) fn parse(root: &mut Table<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(mut table) = root.value("limits").and_then(|value| value.table("{ connections = 10000 }"))
    else {
        return limits;
    };
    let connections = table.parse("connections", value::whole(1..=1_000_000));
    limits.connections = connections.map_or(limits.connections, |count| count as usize);
    let headers = table.parse("headers", value::whole(1..=1_000));
    limits.headers = headers.map_or(limits.headers, |count| count as usize);
    limits.header_bytes = table.parse("header_bytes", header_bytes).unwrap_or(limits.header_bytes);
    for (key, timeout) in [
        ("header_timeout", &mut limits.header_timeout),
        ("idle_timeout", &mut limits.idle_timeout),
        ("body_timeout", &mut limits.body_timeout),
        ("write_timeout", &mut limits.write_timeout),
        ("tunnel_idle_timeout", &mut limits.tunnel_idle_timeout),
    ] {
        *timeout = table.parse(key, value::duration).unwrap_or(*timeout);
    }
    limits.body_min_rate = table.parse("body_min_rate", min_rate).unwrap_or(limits.body_min_rate);
    let streams = table.parse("max_concurrent_streams", value::whole(1..=10_000));
    limits.max_concurrent_streams = streams.unwrap_or(limits.max_concurrent_streams);
    table.finish();
    limits
}

fn min_rate(value: &DeValue<'_>) -> Result<Option<u32>, Invalid> {
    match value.as_bool() {
        Some(false) => Ok(None),
        _ => value::whole(1..=1_000_000)(value)
            .map(Some)
            .map_err(|invalid| invalid.allowed("1 to 1000000 bytes a second, or false")),
    }
}

fn header_bytes(value: &DeValue<'_>) -> Result<usize, Invalid> {
    match value::size(value)? {
        bytes @ 8_192..=1_048_576 => Ok(bytes),
        _ => Err(Invalid::new("out of range").allowed("8KiB to 1MiB")),
    }
}
