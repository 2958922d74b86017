//! The keys of `[upstreams.NAME]`.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use http::Uri;
use http::uri::Scheme;

use crate::config::error::Invalid;
use crate::config::outlier::OutlierDetection;
use crate::config::profile::Profile;
use crate::config::reader::{Table, Value};
use crate::config::schema::connections;
use crate::config::upstream::{
    FairBy, HostRule, PaceConfig, Protocol, RetryBudget, UpstreamConfig, UpstreamTls,
};
use crate::config::{checks, parse_http, value};

/// Parses an upstream, with the defaults of a profile.
pub(super) fn parse(mut table: Table<'_>, profile: Profile, listen: Option<SocketAddr>) -> UpstreamConfig {
    let default = profile.upstream(endpoints(&mut table, listen));
    let protocol: Option<Protocol> = table.parse("protocol", value::keyword);
    let tls = tls(&mut table, &default.endpoints);
    let host: Option<HostRule> = table.parse("host", parse_http::host_rule);
    let connections = connections::parse(&mut table);
    let response_idle_timeout = table.parse("response_idle_timeout", value::duration_or_false);
    let wait_while_down = table.parse("wait_while_down", value::duration_or_zero);
    let max_requests = table.parse("max_requests", value::whole(1..=1_000_000));
    let max_pending_requests = table.parse("max_pending_requests", value::whole(1..=1_000_000));
    let retry_budget = retry_budget(&mut table);
    let outlier_detection = outlier_detection(&mut table);
    let pace = pace(&mut table, profile);
    let fleet = table.parse("fleet", value::boolean);
    table.finish();
    UpstreamConfig {
        protocol: protocol.unwrap_or(default.protocol),
        tls,
        host: host.unwrap_or(default.host),
        response_idle_timeout: response_idle_timeout.unwrap_or(default.response_idle_timeout),
        connections,
        wait_while_down: wait_while_down.unwrap_or(default.wait_while_down),
        max_requests: max_requests.map_or(default.max_requests, |count| count as usize),
        max_pending_requests: max_pending_requests
            .map_or(default.max_pending_requests, |count| count as usize),
        retry_budget,
        outlier_detection,
        pace,
        fleet: fleet.unwrap_or(default.fleet),
        endpoints: default.endpoints,
    }
}

fn endpoints(table: &mut Table<'_>, listen: Option<SocketAddr>) -> Vec<Uri> {
    let allowed = "at least one URL such as http://10.0.0.1:8080, in a list";
    let Some(value) = table.value("endpoints") else {
        table.report_missing("endpoints", allowed);
        return Vec::new();
    };
    let Some(items) = value.items(allowed) else { return Vec::new() };
    if items.is_empty() {
        table.report("endpoints", Invalid::new("empty").allowed(allowed));
    }
    let mut identities = BTreeSet::new();
    let endpoint = |item: Value<'_>| {
        item.parse(|value| {
            let endpoint = parse_http::endpoint(value)?;
            if listen.is_some_and(|listen| checks::is_own_listener(&endpoint, listen)) {
                return Err(Invalid::new("the gateway's own listen").allowed("the address of another server"));
            }
            match identities.insert(identity(&endpoint)) {
                true => Ok(endpoint),
                false => Err(Invalid::new("stands here twice")),
            }
        })
    };
    items.into_iter().filter_map(endpoint).collect()
}

/// Returns a value that is equal for URLs of the same server.
fn identity(endpoint: &Uri) -> (bool, String, u16) {
    let secure = endpoint.scheme() == Some(&Scheme::HTTPS);
    let port = endpoint.port_u16().unwrap_or(if secure { 443 } else { 80 });
    (secure, endpoint.host().unwrap_or_default().to_ascii_lowercase(), port)
}

fn tls(table: &mut Table<'_>, endpoints: &[Uri]) -> UpstreamTls {
    let Some(mut options) = table.value("tls").and_then(|value| value.table("{ ca = \"ca.pem\" }")) else {
        return UpstreamTls::default();
    };
    let ca = options.parse("ca", value::path).map(|ca| options.document.folder.join(ca));
    let is_plain = |endpoint: &Uri| endpoint.scheme() == Some(&Scheme::HTTP);
    if !endpoints.is_empty() && endpoints.iter().all(is_plain) {
        options.report_table(Invalid::new("no endpoint speaks TLS").allowed("endpoints with https"));
    }
    options.finish();
    UpstreamTls { ca }
}

fn retry_budget(table: &mut Table<'_>) -> Option<RetryBudget> {
    let mut budget = RetryBudget::default();
    let Some(value) = table.value("retry_budget") else { return Some(budget) };
    if let Some(is_on) = value.boolean() {
        return is_on.then_some(budget);
    }
    let mut table = value.table("a table, or false")?;
    budget.percent = table.parse("percent", value::whole(0..=100)).unwrap_or(budget.percent);
    let min = table.parse("min_retries_per_second", value::whole(0..=100_000));
    budget.min_retries_per_second = min.unwrap_or(budget.min_retries_per_second);
    table.finish();
    Some(budget)
}

fn outlier_detection(table: &mut Table<'_>) -> Option<OutlierDetection> {
    let default = OutlierDetection::default();
    let Some(value) = table.value("outlier_detection") else { return Some(default) };
    if let Some(is_on) = value.boolean() {
        return is_on.then_some(default);
    }
    let mut table = value.table("a table, or false")?;
    let mut whole = |key, range, default| table.parse(key, value::whole(range)).unwrap_or(default);
    let consecutive_5xx = whole("consecutive_5xx", 0..=1_000_000, default.consecutive_5xx);
    let threshold = whole("failure_percentage_threshold", 0..=100, default.failure_percentage_threshold);
    let volume =
        whole("failure_percentage_request_volume", 1..=1_000_000, default.failure_percentage_request_volume);
    let percent = whole("max_ejection_percent", 0..=100, default.max_ejection_percent);
    let panic = whole("healthy_panic_threshold", 0..=100, default.healthy_panic_threshold);
    let statuses = table.value("status_codes").and_then(|value| value.items("a list such as [503]"));
    let statuses = statuses.map(|statuses| {
        statuses.into_iter().filter_map(|status| status.parse(parse_http::server_error)).collect()
    });
    let mut time = |key, default| table.parse(key, value::duration).unwrap_or(default);
    let interval = time("interval", default.interval);
    let max_ejection_time = time("max_ejection_time", default.max_ejection_time);
    // A default must not contradict a key that is in the file.
    let base = time("base_ejection_time", default.base_ejection_time.min(max_ejection_time));
    if base > max_ejection_time {
        let invalid = Invalid::new("above max_ejection_time").allowed("up to max_ejection_time");
        table.report("base_ejection_time", invalid);
    }
    table.finish();
    Some(OutlierDetection {
        consecutive_5xx,
        status_codes: statuses.unwrap_or(default.status_codes),
        failure_percentage_threshold: threshold,
        failure_percentage_request_volume: volume,
        interval,
        base_ejection_time: base,
        max_ejection_time,
        max_ejection_percent: percent,
        healthy_panic_threshold: panic,
    })
}

fn pace(table: &mut Table<'_>, profile: Profile) -> Option<PaceConfig> {
    let Some(value) = table.value("pace") else { return profile.pace() };
    let mut pace = profile.pace().unwrap_or_default();
    if let Some(is_on) = value.boolean() {
        return is_on.then_some(pace);
    }
    let mut table = value.table("a table, or false")?;
    pace.key = table.parse("key", parse_http::pace_key).unwrap_or(pace.key);
    pace.model_header = table.parse("model_header", parse_http::model_header).unwrap_or(pace.model_header);
    pace.fair_by = fair_by(&mut table);
    pace.longest = table.parse("longest", value::duration).unwrap_or(pace.longest);
    pace.slow_start = table.parse("slow_start", value::boolean).unwrap_or(pace.slow_start);
    let waiters = table.parse("waiters", value::whole(0..=1_000_000));
    pace.waiters = waiters.map_or(pace.waiters, |count| count as usize);
    let keys = table.parse("keys", value::whole(1..=1_000_000));
    pace.keys = keys.map_or(pace.keys, |count| count as usize);
    table.finish();
    Some(pace)
}

fn fair_by(table: &mut Table<'_>) -> Option<FairBy> {
    let value = table.value("fair_by")?;
    match value.boolean() {
        Some(false) => None,
        _ => value.parse(parse_http::fair_by),
    }
}
