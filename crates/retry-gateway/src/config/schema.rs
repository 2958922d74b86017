//! The keys of the configuration file: each is looked up, parsed and checked here or in a module of its
//! table.

mod connections;
mod destinations;
mod fallback;
mod fleet;
mod limits;
mod retry;
mod route;
mod upstream;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use ipnet::IpNet;
use toml::de::DeTable;

use self::destinations::Destinations;
use super::connections::HeaderCase;
use super::error::{ConfigError, ConfigProblem, Invalid, MAX_PROBLEMS, Position};
use super::keywords::Keyword as _;
use super::limits::DRAIN_TIMEOUT;
use super::profile::Profile;
use super::reader::{Document, Table, position_of};
use super::root::{AccessLog, Buffers, Config, ServerTls};
use super::route::RouteConfig;
use super::unreachable::EarlierRoutes;
use super::upstream::UpstreamConfig;
use super::{checks, parse_http, value};

/// Parses a configuration text.
pub(super) fn parse(name: &str, text: &str, folder: &Path) -> Result<Config, ConfigError> {
    // An editor does not show a byte order mark, so it does not count as a column.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // The meaning of the rest is a guess after a syntax error, and its problems would be noise.
        let problems = errors.iter().take(MAX_PROBLEMS).map(|error| syntax_problem(text, error));
        return Err(ConfigError::new(name, problems.collect(), errors.len().saturating_sub(MAX_PROBLEMS)));
    }
    let document = Document::new(text, folder);
    let config = config(Table::root(&document, &root));
    match (config, document.into_error(name)) {
        (Some(config), None) => Ok(config),
        (_, Some(error)) => Err(error),
        (None, None) => Err(ConfigError::for_file(name, "says too little")),
    }
}

fn syntax_problem(text: &str, error: &toml::de::Error) -> ConfigProblem {
    let position: Option<Position> = error.span().map(|span| position_of(text, span.start));
    ConfigProblem::new(position, "", None, Invalid::new(format!("not TOML: {}", error.message())))
}

/// Parses the root table; `None` only where a problem was reported.
fn config(mut root: Table<'_>) -> Option<Config> {
    let listen =
        root.require("listen", "an IP address and a port, such as 127.0.0.1:8080", parse_http::address);
    let tls = server_tls(&mut root);
    let admin = root.parse("admin", parse_http::address);
    let admin_public = root.parse("admin_public", value::boolean).unwrap_or_default();
    checks::listeners(&root, listen, admin, admin_public);
    let trusted_proxies = trusted_proxies(&mut root);
    let underscores_in_headers = root.parse("underscores_in_headers", value::boolean).unwrap_or_default();
    let header_case = HeaderCase {
        preserve: root.parse("preserve_header_case", value::boolean).unwrap_or_default(),
        title: root.parse("title_case_headers", value::boolean).unwrap_or_default(),
    };
    let drain_timeout = root.parse("drain_timeout", value::duration_or_zero);
    let limits = limits::parse(&mut root);
    let buffers = buffers(&mut root);
    let access_log = access_log(&mut root);
    let fleet = fleet::parse(&mut root);
    let profiles = upstream_profiles(&mut root);
    let (mut upstreams, names) = upstreams(&mut root, &profiles, listen);
    for upstream in upstreams.values_mut() {
        upstream.connections.header_case = header_case;
    }
    let destinations = Destinations { names, upstreams: &upstreams, buffers: &buffers };
    let routes = routes(&mut root, &destinations);
    root.finish();
    Some(Config {
        listen: listen?,
        tls,
        admin,
        trusted_proxies,
        underscores_in_headers,
        header_case,
        drain_timeout: drain_timeout.unwrap_or(DRAIN_TIMEOUT),
        limits,
        buffers,
        access_log,
        fleet,
        upstreams,
        routes,
    })
}

fn server_tls(root: &mut Table<'_>) -> Option<ServerTls> {
    let mut table = root.value("tls")?.table("{ cert = \"cert.pem\", key = \"key.pem\" }")?;
    let folder = table.document.folder;
    let cert = table.require("cert", "the path of a PEM file", value::path);
    let key = table.require("key", "the path of a PEM file", value::path);
    table.finish();
    Some(ServerTls { cert: folder.join(cert?), key: folder.join(key?) })
}

fn trusted_proxies(root: &mut Table<'_>) -> Vec<IpNet> {
    let networks =
        root.value("trusted_proxies").and_then(|value| value.items("a list such as [\"10.0.0.0/8\"]"));
    networks.into_iter().flatten().filter_map(|network| network.parse(parse_http::network)).collect()
}

fn buffers(root: &mut Table<'_>) -> Buffers {
    let mut buffers = Buffers::default();
    if let Some(mut table) = root.value("buffers").and_then(|value| value.table("{ total = \"64MiB\" }")) {
        if let Some(total) = table.value("total") {
            // An invalid total must not contradict other keys.
            buffers.total = total.parse(value::size).unwrap_or(usize::MAX);
        }
        table.finish();
    }
    buffers
}

fn access_log(root: &mut Table<'_>) -> AccessLog {
    let mut log = AccessLog::default();
    if let Some(mut table) = root.value("access_log").and_then(|value| value.table("{ enabled = true }")) {
        log.enabled = table.parse("enabled", value::boolean).unwrap_or(log.enabled);
        table.finish();
    }
    log
}

/// Returns the profiles of the upstreams that routes with another profile than the default go to. Their defaults are
/// those of the profile too, and they are parsed before the routes. If there are several, the first route decides.
fn upstream_profiles<'a>(root: &mut Table<'a>) -> BTreeMap<&'a str, Profile> {
    let routes = root.value("routes").filter(|routes| routes.is_list());
    let routes = routes.and_then(|routes| routes.items("")).unwrap_or_default();
    let mut profiles = BTreeMap::new();
    for route in &routes {
        let word = route.peek("profile");
        let profile = Profile::KEYWORDS.iter().find(|(known, _)| Some(*known) == word);
        let Some((_, profile)) = profile.filter(|(_, profile)| *profile != Profile::Default) else {
            continue;
        };
        for name in route.peek("upstream").into_iter().chain(fallback::peek(route)) {
            profiles.entry(name).or_insert(*profile);
        }
    }
    profiles
}

/// Parses the upstreams. It also returns the names of all upstreams in the file, valid or not.
fn upstreams<'a>(
    root: &mut Table<'a>,
    profiles: &BTreeMap<&str, Profile>,
    listen: Option<SocketAddr>,
) -> (BTreeMap<String, UpstreamConfig>, Vec<&'a str>) {
    let allowed = "at least one table [upstreams.NAME]";
    let Some(value) = root.value("upstreams") else {
        root.report_missing("upstreams", allowed);
        return Default::default();
    };
    let Some(table) = value.table(allowed) else { return Default::default() };
    let entries = table.entries();
    if entries.is_empty() {
        table.report_table(Invalid::new("empty").allowed(allowed));
    }
    let names = entries.iter().map(|(name, _)| *name).collect();
    let mut upstreams = BTreeMap::new();
    for (name, value) in entries {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_allowed) {
            let allowed = "up to 64 letters, digits, dots, hyphens and underscores";
            table.report_key(name, Invalid::new("not a name").allowed(allowed));
        }
        let profile = profiles.get(name).copied().unwrap_or_default();
        if let Some(table) = value.table("a table [upstreams.NAME]") {
            upstreams.insert(name.to_owned(), upstream::parse(table, profile, listen));
        }
    }
    (upstreams, names)
}

fn routes(root: &mut Table<'_>, destinations: &Destinations<'_>) -> Vec<RouteConfig> {
    let allowed = "at least one table [[routes]]";
    let Some(value) = root.value("routes") else {
        root.report_missing("routes", allowed);
        return Vec::new();
    };
    let Some(items) = value.items(allowed) else { return Vec::new() };
    if items.is_empty() {
        root.report("routes", Invalid::new("empty").allowed(allowed));
    }
    let mut routes = EarlierRoutes::default();
    for item in items {
        let Some(table) = item.table("a table [[routes]]") else { continue };
        let (document, before) = (table.document, table.document.problem_count());
        let (path, start) = (table.path.clone(), table.start());
        let route = route::parse(table, destinations);
        // The check for shadowed routes skips a route that did not parse.
        if document.problem_count() == before {
            if let Some(invalid) = routes.find_unreachable(&route) {
                document.add(start, &path, None, invalid);
            }
            routes.push(path, route);
        }
    }
    routes.into_routes()
}
