//! The messages of the compiler for the likeliest mistakes.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The compiler whose messages are pinned: the workspace's `rust-version`.
const PINNED: &str = concat!("rustc ", env!("CARGO_PKG_RUST_VERSION"));

/// The layer's own sentences hold for every compiler, but the text around them changes from one compiler to the next.
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

/// Each line of an error on the page "When it does not compile" stands in a pinned message.
#[test]
fn the_guide_quotes_the_messages() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page =
        fs::read_to_string(root.join("../crates/tower-http-retry/src/guide/compile_errors.md")).unwrap();
    let messages: String = fs::read_dir(root.join("ui"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "stderr"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let blocks: Vec<_> =
        page.split("```text\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 11, "{blocks:?}");
    // The generator of another version would be a dependency of this package.
    for line in blocks.iter().flat_map(|block| block.lines()).filter(|line| !line.contains("rand_core")) {
        assert!(messages.lines().any(|message| message == line), "no pinned message has {line:?}");
    }
}
