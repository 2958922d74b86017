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
    let output = Command::new(&example).arg(server.url()).output().expect("the example is built");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(printed.lines().filter(|line| line.ends_with(" is joined")).count(), 2, "{printed}");
    assert_eq!(printed.lines().filter(|line| line.contains(": 30 served, ")).count(), 2, "{printed}");
    // Four are served at once, and 56 follow, 50 ms apart.
    assert!(begin.elapsed() > Duration::from_millis(2_700), "{:?}", begin.elapsed());

    // Without a store, both processes go on alone.
    let output = Command::new(&example).arg("redis://127.0.0.1:1").output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed.lines().filter(|line| line.ends_with(" is alone")).count(), 2, "{printed}");
    assert_eq!(printed.lines().filter(|line| line.contains(": 30 served, ")).count(), 2, "{printed}");
}
