//! The page of all keys agrees with the code.

use std::collections::BTreeSet;
use std::fs;
use std::sync::LazyLock;

use super::*;
use crate::config::keywords::{RetryTrigger, list};

/// The page is read lazily: the package does not contain it, and its other tests must compile.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/gateway-config.md");
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
});

/// The line of a key on the page.
struct Row {
    /// The key with all of its tables, such as `upstreams.NAME.pace.key`.
    path: String,
    takes: &'static str,
    default: &'static str,
    /// The default of the profile `llm`, where it differs.
    llm: &'static str,
}

fn rows() -> Vec<Row> {
    let mut table = String::new();
    let mut rows = Vec::new();
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            table =
                code(heading).map_or_else(String::new, |name| format!("{}.", name.trim_matches(['[', ']'])));
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let (key, takes, default, llm) = match cells[..] {
            ["", key, takes, default, _, ""] => (key, takes, default, ""),
            ["", key, takes, default, llm, _, ""] => (key, takes, default, llm),
            _ => continue,
        };
        let Some(key) = code(key) else { continue };
        rows.push(Row { path: format!("{table}{key}"), takes, default, llm });
    }
    rows
}

/// Returns the text between the first two backquotes.
fn code(cell: &str) -> Option<&str> {
    cell.split('`').nth(1)
}

/// Returns all words between backquotes.
fn words(cell: &str) -> BTreeSet<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_key_is_on_the_page_and_no_other() {
    let table = |name: &str| name.replace("upstreams.api", "upstreams.NAME").replace("[0]", "");
    let allowed = example::keys().into_iter().flat_map(|(name, keys)| {
        let name = table(&name);
        keys.into_iter().map(move |key| if name.is_empty() { key } else { format!("{name}.{key}") })
    });
    let allowed: BTreeSet<_> = allowed.collect();
    let page: BTreeSet<_> = rows().into_iter().map(|row| row.path).collect();
    assert_eq!(page.len(), rows().len(), "a key is there twice");
    assert!(page.is_subset(&allowed), "{:?}", page.difference(&allowed));
    // A table needs no line of its own, since its keys have theirs.
    let is_table =
        |path: &str| path == "upstreams" || allowed.iter().any(|key| key.starts_with(&format!("{path}.")));
    let missing: Vec<_> = allowed.difference(&page).filter(|path| !is_table(path)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Returns a file that sets each key to the value in a profile's column, but for the keys of the table
/// `without`.
fn written(cell: impl Fn(&Row) -> &'static str, profile: &str, without: &str) -> String {
    let lines = |table: &str| -> String {
        let mut lines = String::new();
        for row in rows().iter().filter(|row| row.path != "routes.profile") {
            let Some(key) = row.path.strip_prefix(table) else { continue };
            let is_elsewhere = table.is_empty()
                && ["upstreams.", "routes.", "fleet."].iter().any(|table| key.starts_with(table))
                || table == "routes." && (key.starts_with("retry.") || key.starts_with("fallback."))
                || !without.is_empty() && key.starts_with(without);
            // Text without backquotes is no value.
            if let (Some(value), false) = (code(cell(row)), is_elsewhere) {
                lines += &format!("{key} = {value}\n");
            }
        }
        lines
    };
    format!(
        "listen = \"127.0.0.1:8080\"\n{}[upstreams.api]\nendpoints = [\"http://10.0.0.1:8080\"]\n{}\
         [[routes]]\nupstream = \"api\"\nprofile = \"{profile}\"\n{}[routes.retry]\n{}",
        lines(""),
        lines("upstreams.NAME."),
        lines("routes."),
        lines("routes.retry."),
    )
}

#[test]
fn the_defaults_on_the_page_are_those_of_the_code() {
    let text = written(|row| row.default, "default", "pace.");
    assert_eq!(config(&text), config(MINIMAL), "{text}");
    let text = written(|row| row.default, "default", "");
    assert_eq!(config(&text).upstreams["api"].pace, Some(PaceConfig::default()), "{text}");
    let text = written(|row| if row.llm.is_empty() { row.default } else { row.llm }, "llm", "");
    assert_eq!(config(&text), config(&format!("{MINIMAL}profile = \"llm\"\n")), "{text}");
}

/// The table of the profile has a row for each default that differs, and its values are those of the code.
#[test]
fn the_profile_grpc_is_as_on_the_page() {
    let (_, table) = PAGE.split_once("| key | for `grpc` | because |").expect("the page has the profile");
    let (mut upstream, mut route, mut retry) = (String::new(), String::new(), String::new());
    for line in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let (Some(key), value) = (code(cells[1]), code(cells[2])) else { panic!("{line}") };
        match key {
            "protocol" | "response_idle_timeout" => &mut upstream,
            "timeout" => &mut route,
            _ => &mut retry,
        }
        .extend(value.map(|value| format!("{key} = {value}\n")));
    }
    let mut written = config(&file("", &upstream, &format!("{route}[routes.retry]\n{retry}")));
    let expected = config(&file("", "", "profile = \"grpc\""));
    let written_retry = written.routes[0].retry.as_mut().unwrap();
    // This default has no keyword.
    assert_eq!(expected.routes[0].retry.as_ref().unwrap().methods, RetryMethods::IdempotentOrThrottled);
    written_retry.methods = RetryMethods::IdempotentOrThrottled;
    written.routes[0].profile = Profile::Grpc;
    assert_eq!(written, expected);
}

#[test]
fn keys_without_a_default_are_commented_out_in_the_reference() {
    let reference = include_str!("../../../examples/gateway.toml");
    let with = |default: &str| -> Vec<_> {
        rows().into_iter().filter(|row| row.default == default).map(|row| row.path).collect()
    };
    for path in with("none") {
        let key = path.trim_start_matches("upstreams.NAME.").trim_start_matches("routes.");
        let key = key.split('.').next().unwrap();
        assert!(reference.contains(&format!("\n#{key} = ")), "{path} has a default");
    }
    let required = [
        "listen",
        "tls.cert",
        "tls.key",
        "fleet.store",
        "upstreams.NAME.endpoints",
        "routes.upstream",
        "routes.fallback.upstreams",
    ];
    assert_eq!(with("required"), required);
    let others =
        rows().into_iter().filter(|row| !row.default.contains('`') && !row.path.ends_with("upstream"));
    for row in others {
        assert!(["none", "required", "on", "off"].contains(&row.default), "{}: {}", row.path, row.default);
    }
}

/// The message about an invalid value lists the values that the key takes.
#[test]
fn every_keyword_is_on_the_page_and_no_other() {
    for row in rows().iter().filter(|row| row.path != "routes.upstream") {
        let key = row.path.trim_start_matches("upstreams.NAME.").trim_start_matches("routes.retry.");
        let key = key.trim_start_matches("routes.");
        let line = format!("{key} = '?'\n");
        let text = match row.path.split('.').next() {
            Some("upstreams") => file("", &line, ""),
            Some("routes") if row.path.starts_with("routes.retry.") => {
                file("", "", &format!("[routes.retry]\n{line}"))
            }
            Some("routes") => file("", "", &line),
            _ => file(&line, "", ""),
        };
        let allowed = Config::parse("", &text).err().map_or_else(String::new, |error| error.to_string());
        let allowed =
            allowed.lines().find_map(|line| line.split_once("allowed: ")).map_or("", |(_, allowed)| allowed);
        // Items of prose have spaces, or are about sizes.
        let allowed: BTreeSet<_> =
            allowed.split(", ").take_while(|word| !word.contains([' ', '?']) && *word != "bytes").collect();
        let mut page = words(row.takes);
        // `true` and `false` are not keywords.
        if !allowed.contains("true") {
            page.retain(|word| !["true", "false"].contains(word));
        }
        assert_eq!(page, allowed.into_iter().filter(|word| !word.is_empty()).collect(), "{}", row.path);
    }
    let (_, table) = PAGE.split_once("| word | after |").expect("the page says what is sent again");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let allowed: Vec<_> = rows.filter_map(|line| code(line.strip_prefix("| ")?)).collect();
    assert_eq!(allowed.join(", "), list::<RetryTrigger>());
}
