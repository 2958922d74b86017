//! What the compiler says to the likeliest mistakes.

use std::process::Command;

/// The compiler whose words are pinned: the workspace's `rust-version`.
const PINNED: &str = concat!("rustc ", env!("CARGO_PKG_RUST_VERSION"));

/// The layer's own sentences hold for every compiler, but what stands around them changes from one to the
/// next.
#[test]
fn mistakes_are_explained() {
    let rustc = Command::new("rustc").arg("--version").output().unwrap();
    let version = String::from_utf8(rustc.stdout).unwrap();
    if !version.starts_with(PINNED) {
        eprintln!("the messages of {PINNED} are pinned, and this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
