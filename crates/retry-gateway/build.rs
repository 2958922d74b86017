//! What `--version` says of a build, and nothing that would differ if it was built again.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};
use std::{env, fs};

/// The crates of this workspace that the gateway is made of.
const CRATES: [&str; 4] = ["http-retry", "retry-experiment", "retry-gateway", "tower-http-retry"];

fn main() {
    println!("cargo::rerun-if-env-changed=RETRY_GATEWAY_COMMIT");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    // Unpacked from a registry, this folder may be inside of somebody else's checkout.
    let ours = git(&["ls-files", "--error-unmatch", "Cargo.toml"]).is_some();
    if ours {
        watch();
    }
    let (known, date) = match ours {
        true => (checked_out(), git(&["log", "-1", "--format=%ct"])),
        false => (published(), None),
    };
    let commit = variable("RETRY_GATEWAY_COMMIT").or(known);
    let date = variable("SOURCE_DATE_EPOCH").or(date).and_then(|seconds| day(&seconds));
    let rustc = variable("RUSTC").and_then(|rustc| said(Command::new(rustc).arg("--version")));
    let rustc = rustc.map(|version| version.trim_start_matches("rustc ").to_owned());
    for (name, value) in [
        ("COMMIT", commit),
        ("DATE", date),
        ("RUSTC", rustc),
        ("TARGET", variable("TARGET")),
        ("PROFILE", variable("PROFILE")),
    ] {
        println!("cargo::rustc-env=BUILD_{name}={}", value.as_deref().unwrap_or("unknown"));
    }
}

/// What the gateway is made of. A change elsewhere makes no commit dirty.
fn made_of() -> Vec<String> {
    let files = ["../../Cargo.lock", "../../Cargo.toml", "build.rs"].map(str::to_owned);
    let crates = CRATES.iter().flat_map(|name| [format!("../{name}/Cargo.toml"), format!("../{name}/src")]);
    files.into_iter().chain(crates).collect()
}

/// Has this run again after a commit, and after a change of what is compiled again anyway.
fn watch() {
    let logs = ["HEAD", "logs/HEAD"].map(|name| git(&["rev-parse", "--git-path", name]));
    // A path that is not there would have this run with every build.
    for path in logs.into_iter().flatten().chain(made_of()).filter(|path| Path::new(path).exists()) {
        println!("cargo::rerun-if-changed={path}");
    }
}

/// The commit of a checkout.
fn checked_out() -> Option<String> {
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let made_of = made_of();
    let mut arguments = vec!["diff", "--quiet", "HEAD", "--"];
    arguments.extend(made_of.iter().map(String::as_str));
    let clean = git(&arguments).is_some();
    Some(if clean { commit } else { commit + "-dirty" })
}

/// The commit that a published package was made of: cargo leaves a note.
fn published() -> Option<String> {
    let note = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = note.split_once("\"sha1\": \"")?;
    let dirty = if note.contains("\"dirty\": true") { "-dirty" } else { "" };
    Some(format!("{}{dirty}", rest.get(..12)?))
}

/// The day in UTC.
fn day(seconds: &str) -> Option<String> {
    const YEAR_10_000: u64 = 253_402_300_800;
    let seconds = seconds.parse().ok().filter(|seconds| *seconds < YEAR_10_000)?;
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    date.get("Sun, ".len().."Sun, 06 Nov 1994".len()).map(str::to_owned)
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn git(arguments: &[&str]) -> Option<String> {
    said(Command::new("git").env("GIT_OPTIONAL_LOCKS", "0").args(arguments))
}

/// What a command said, if it is there and succeeds.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
