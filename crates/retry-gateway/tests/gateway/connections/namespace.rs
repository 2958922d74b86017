//! Tests that run again in a namespace of their own, where they may change the network and mount files.

use std::process::Command;

/// Runs an ignored test in namespaces. Where the kernel has none for users, it says so and does nothing.
#[track_caller]
pub(crate) fn run(namespaces: &str, test: &str) {
    let there = Command::new("unshare").args([namespaces, "true"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        println!("skipped: this kernel has no namespaces for users (unshare {namespaces})");
        return;
    }
    let output = Command::new("unshare")
        .arg(namespaces)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", said(&output.stdout), said(&output.stderr));
    assert!(said(&output.stdout).contains("1 passed"));
}

/// Changes the network of the namespace.
#[track_caller]
pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.expect("ip is needed: apt-get install iproute2");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
