//! The Dockerfile, the systemd unit and the page about both, as far as they can be checked without either.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const BINARY: &str = "/usr/local/bin/retry-gateway";
const CONFIG: &str = "/etc/retry-gateway/gateway.toml";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn unit() -> String {
    read("crates/retry-gateway/packaging/retry-gateway.service")
}

/// The instructions of a Dockerfile, each as its name and the rest, on one line.
fn dockerfile() -> Vec<(String, String)> {
    let text = read("crates/retry-gateway/packaging/Dockerfile");
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let text = lines.join("\n").replace("\\\n", " ");
    let instructions = text.lines().map(|line| line.split_once(' ').expect("an instruction has arguments"));
    instructions.map(|(name, rest)| (name.to_owned(), rest.trim().to_owned())).collect()
}

/// What one instruction says, wherever it is there.
fn said(name: &str) -> Vec<String> {
    let said = dockerfile().into_iter().filter(|(it, _)| it == name).map(|(_, rest)| rest);
    said.collect()
}

/// What a unit says under one key, in order.
fn keys<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let values = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.collect()
}

/// The command line is one that the gateway knows: it gets as far as a file that is not there.
#[track_caller]
fn check(words: &[&str]) {
    let [binary, arguments @ ..] = words else { panic!("no command") };
    assert_eq!((*binary, words.last()), (BINARY, Some(&CONFIG)), "{words:?}");
    let arguments = arguments.iter().map(|word| if *word == CONFIG { "/nowhere/gateway.toml" } else { word });
    let output = Command::new(env!("CARGO_BIN_EXE_retry-gateway")).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.starts_with("/nowhere/gateway.toml: cannot be read: "), "{words:?}: {told}");
}

#[test]
fn the_image_runs_a_command_that_there_is() {
    let list = |name| match &said(name)[..] {
        [list] => serde_json::from_str::<Vec<String>>(list).expect("without a shell, it is a list"),
        several => panic!("{several:?}"),
    };
    let words = [list("ENTRYPOINT"), list("CMD")].concat();
    check(&words.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn the_unit_runs_commands_that_there_are() {
    let unit = unit();
    let of_gateway: Vec<_> = ["ExecStartPre", "ExecStart", "ExecReload"]
        .iter()
        .flat_map(|key| keys(&unit, key))
        .filter(|line| !line.starts_with("/bin/kill "))
        .collect();
    assert_eq!(of_gateway.len(), 3, "{of_gateway:?}");
    for line in of_gateway {
        check(&line.split(' ').collect::<Vec<_>>());
    }
}

#[test]
fn the_unit_waits_until_requests_under_way_have_ended() {
    let unit = unit();
    let seconds = keys(&unit, "TimeoutStopSec")[0].trim_end_matches('s').parse::<u64>().unwrap();
    assert!(seconds > 30, "{seconds}");
}

#[test]
fn the_image_is_built_of_what_there_is() {
    let (of_build, of_context): (Vec<_>, Vec<_>) =
        said("COPY").into_iter().partition(|copy| copy.starts_with("--from=build "));
    assert_eq!(of_build, [format!("--from=build {BINARY} {BINARY}")]);
    for copy in &of_context {
        let mut paths: Vec<_> = copy.split(' ').collect();
        paths.pop();
        assert!(!paths.is_empty(), "{copy}");
        for path in paths {
            assert!(root().join(path).exists(), "{path} is not there");
        }
    }
    let manifest = read("Cargo.toml");
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).expect("a workspace");
    for member in serde_json::from_str::<Vec<String>>(members).unwrap() {
        let folder = member.trim_end_matches("/*");
        assert!(
            of_context.iter().any(|copy| copy.starts_with(&format!("{folder} "))),
            "{folder} is not copied"
        );
    }
}

#[test]
fn the_image_is_built_by_a_compiler_that_is_new_enough() {
    let minor = |version: &str| version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    let from = said("FROM");
    let version = from[0].strip_prefix("rust:").and_then(|rest| rest.split('-').next()).expect("a version");
    let needed = env!("CARGO_PKG_RUST_VERSION");
    assert!(minor(version).is_some() && minor(version) >= minor(needed), "{version} is older than {needed}");
    let debian = |image: &str| image.contains("bookworm") || image.contains("debian12");
    assert!(
        from.iter().all(|image| debian(image)),
        "the binary needs the libc that it is linked to: {from:?}"
    );
}

#[test]
fn the_page_names_files_that_there_are() {
    let page = read("docs/install.md");
    let ends = |letter: char| letter.is_whitespace() || ")]\"`".contains(letter);
    let named = page.split(ends).map(|word| word.trim_start_matches("[(")).filter_map(|word| {
        let at = word.find("crates/retry-gateway")?;
        Some(&word[at..])
    });
    let named: Vec<_> = named.collect();
    assert!(named.len() > 8, "{named:?}");
    for path in named {
        assert!(root().join(path).exists(), "{path} is not there");
    }
    let folder = Path::new(BINARY).parent().unwrap().display();
    let installs = page.contains(CONFIG) && page.contains(&format!("--target-directory {folder}\n"));
    assert!(installs, "the unit looks there");
}
