//! The keys of `[upstreams.NAME]` about connections.

use std::time::Duration;

use crate::config::connections::{ConnectionConfig, Http2Keepalive, TcpKeepalive};
use crate::config::error::Invalid;
use crate::config::reader::Table;
use crate::config::value;

/// Parses the settings of connections.
pub(super) fn parse(table: &mut Table<'_>) -> ConnectionConfig {
    let default = ConnectionConfig::default();
    let mut time = |key, default| table.parse(key, value::duration).unwrap_or(default);
    let connect_timeout = time("connect_timeout", default.connect_timeout);
    let pool_idle_timeout = time("pool_idle_timeout", default.pool_idle_timeout);
    let dns_refresh = time("dns_refresh", default.dns_refresh);
    let headers = table.parse("max_response_headers", value::whole(1..=10_000));
    let header_bytes = table.parse("max_response_header_bytes", |value| match value::size(value)? {
        bytes @ 8_192..=1_048_576 => Ok(bytes),
        _ => Err(Invalid::new("out of range").allowed("8KiB to 1MiB")),
    });
    ConnectionConfig {
        connect_timeout,
        pool_idle_timeout,
        max_connection_age: table
            .parse("max_connection_age", value::duration_or_false)
            .unwrap_or(default.max_connection_age),
        tcp_keepalive: tcp_keepalive(table),
        tcp_user_timeout: table
            .parse("tcp_user_timeout", value::duration_or_false)
            .unwrap_or(default.tcp_user_timeout),
        http2_keepalive: http2_keepalive(table),
        max_response_headers: headers.map_or(default.max_response_headers, |count| count as usize),
        max_response_header_bytes: header_bytes.unwrap_or(default.max_response_header_bytes),
        dns_refresh,
        // The schema of the whole file sets it.
        header_case: default.header_case,
    }
}

fn tcp_keepalive(table: &mut Table<'_>) -> Option<TcpKeepalive> {
    let mut keepalive = TcpKeepalive::default();
    let Some(value) = table.value("tcp_keepalive") else { return Some(keepalive) };
    if let Some(is_on) = value.boolean() {
        return is_on.then_some(keepalive);
    }
    if value.as_str().is_some() {
        keepalive.idle = value.parse(seconds)?;
        return Some(keepalive);
    }
    let mut table =
        value.table("{ idle = \"60s\", interval = \"10s\", probes = 3 }, a duration, or false")?;
    keepalive.idle = table.parse("idle", seconds).unwrap_or(keepalive.idle);
    keepalive.interval = table.parse("interval", seconds).unwrap_or(keepalive.interval);
    keepalive.probes = table.parse("probes", value::whole(1..=127)).unwrap_or(keepalive.probes);
    table.finish();
    Some(keepalive)
}

/// Parses a duration of whole seconds, which is what the system takes for these.
fn seconds(value: &toml::de::DeValue<'_>) -> Result<Duration, Invalid> {
    match value::duration(value)? {
        time if time.subsec_nanos() == 0 && time <= MAX_KEEPALIVE => Ok(time),
        _ => Err(Invalid::new("not a time that the system takes").allowed("whole seconds, from 1s to 9h")),
    }
}

fn http2_keepalive(table: &mut Table<'_>) -> Option<Http2Keepalive> {
    let mut keepalive = Http2Keepalive::default();
    let Some(value) = table.value("http2_keepalive") else { return Some(keepalive) };
    if let Some(is_on) = value.boolean() {
        return is_on.then_some(keepalive);
    }
    if value.as_str().is_some() {
        keepalive.interval = value.parse(value::duration)?;
        return Some(keepalive);
    }
    let mut table = value.table("{ interval = \"90s\", timeout = \"10s\" }, a duration, or false")?;
    keepalive.interval = table.parse("interval", value::duration).unwrap_or(keepalive.interval);
    keepalive.timeout = table.parse("timeout", value::duration).unwrap_or(keepalive.timeout);
    table.finish();
    Some(keepalive)
}

/// Linux takes up to 32,767 seconds for a probe's time and interval.
const MAX_KEEPALIVE: Duration = Duration::from_secs(9 * 3_600);
