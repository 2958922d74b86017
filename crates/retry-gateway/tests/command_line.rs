//! What the command line says of itself: its version, its completions and its manual pages.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output, Stdio};

const COMMANDS: [&str; 6] = ["serve", "check", "explain", "demo", "completions", "man"];

fn gateway(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retry-gateway"));
    command.args(arguments).output().expect("the gateway was built with this test")
}

/// What it prints, and that it is well.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = gateway(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const VERSION: &str = concat!("retry-gateway ", env!("CARGO_PKG_VERSION"), "\n");

#[test]
fn the_short_version_is_one_line() {
    assert_eq!(printed(&["-V"]), VERSION);
}

#[test]
fn the_long_version_says_of_what_and_by_what_it_was_built() {
    let text = printed(&["--version"]);
    let facts: Vec<_> = text
        .strip_prefix(VERSION)
        .expect("the short version comes first")
        .lines()
        .map(|line| line.split_once(": ").expect("a name and a value"))
        .collect();
    let names = facts.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    assert_eq!(names, ["commit", "date", "rustc", "target", "profile"]);
    let [commit, date, rustc, target, profile] = [0, 1, 2, 3, 4].map(|index| facts[index].1);
    let hash = commit.trim_end_matches("-dirty");
    let is_hash = hash.len() >= 12 && hash.chars().all(|digit| digit.is_ascii_hexdigit());
    assert!(is_hash || commit == "unknown", "{commit}");
    let is_day = date.len() == "06 Nov 1994".len() && date.split(' ').count() == 3;
    assert!(is_day || date == "unknown", "{date}");
    assert!(rustc.starts_with("1."), "{rustc}");
    assert!(target.contains(std::env::consts::ARCH), "{target}");
    assert_eq!(profile, if cfg!(debug_assertions) { "debug" } else { "release" });
}

#[test]
fn the_commit_is_that_of_the_checkout() {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    // What the build was told outranks the checkout.
    let told = std::env::var_os("RETRY_GATEWAY_COMMIT").is_some_and(|commit| !commit.is_empty());
    if told || git(&["ls-files", "--error-unmatch", "Cargo.toml"]).is_none() {
        return;
    }
    let head = git(&["rev-parse", "--short=12", "HEAD"]).expect("a checkout has a commit");
    assert!(printed(&["--version"]).contains(&format!("\ncommit: {head}")), "{head}");
}

#[test]
fn each_shell_gets_completions_for_each_command() {
    for (shell, sign) in [
        ("bash", "complete -F"),
        ("elvish", "edit:completion:arg-completer"),
        ("fish", "complete -c retry-gateway"),
        ("powershell", "Register-ArgumentCompleter"),
        ("zsh", "#compdef retry-gateway"),
    ] {
        let script = printed(&["completions", shell]);
        assert!(script.contains(sign), "{shell}");
        for command in COMMANDS {
            assert!(script.contains(command), "{shell} knows no {command}");
        }
    }
    let output = gateway(&["completions", "tcsh"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("bash, elvish, fish, powershell, zsh"));
}

#[test]
fn the_manual_page_names_each_command() {
    let page = printed(&["man"]);
    assert!(page.contains(&format!(".TH retry-gateway 1  \"{}\"", VERSION.trim())), "{page}");
    for command in COMMANDS {
        assert!(page.contains(&format!("retry\\-gateway\\-{command}(1)")), "{command}");
    }
    assert!(!page.contains("commit"), "a page is of a version, not of a build");
}

#[test]
fn each_command_has_a_page_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("share/man1");
    assert_eq!(printed(&["man", "--out", out.to_str().unwrap()]), "");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let written: BTreeSet<_> = fs::read_dir(&out).unwrap().map(name).collect();
    let mut expected: BTreeSet<_> = COMMANDS.map(|command| format!("retry-gateway-{command}.1")).into();
    expected.insert("retry-gateway.1".to_owned());
    assert_eq!(written, expected);
    for file in &written {
        let page = fs::read_to_string(out.join(file)).unwrap();
        let name = file.trim_end_matches(".1");
        assert!(page.contains(&format!(".TH {name} 1  \"{}\"", VERSION.trim())), "{file}");
    }
    assert_eq!(fs::read_to_string(out.join("retry-gateway.1")).unwrap(), printed(&["man"]));

    let taken = out.join("retry-gateway.1");
    let output = gateway(&["man", "--out", taken.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains(&format!("cannot write to {}", taken.display())), "{told}");
}

#[test]
fn nobody_has_to_read_to_the_end() {
    for arguments in [
        &["completions", "bash"][..],
        &["completions", "zsh"],
        &["man"],
        &["explain", "--status", "503"],
        &["--version"],
    ] {
        // The pipe's other end is gone before there is anything to write.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_retry-gateway"));
        let output = command.args(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*told), (Some(0), ""), "{arguments:?}");
    }
}
