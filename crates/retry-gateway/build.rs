//! Collects the facts of a build that `--version` prints. All of them are the same when the same commit is built again.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};
use std::{env, fs};

/// The crates of this workspace that the gateway depends on, itself included.
const CRATES: [&str; 4] = ["http-retry", "retry-experiment", "retry-gateway", "tower-http-retry"];

fn main() {
    println!("cargo::rerun-if-env-changed=RETRY_GATEWAY_COMMIT");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    // A package from a registry may be unpacked inside the checkout of another project.
    let is_checkout = git(&["ls-files", "--error-unmatch", "Cargo.toml"]).is_some();
    if is_checkout {
        rerun_after_changes();
    }
    let (commit, date) = match is_checkout {
        true => (checkout_commit(), git(&["log", "-1", "--format=%ct"])),
        false => (package_commit(), None),
    };
    let commit = variable("RETRY_GATEWAY_COMMIT").or(commit);
    let date = variable("SOURCE_DATE_EPOCH").or(date).and_then(|seconds| day(&seconds));
    let rustc = variable("RUSTC").and_then(|rustc| output_of(Command::new(rustc).arg("--version")));
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

/// Returns the sources of the gateway. A change elsewhere does not make its commit dirty.
fn sources() -> Vec<String> {
    let files = ["../../Cargo.lock", "../../Cargo.toml", "build.rs"].map(str::to_owned);
    let crates = CRATES.iter().flat_map(|name| [format!("../{name}/Cargo.toml"), format!("../{name}/src")]);
    files.into_iter().chain(crates).collect()
}

/// Makes cargo run this script again after a commit, and after a change of the sources.
fn rerun_after_changes() {
    let logs = ["HEAD", "logs/HEAD"].map(|name| git(&["rev-parse", "--git-path", name]));
    // A path that does not exist would make cargo run this script with every build.
    for path in logs.into_iter().flatten().chain(sources()).filter(|path| Path::new(path).exists()) {
        println!("cargo::rerun-if-changed={path}");
    }
}

/// Returns the commit of a checkout.
fn checkout_commit() -> Option<String> {
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let sources = sources();
    let mut arguments = vec!["diff", "--quiet", "HEAD", "--"];
    arguments.extend(sources.iter().map(String::as_str));
    let clean = git(&arguments).is_some();
    Some(if clean { commit } else { commit + "-dirty" })
}

/// Returns the commit of a published package, which cargo has noted in it.
fn package_commit() -> Option<String> {
    let note = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = note.split_once("\"sha1\": \"")?;
    let dirty = if note.contains("\"dirty\": true") { "-dirty" } else { "" };
    Some(format!("{}{dirty}", rest.get(..12)?))
}

/// Returns the day in UTC of a Unix time.
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
    output_of(Command::new("git").env("GIT_OPTIONAL_LOCKS", "0").args(arguments))
}

/// Returns the output of a command, if it exists and succeeds.
fn output_of(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
