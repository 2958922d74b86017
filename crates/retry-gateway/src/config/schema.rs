//! The keys of the file, and what becomes of them.

mod destinations;
mod fallback;
mod limits;
mod retry;
mod route;
mod upstream;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ipnet::IpNet;
use toml::de::DeTable;

use self::destinations::Destinations;
use super::error::{ConfigError, MOST, Place, Problem, Wrong};
use super::limits::DRAIN_TIMEOUT;
use super::profile::Profile;
use super::reader::{Report, Table, Value, place_of};
use super::root::{AccessLog, Buffers, Config, ServerTls};
use super::route::Route;
use super::upstream::Upstream;
use super::{checks, parse_http, value};

/// What a text says.
pub(super) fn read(name: &str, text: &str, folder: &Path) -> Result<Config, ConfigError> {
    // An editor shows nothing for a byte order mark, so it is no column either.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What the rest means is a guess then, and its problems would be noise.
        let problems = errors.iter().take(MOST).map(|error| syntax_problem(text, error));
        return Err(ConfigError::new(name, problems.collect(), errors.len().saturating_sub(MOST)));
    }
    let report = Report::new(text, folder);
    let config = config(Table::root(&report, &root));
    match (config, report.into_error(name)) {
        (Some(config), None) => Ok(config),
        (_, Some(error)) => Err(error),
        (None, None) => Err(ConfigError::of_file(name, "says too little")),
    }
}

fn syntax_problem(text: &str, error: &toml::de::Error) -> Problem {
    let place: Option<Place> = error.span().map(|span| place_of(text, span.start));
    Problem::new(place, "", None, Wrong::new(format!("not TOML: {}", error.message())))
}

/// `None` only where something was reported.
fn config(mut root: Table<'_>) -> Option<Config> {
    let listen =
        root.require("listen", "an IP address and a port, such as 127.0.0.1:8080", parse_http::address);
    let tls = server_tls(&mut root);
    let admin = root.read("admin", parse_http::address);
    let is_public = root.read("admin_public", value::boolean).unwrap_or_default();
    checks::listeners(&root, listen, admin, is_public);
    let trusted_proxies = trusted_proxies(&mut root);
    let drain_timeout = root.read("drain_timeout", value::duration_or_zero);
    let limits = limits::read(&mut root);
    let buffers = buffers(&mut root);
    let access_log = access_log(&mut root);
    let models = upstreams_of_models(&mut root);
    let (upstreams, names) = upstreams(&mut root, &models);
    let destinations = Destinations { names, upstreams: &upstreams, buffers: &buffers };
    let routes = routes(&mut root, &destinations);
    root.finish();
    Some(Config {
        listen: listen?,
        tls,
        admin,
        trusted_proxies,
        drain_timeout: drain_timeout.unwrap_or(DRAIN_TIMEOUT),
        limits,
        buffers,
        access_log,
        upstreams,
        routes,
    })
}

fn server_tls(root: &mut Table<'_>) -> Option<ServerTls> {
    let mut table = root.value("tls")?.table("{ cert = \"cert.pem\", key = \"key.pem\" }")?;
    let folder = table.report.folder;
    let cert = table.require("cert", "the path of a PEM file", value::path);
    let key = table.require("key", "the path of a PEM file", value::path);
    table.finish();
    Some(ServerTls { cert: folder.join(cert?), key: folder.join(key?) })
}

fn trusted_proxies(root: &mut Table<'_>) -> Vec<IpNet> {
    let networks =
        root.value("trusted_proxies").and_then(|value| value.items("a list such as [\"10.0.0.0/8\"]"));
    networks.into_iter().flatten().filter_map(|network| network.read(parse_http::network)).collect()
}

fn buffers(root: &mut Table<'_>) -> Buffers {
    let mut buffers = Buffers::default();
    if let Some(mut table) = root.value("buffers").and_then(|value| value.table("{ total = \"64MiB\" }")) {
        if let Some(total) = table.value("total") {
            // What is not known contradicts nothing.
            buffers.total = total.read(value::size).unwrap_or(usize::MAX);
        }
        table.finish();
    }
    buffers
}

fn access_log(root: &mut Table<'_>) -> AccessLog {
    let mut log = AccessLog::default();
    if let Some(mut table) = root.value("access_log").and_then(|value| value.table("{ enabled = true }")) {
        log.enabled = table.read("enabled", value::boolean).unwrap_or(log.enabled);
        table.finish();
    }
    log
}

/// The upstreams that a route with the `llm` profile leads to: their defaults are that profile's too, and they are
/// read before the routes.
fn upstreams_of_models<'a>(root: &mut Table<'a>) -> BTreeSet<&'a str> {
    let routes = root.value("routes").filter(|routes| routes.is_list());
    let routes = routes.and_then(|routes| routes.items("")).unwrap_or_default();
    let of_models = routes.iter().filter(|route| route.peek("profile") == Some("llm"));
    let named = |route: &Value<'a>| {
        route.peek("upstream").into_iter().chain(fallback::peek(route)).collect::<Vec<_>>()
    };
    of_models.flat_map(named).collect()
}

/// The upstreams, and the names of all that are in the file, be they right or wrong.
fn upstreams<'a>(
    root: &mut Table<'a>,
    models: &BTreeSet<&str>,
) -> (BTreeMap<String, Upstream>, Vec<&'a str>) {
    let allowed = "at least one table [upstreams.NAME]";
    let Some(value) = root.value("upstreams") else {
        root.miss("upstreams", allowed);
        return Default::default();
    };
    let Some(table) = value.table(allowed) else { return Default::default() };
    let entries = table.entries();
    if entries.is_empty() {
        table.blame_all(Wrong::new("empty").allowed(allowed));
    }
    let names = entries.iter().map(|(name, _)| *name).collect();
    let mut upstreams = BTreeMap::new();
    for (name, value) in entries {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            let allowed = "up to 64 letters, digits, dots, hyphens and underscores";
            table.blame_key(name, Wrong::new("not a name").allowed(allowed));
        }
        let profile = if models.contains(name) { Profile::Llm } else { Profile::Default };
        if let Some(table) = value.table("a table [upstreams.NAME]") {
            upstreams.insert(name.to_owned(), upstream::read(table, profile));
        }
    }
    (upstreams, names)
}

fn routes(root: &mut Table<'_>, destinations: &Destinations<'_>) -> Vec<Route> {
    let allowed = "at least one table [[routes]]";
    let Some(value) = root.value("routes") else {
        root.miss("routes", allowed);
        return Vec::new();
    };
    let Some(items) = value.items(allowed) else { return Vec::new() };
    if items.is_empty() {
        root.blame("routes", Wrong::new("empty").allowed(allowed));
    }
    let mut routes: Vec<(String, Route)> = Vec::new();
    for item in items {
        let Some(table) = item.table("a table [[routes]]") else { continue };
        let (report, before) = (table.report, table.report.count());
        let (path, start) = (table.path.clone(), table.start());
        let route = route::read(table, destinations);
        // Of a route that was misread it cannot be said what it takes.
        if report.count() == before {
            if let Some(wrong) = checks::never_fits(&route, &routes) {
                report.add(start, &path, None, wrong);
            }
            routes.push((path, route));
        }
    }
    routes.into_iter().map(|(_, route)| route).collect()
}
