//! Runs the experiment, and checks it by the servers' own books.

use std::process::Command;

use serde_json::Value;

fn run(arguments: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_retry-experiment"))
        .args(arguments)
        .arg("--json")
        .output()
        .expect("the experiment was built with this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

#[track_caller]
fn count(rows: &[Value], shop: &str, strategy: &str, counter: &str) -> u64 {
    let row =
        rows.iter().find(|row| row["shop"] == shop && row["strategy"] == strategy).expect("a row for each");
    row.pointer(counter).and_then(Value::as_u64).expect("a count")
}

#[test]
fn ours_comes_back_no_earlier_than_asked_and_serves_everybody() {
    let rows = run(&["--seed", "7", "--rate", "80", "--burst", "15"]);
    assert_eq!(rows.len(), 20);
    for strategy in ["ours", "paced", "slow-start"] {
        for (shop, requests) in
            [("three-refusals", 100), ("shut-for-a-second", 100), ("bucket", 100), ("announced", 200)]
        {
            assert_eq!(count(&rows, shop, strategy, "/served"), requests, "{shop} {strategy}");
            assert_eq!(count(&rows, shop, strategy, "/server/successes"), requests, "{shop} {strategy}");
            assert_eq!(count(&rows, shop, strategy, "/server/early"), 0, "{shop} {strategy}");
        }
        assert_eq!(count(&rows, "three-refusals", strategy, "/server/calls"), 103, "{strategy}");
        assert!(count(&rows, "shut-for-a-second", strategy, "/server/calls") <= 110, "{strategy}");
    }
    assert!(count(&rows, "bucket", "ours", "/server/calls") <= 250);
}

/// An oracle that knows the limit but for the first refusal needs 190 calls of the bucket, and 200 where the
/// server says how much is left.
#[test]
fn callers_who_wait_for_each_other_waste_hardly_a_call() {
    let rows = run(&["--server", "bucket"]);
    for (strategy, calls) in [("paced", 210), ("slow-start", 130)] {
        assert_eq!(count(&rows, "bucket", strategy, "/served"), 100, "{strategy}");
        assert!(count(&rows, "bucket", strategy, "/server/calls") <= calls, "{rows:?}");
    }
    let rows = run(&["--server", "announced"]);
    for strategy in ["paced", "slow-start"] {
        assert_eq!(count(&rows, "announced", strategy, "/served"), 200, "{strategy}");
        assert!(count(&rows, "announced", strategy, "/server/calls") <= 205, "{rows:?}");
    }
}

/// On a machine with nothing else to do nobody is served. On one that is busy some callers are still at it when the server
/// opens.
#[test]
fn naive_retries_come_early_and_waste_hundreds_of_calls() {
    let rows = run(&["--seed", "8", "--requests", "100"]);
    assert!(count(&rows, "three-refusals", "naive", "/server/early") > 0);
    let of = |counter| count(&rows, "shut-for-a-second", "naive", counter);
    let wasted = of("/server/calls") - of("/server/successes");
    assert!(wasted > 200 && wasted >= 13 * (100 - of("/served")), "{rows:?}");
}

#[test]
fn without_retries_every_refusal_is_a_failure() {
    let rows = run(&["--server", "three-refusals", "--requests", "20", "--workers", "2"]);
    assert_eq!(rows.len(), 5);
    assert_eq!(count(&rows, "three-refusals", "no-retry", "/served"), 17);
    assert_eq!(count(&rows, "three-refusals", "no-retry", "/server/calls"), 20);
}

#[test]
fn a_plan_that_makes_no_sense_is_refused_with_the_field_and_what_is_allowed() {
    for (field, value) in [("--requests", "0"), ("--workers", "0"), ("--rate", "0"), ("--burst", "-1")] {
        let output = Command::new(env!("CARGO_BIN_EXE_retry-experiment"))
            .arg(format!("{field}={value}"))
            .output()
            .expect("the experiment was built with this test");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{field}={value}");
        assert!(message.contains(field) && message.contains(value), "{message}");
    }
}
