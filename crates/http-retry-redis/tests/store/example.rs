//! The example of two processes, as `cargo test` has built it.

use std::process::Command;
use std::time::{Duration, Instant};

use testkit::redis::RedisServer;

#[test]
fn two_processes_keep_to_one_limit() {
    let server = RedisServer::start();
    let this = std::env::current_exe().unwrap();
    let example = this.ancestors().nth(2).unwrap().join("examples/two_processes");
    let begin = Instant::now();
    let output = Command::new(example).arg(server.url()).output().expect("the example is built");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(printed.lines().filter(|line| line.starts_with("process ")).count(), 40, "{printed}");
    assert!(printed.contains("40 sends in "), "{printed}");
    // One slot is free at once, and 39 follow, 50 ms apart.
    assert!(begin.elapsed() > Duration::from_millis(1_900), "{:?}", begin.elapsed());
    let absent = Command::new(this.ancestors().nth(2).unwrap().join("examples/two_processes"));
    let failed = { absent }.arg("redis://127.0.0.1:1").output().unwrap();
    let said = String::from_utf8_lossy(&failed.stderr);
    assert!(!failed.status.success() && said.contains("no store at redis://127.0.0.1:1/0: closed"), "{said}");
}
