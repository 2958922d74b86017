//! The reference file, which has every key with its default.

use super::*;

const REFERENCE: &str = include_str!("../../../examples/gateway.toml");

#[test]
fn the_reference_has_the_defaults() {
    let mut given = config(REFERENCE);
    given.upstreams.get_mut("api").unwrap().endpoints.pop();
    assert_eq!(given, config(MINIMAL));
}

/// Returns the reference with the keys that are commented out.
fn uncommented() -> String {
    let lines = REFERENCE.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with(' ') => key,
        _ => line,
    });
    lines.map(|line| format!("{line}\n")).collect::<String>().replacen(
        "\"http://10.0.0.1",
        "\"https://10.0.0.1",
        1,
    )
}

#[test]
fn the_commented_keys_are_valid_too() {
    let given = config(&uncommented());
    assert!(given.tls.is_some() && given.admin.is_some() && given.fleet.is_some());
    assert!(given.upstreams["api"].tls.ca.is_some());
    assert_eq!(given.upstreams["api"].pace, Some(PaceConfig::default()));
    let route = &given.routes[0];
    assert!(route.host.is_some() && !route.methods.is_empty() && !route.headers.is_empty());
    assert_eq!(route.upstreams().collect::<Vec<_>>(), ["api", "other"]);
}

/// Returns the keys of each table, by its name. The message about an unknown key lists the allowed ones, so
/// the function adds one to each table.
pub(super) fn keys() -> Vec<(String, Vec<String>)> {
    let mut text = format!("unknown = 1\n{}", uncommented());
    for table in ["[limits]", "[buffers]", "[access_log]", "[upstreams.api]", "[[routes]]", "[routes.retry]"]
    {
        text = text.replace(&format!("{table}\n"), &format!("{table}\nunknown = 1\n"));
    }
    for table in ["[upstreams.api.retry_budget]", "[upstreams.api.outlier_detection]", "[upstreams.api.pace]"]
    {
        text = text.replace(&format!("{table}\n"), &format!("{table}\nunknown = 1\n"));
    }
    for key in [
        "tls",
        "fleet",
        "tcp_keepalive",
        "http2_keepalive",
        "fallback",
        "back_off",
        "rate_limited_back_off",
        "error_body_drain",
    ] {
        text = text.replace(&format!("\n{key} = {{"), &format!("\n{key} = {{ unknown = 1,"));
    }
    text = text.replace(", tls = {", ", tls = { unknown = 1,");
    let messages = problems(&text);
    assert_eq!(messages.len(), 20, "{messages:#?}");
    let table = |problem: &String| {
        let (place, keys) = problem.split_once("unknown: unknown key; allowed: ").expect(problem);
        let table = place.rsplit(' ').next().unwrap().trim_end_matches('.');
        (table.to_owned(), keys.split(", ").map(str::to_owned).collect())
    };
    messages.iter().map(table).collect()
}

#[test]
fn no_key_is_missing_in_the_reference() {
    for key in keys().into_iter().flat_map(|(_, keys)| keys) {
        let is_there =
            [format!("\n{key} = "), format!("#{key} = "), format!("{{ {key} = "), format!(", {key} = ")];
        let is_table = [format!("[{key}]"), format!("[{key}."), format!(".{key}]"), format!("[[{key}]]")];
        let mut forms = is_there.iter().chain(&is_table);
        assert!(forms.any(|form| REFERENCE.contains(form)), "{key} is not in the reference");
    }
}
