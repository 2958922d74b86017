//! What the operators' page, its alerts and the dashboard name is there, and the page names all that is.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Upstream, nobody, say};

fn document(name: &str) -> String {
    fs::read_to_string(format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The metrics of a gateway that has resent, fallen back, turned a client away, and read its file again.
fn metrics() -> String {
    let upstream = Upstream::answering(vec![say(503, &[], ""), say(200, &[], "")]);
    let file = format!(
        "admin = \"127.0.0.1:0\"\n[limits]\nheaders = 5\n[upstreams.api]\nendpoints = [{:?}]\npace = true\n\
         [upstreams.gone]\nendpoints = [{:?}]\n[[routes]]\npath_prefix = \"/gone\"\nupstream = \"gone\"\n\
         fallback = {{ upstreams = [\"api\"] }}\n[[routes]]\nupstream = \"api\"\n",
        upstream.url(),
        nobody()
    );
    let gateway = Gateway::by(&file);
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    assert_eq!(call(gateway.address, "GET /gone", &[], "").status, 200);
    assert_eq!(call(gateway.address, "GET /", &["a: 1", "b: 1", "c: 1", "d: 1"], "").status, 431);
    gateway.reload(&file);
    gateway.log(3);
    gateway.ask("/metrics").body
}

/// What a scrape stores of them.
fn series(metrics: &str) -> BTreeSet<&str> {
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(['{', ' ']).next().unwrap()).collect()
}

/// The metrics that an expression of PromQL names: words with an underscore that are neither called, nor a variable,
/// nor within braces or quotes.
fn named(expression: &str) -> Vec<&str> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let (mut named, mut depth, mut at) = (Vec::new(), 0, 0);
    let bytes = expression.as_bytes();
    while at < bytes.len() {
        let begin = at;
        while at < bytes.len() && is_word(bytes[at]) {
            at += 1;
        }
        let word = &expression[begin..at];
        let is_variable = begin > 0 && bytes[begin - 1] == b'$';
        if depth == 0 && word.contains('_') && !is_variable && bytes.get(at) != Some(&b'(') {
            named.push(word);
        }
        match bytes.get(at) {
            Some(b'{') => depth += 1,
            Some(b'}') => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    named
}

/// The values of all keys of that name, at any depth.
fn all<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| all(item, key, found)),
        Value::Object(fields) => {
            found.extend(fields.get(key).and_then(Value::as_str));
            fields.values().for_each(|field| all(field, key, found));
        }
        _ => {}
    }
}

#[track_caller]
fn check_named(expressions: &[&str], series: &BTreeSet<&str>) {
    for expression in expressions {
        let named = named(expression);
        assert!(!named.is_empty(), "{expression} is of no metric");
        for name in named {
            assert!(series.contains(name), "{name} of {expression} is none of {series:#?}");
        }
    }
}

#[test]
fn each_metric_that_an_alert_or_a_panel_names_is_there_and_each_that_is_there_is_on_the_page() {
    let metrics = metrics();
    let series = series(&metrics);

    let page = document("operations.md");
    let alerts: Vec<_> = page.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    assert!(alerts.len() > 8, "{alerts:?}");
    let alerts: Vec<_> = alerts.iter().map(|line| line.split(" # ").next().unwrap()).collect();
    check_named(&alerts, &series);
    let names = page.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    for name in names {
        assert!(page.contains(&format!("\n### {name}\n")), "the page does not explain {name}");
    }

    let dashboard: Value = serde_json::from_str(&document("grafana-dashboard.json")).unwrap();
    let mut panels = Vec::new();
    all(&dashboard["panels"], "expr", &mut panels);
    assert!(panels.len() > 10, "{panels:?}");
    check_named(&panels, &series);

    for line in metrics.lines() {
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) else {
            continue;
        };
        let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        assert!(page.contains(&format!("\n| `{name}`")), "the page does not explain {name}");
        let is_shown = panels.iter().any(|panel| panel.contains(&name));
        assert!(is_shown, "the dashboard does not show {name}");
    }
}

#[test]
fn the_dashboard_lets_choose_where_from_and_of_which_upstream() {
    let dashboard: Value = serde_json::from_str(&document("grafana-dashboard.json")).unwrap();
    let variables: Vec<_> = dashboard["templating"]["list"].as_array().unwrap().iter().collect();
    let names: Vec<_> = variables.iter().filter_map(|variable| variable["name"].as_str()).collect();
    assert_eq!(names, ["datasource", "upstream"]);
    let mut sources = Vec::new();
    all(&dashboard, "uid", &mut sources);
    assert!(sources.iter().all(|uid| ["${datasource}", "retry-gateway"].contains(uid)), "{sources:?}");
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
}
