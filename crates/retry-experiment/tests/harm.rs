//! Runs the command `harm`.

use std::process::{Command, Output};

fn harm(rows: &[&str]) -> Output {
    let rows = rows.iter().flat_map(|row| ["--row", row]);
    let output = Command::new(env!("CARGO_BIN_EXE_retry-experiment")).arg("harm").args(rows).output();
    output.expect("the experiment was built with this test")
}

/// A busy machine is slower than an idle one by less than the second that the bounds of these rows add.
#[test]
fn a_pace_does_no_harm_where_nothing_or_hardly_anything_is_refused() {
    let output = harm(&["noise-1", "slow-start"]);
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{table}{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<_> = table.lines().skip(2).collect();
    assert_eq!(rows.len(), 2, "{table}");
    assert!(rows[0].starts_with("| noise-1: time of all |") && rows[0].ends_with("| yes |"), "{table}");
    assert!(rows[1].starts_with("| slow-start: time of all |") && rows[1].ends_with("| yes |"), "{table}");
}

#[test]
fn an_unknown_row_is_refused_with_the_names_of_all() {
    let output = harm(&["noise"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    for name in ["noise-5-hint", "load-90", "at-a-time", "two-models"] {
        assert!(message.contains(name), "{message}");
    }
}
