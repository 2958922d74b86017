//! Runs the examples, as `cargo test --workspace` has built them.

use std::path::PathBuf;
use std::process::Command;

/// What an example prints, if it ends well.
fn run(name: &str) -> String {
    let output = Command::new(path(name)).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    printed
}

/// Examples stand beside the folder that this test was built into.
fn path(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let path = this.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.exists(), "build the examples first: cargo build --package examples --examples");
    path
}

#[test]
fn hyper_client_is_answered_at_the_third_attempt() {
    let printed = run("hyper_client");
    assert!(printed.contains("attempt 3\n200 OK\nafter 3 attempts"), "{printed}");
}

#[test]
fn custom_policy_lets_those_who_pay_go_first() {
    let printed = run("custom_policy");
    assert!(printed.contains("free: 200 OK") && printed.contains("pro: 200 OK"), "{printed}");
}

#[test]
fn tonic_is_served_at_the_third_call() {
    let printed = run("tonic");
    assert!(printed.contains("2 calls before\nServing"), "{printed}");
}

#[test]
fn test_a_policy_finds_the_fault_and_draws_the_schedule() {
    let printed = run("test_a_policy");
    assert!(printed.contains("after attempt 5 the policy breaks the law `Ordered`"), "{printed}");
    assert!(printed.contains("resend  waits\n     1") && printed.contains("500ms to 1s"), "{printed}");
}
