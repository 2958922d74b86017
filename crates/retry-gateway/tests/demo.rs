//! `retry-gateway demo`, as somebody at a terminal meets it.

use std::collections::BTreeMap;
use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retry-gateway"));
    command.arg("demo").args(arguments).output().expect("the gateway was built with this test")
}

/// A row of the printed table.
#[derive(Debug)]
struct Row {
    success: String,
    calls: u64,
    wasted: u64,
    early: u64,
}

/// The rows of one server by their strategy, and what is said below them.
#[track_caller]
fn table(server: &str) -> (BTreeMap<String, Row>, String) {
    let output = demo(&["--server", server, "--requests", "40"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().filter(|line| line.starts_with('│')).skip(1).map(|line| {
        let cells: Vec<_> = line.trim_matches('│').split('┆').map(str::trim).collect();
        let count = |index: usize| cells[index].parse().unwrap();
        let success = cells[2].to_owned();
        (cells[1].to_owned(), Row { success, calls: count(3), wasted: count(4), early: count(5) })
    });
    let rows = rows.collect();
    println!("{rows:#?}");
    (rows, text.lines().skip_while(|line| !line.starts_with('└')).skip(1).collect())
}

const GATEWAYS: [&str; 3] = ["gateway, default", "gateway, paced", "gateway, llm"];
const NAIVE: &str = "direct, 13 tries";

/// Runs the demo at one server, and checks what holds at all of them.
#[track_caller]
fn check(server: &str) -> BTreeMap<String, Row> {
    let (rows, text) = table(server);
    assert_eq!(rows.len(), 5, "a row for each strategy");
    for strategy in GATEWAYS {
        assert_eq!(rows[strategy].early, 0, "{strategy}");
        assert!(rows[strategy].wasted <= rows[NAIVE].wasted, "{strategy}");
    }
    assert!(rows[NAIVE].early > 0);
    assert_eq!(rows["direct, no retry"].early, 0);
    assert_eq!(rows["gateway, llm"].success, "100 %");
    assert!(text.contains("no call came early") && text.contains("`Idempotency-Key`"), "{text}");
    let gave_up = GATEWAYS.iter().any(|strategy| rows[*strategy].success != "100 %");
    assert_eq!(text.contains("ran out of attempts"), gave_up, "{text}");
    rows
}

#[test]
fn three_refusals_cost_three_calls() {
    let rows = check("three-refusals");
    assert_eq!(rows["gateway, llm"].calls, 43);
    assert_eq!(rows["gateway, default"].calls, 43);
}

#[test]
fn a_server_that_is_shut_is_left_alone_until_it_opens() {
    let rows = check("shut-for-a-second");
    for strategy in GATEWAYS {
        assert_eq!(rows[strategy].success, "100 %", "{strategy}");
        // One for each worker.
        assert!(rows[strategy].wasted <= 10, "{strategy}");
    }
    assert!(rows[NAIVE].wasted > 100);
}

#[test]
fn of_a_bucket_everybody_is_served() {
    let rows = check("bucket");
    assert!(rows["gateway, llm"].wasted * 4 < rows[NAIVE].wasted);
}

#[test]
fn a_limit_that_is_announced_is_not_met_at_all() {
    let rows = check("announced");
    assert!(rows["gateway, llm"].wasted <= 5);
    assert!(rows["gateway, paced"].wasted <= 5);
}

#[test]
fn programs_get_json() {
    let output = demo(&["--server", "three-refusals", "--requests", "4", "--workers", "4", "--json"]);
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).expect("nothing else is printed");
    let strategies: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| row["strategy"].as_str().unwrap()).collect();
    assert_eq!(strategies, ["no-retry", "naive", "default", "paced", "llm"]);
}

#[test]
fn fleet_is_compared_with_one_gateway_and_with_four() {
    let output = demo(&["--fleet", "--requests", "20", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).expect("nothing else is printed");
    println!("{rows:#}");
    let rows = rows.as_array().unwrap();
    let gateways: Vec<_> = rows.iter().map(|row| row["strategy"].as_str().unwrap()).collect();
    assert_eq!(gateways, ["one", "four", "fleet"]);
    // How many calls a fleet saves depends on the time that this machine has for it.
    for row in rows {
        assert_eq!((&row["requests"], &row["served"]), (&100.into(), &100.into()), "{row}");
    }
}

#[test]
fn without_a_server_for_the_store_the_demo_says_what_to_install() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retry-gateway"));
    let output = command.args(["demo", "--fleet"]).env("PATH", "/nowhere").output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("install it (Debian: apt-get install redis-server)"), "{text}");
}
