//! The operators' page, its alerts and the dashboard name the metrics that exist, and each figure has one name.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, nobody, say};

fn document(name: &str) -> String {
    fs::read_to_string(format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Starts a gateway and its upstream, and lets it retry, fall back, reject a client and reload its file.
#[track_caller]
fn busy_gateway() -> (Gateway, Upstream) {
    let upstream = Upstream::start(|number, seen| match seen.head.contains("/cut") {
        _ if number == 0 => say(503, &[], ""),
        true => Act::Part("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_owned(), Duration::ZERO),
        false => say(200, &["grpc-status: 0"], ""),
    });
    let file = format!(
        "admin = \"127.0.0.1:0\"\nfleet.store = \"redis://127.0.0.1:1\"\n[limits]\nheaders = 5\n[upstreams.api]\nendpoints = [{:?}]\npace = true\n\
         [upstreams.gone]\nendpoints = [{:?}]\n[[routes]]\npath_prefix = \"/gone\"\nupstream = \"gone\"\n\
         fallback = {{ upstreams = [\"api\"] }}\n[[routes]]\nupstream = \"api\"\n",
        upstream.url(),
        nobody()
    );
    let gateway = Gateway::by(&file);
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    assert_eq!(call(gateway.address, "GET /gone", &[], "").status, 200);
    assert_eq!(call(gateway.address, "POST /", &["content-type: application/grpc"], "").status, 200);
    assert_eq!(call(gateway.address, "GET /", &["a: 1", "b: 1", "c: 1", "d: 1"], "").status, 431);
    assert_eq!(call(gateway.address, "GET /cut", &[], "").body, "half");
    gateway.reload(&file);
    gateway.log(5);
    (gateway, upstream)
}

/// The metrics of a gateway in which every metric has a series.
#[track_caller]
pub(crate) fn metrics() -> String {
    busy_gateway().0.ask("/metrics").body
}

/// The names of the series that a scrape stores.
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

/// The figures of an upstream in `/status`, with the metric of the same figure. Those that have a figure for each reason
/// come last.
const FIGURES: [(&str, &str); 16] = [
    ("requests", "upstream_rq_total"),
    ("attempts", "upstream_rq_attempts_total"),
    ("retry_success", "upstream_rq_retry_success_total"),
    ("retry_limit_exceeded", "upstream_rq_retry_limit_exceeded_total"),
    ("retry_overflow", "upstream_rq_retry_overflow_total"),
    ("budget_tokens", "retry_budget_tokens"),
    ("unpaced", "pace_unpaced_total"),
    ("ejected", "outlier_detection_ejections_active"),
    ("in_flight", "upstream_rq_active"),
    ("pending", "upstream_rq_pending_active"),
    ("waits", "upstream_rq_waits_active"),
    ("response_cut", "upstream_rq_response_cut_total"),
    ("resends", "upstream_rq_retry_total"),
    ("paced", "pace_active"),
    ("pace_rejected", "pace_rejected_total"),
    ("fallbacks", "upstream_rq_fallback_total"),
];
/// The figures that only `/status` has.
const ONLY_STATUS: [&str; 3] = ["name", "endpoints", "pace_keys"];

/// The number of a series in `/metrics`.
#[track_caller]
fn number_of(metrics: &str, series: &str) -> f64 {
    let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("no {series} in\n{metrics}"))
}

#[test]
fn each_figure_has_one_name_in_status_metrics_log_page_and_documentation() {
    let (gateway, _upstream) = busy_gateway();
    let (metrics, status, log) = (gateway.ask("/metrics").body, gateway.status(), gateway.log(5));
    let mut keys = BTreeSet::new();
    for upstream in status["upstreams"].as_array().unwrap() {
        let name = upstream["name"].as_str().unwrap();
        keys.extend(upstream.as_object().unwrap().keys().map(String::as_str));
        for (key, metric) in FIGURES {
            let value = &upstream[key];
            let check = |labels: &str, value: &Value| {
                let series = format!("{metric}{{upstream=\"{name}\"{labels}}}");
                let difference = number_of(&metrics, &series) - value.as_f64().unwrap();
                // The budget earns tokens between the two reads.
                assert!(
                    difference.abs() < if key == "budget_tokens" { 30.0 } else { 1e-9 },
                    "{series} {value}"
                );
            };
            match value {
                Value::Null => assert!(key == "fallbacks" || key.contains("pace"), "{name} has no {key}"),
                Value::Object(reasons) => {
                    for (reason, value) in reasons {
                        check(&format!(",reason=\"{reason}\""), value);
                    }
                }
                value => check("", value),
            }
        }
    }
    let named: BTreeSet<_> = FIGURES.iter().map(|(key, _)| *key).chain(ONLY_STATUS).collect();
    assert_eq!(keys, named);

    // The words of the log are the labels of the metrics.
    for (field, metric) in [
        ("cause", "upstream_rq_retry_total"),
        ("fallback", "upstream_rq_fallback_total"),
        ("rejected", "downstream_rq_rejected_total"),
    ] {
        let word = log.iter().find_map(|line| line[field].as_str());
        let word = word.unwrap_or_else(|| panic!("no {field} in {log:?}"));
        let is_label = |line: &str| line.starts_with(metric) && line.contains(&format!("reason=\"{word}\""));
        assert!(metrics.lines().any(is_label), "{metric} has no reason {word}\n{metrics}");
    }

    let page = document("gateway.md");
    let row =
        page.lines().find(|line| line.starts_with("| `/status` |")).expect("the page describes /status");
    for key in named.iter().filter(|key| **key != "name" && **key != "endpoints") {
        assert!(row.contains(&format!("`{key}`")), "the page does not name {key}");
    }
    let script = call(gateway.admin.expect("the file has one"), "GET /page.js", &[], "").body;
    for word in ["sends", "healed", "exhausted", "unpaid", "under_way", "waiting"] {
        let finds = |text: &str| {
            text.split(|byte: char| !byte.is_alphanumeric() && byte != '_').any(|found| found == word)
        };
        assert!(!finds(&script) && !finds(row) && !keys.contains(word), "{word}");
    }
}
