//! The arrows between the crates, the names that the pure floor must not use, and the floors inside the gateway, one for
//! each stage of a request.

mod features;
mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// The floors, and all that each may name in its manifest.
const MAY_USE: &[(&str, &[&str])] = &[
    (
        "http-retry",
        &[
            // For the features `grpc` and `service-config`, as are prost and serde_json.
            "base64",
            "bytes",
            "http",
            "jiff",
            "prost",
            "rand",
            "serde_json",
            "sfv",
            "thiserror",
        ],
    ),
    (
        "tower-http-retry",
        &[
            "bytes",
            "h2",
            "http",
            "http-body",
            "http-body-util",
            "http-retry",
            "hyper",
            "hyper-util",
            // For the feature `serde`.
            "jiff",
            "pin-project-lite",
            "rand",
            "reqwest",
            "serde",
            "sync_wrapper",
            "thiserror",
            "tokio",
            "tower",
            "tower-layer",
            "tower-service",
            "tracing",
        ],
    ),
    (
        "http-retry-redis",
        &[
            "futures-util",
            "hmac",
            "http-retry",
            "rand",
            "redis",
            // The cryptography of TLS, which the client of Redis does not choose.
            "rustls",
            "sha2",
            "thiserror",
            "tokio",
        ],
    ),
    (
        "retry-gateway",
        &[
            "anyhow",
            "arc-swap",
            // For the payloads of Bedrock's frames.
            "base64",
            "brotli-decompressor",
            "bytes",
            "clap",
            "clap_complete",
            "clap_mangen",
            "flate2",
            "h2",
            "http",
            "http-body",
            "http-body-util",
            "http-retry",
            "http-retry-redis",
            "hyper",
            "hyper-rustls",
            "hyper-util",
            "ipnet",
            "jiff",
            "memchr",
            "mimalloc",
            "nix",
            // For the feature `otlp`.
            "opentelemetry",
            "opentelemetry-http",
            "opentelemetry-otlp",
            "opentelemetry_sdk",
            "percent-encoding",
            "pin-project-lite",
            "prometheus-client",
            "rand",
            // For `demo`, which has the experiment's servers and callers.
            "retry-experiment",
            "rustls",
            "serde",
            "serde_json",
            "smallvec",
            "socket2",
            "strsim",
            "thiserror",
            "tokio",
            "tokio-rustls",
            "toml",
            "tower",
            "tower-http-retry",
            "webpki-roots",
            "zstd",
        ],
    ),
    (
        "retry-experiment",
        &[
            "anyhow",
            "bytes",
            "clap",
            "comfy-table",
            "futures-util",
            "http",
            "http-body-util",
            "hyper",
            "hyper-util",
            "indicatif",
            "rand",
            "serde",
            "serde_json",
            "tokio",
            "tower",
            "tower-http-retry",
            "tower-layer",
        ],
    ),
    (
        "retry-sim",
        &[
            "anyhow",
            "clap",
            "comfy-table",
            "http",
            "http-retry",
            "jiff",
            "plotters",
            "rand",
            "serde",
            "serde_json",
        ],
    ),
];

/// The crate that tests share.
const DEV_CRATE: &str = "testkit";

/// The floors inside the gateway, from the ground up. A folder of its `src` imports folders of lower floors only, and
/// neither its own floor nor a higher one. A new folder needs a place here.
const GATEWAY_FLOORS: &[&[&str]] = &[
    &["sync"],
    &["config", "time"],
    &["connection", "llm"],
    &["message"],
    &["telemetry"],
    &["upstream"],
    &["proxy"],
    &["lifecycle"],
    &["server"],
    &["explain"],
    // The program, which has the library as a crate of its own.
    &["cli"],
];

/// What must not be anywhere below the pure floor.
const NOT_BELOW_PURE: &[&str] = &["hyper", "hyper-util", "tokio", "tower", "tower-service", "tracing"];

#[test]
fn no_floor_uses_what_is_not_its_own() {
    let metadata = metadata();
    let broken: Vec<_> = MAY_USE
        .iter()
        .flat_map(|(floor, allowed)| {
            let used = normal_dependencies(package(&metadata, floor));
            assert!(!used.is_empty(), "nothing is known of what {floor} uses");
            used.into_iter()
                .filter(|name| !allowed.contains(&name.as_str()))
                .map(move |name| format!("{floor} -> {name}"))
        })
        .collect();
    assert!(broken.is_empty(), "these arrows are not in the plan of the floors: {broken:#?}");
}

#[test]
fn what_is_published_needs_nothing_that_is_not() {
    let metadata = metadata();
    let ours = metadata.workspace_packages();
    let (kept, published): (Vec<_>, Vec<_>) =
        ours.into_iter().partition(|package| package.publish.as_ref().is_some_and(Vec::is_empty));
    assert!(!kept.is_empty() && published.len() > 2, "nothing is known of what is published");
    let broken: Vec<_> = published
        .iter()
        .flat_map(|package| normal_dependencies(package).into_iter().map(|name| (&package.name, name)))
        .filter(|(_, name)| kept.iter().any(|package| package.name == *name))
        .collect();
    assert!(broken.is_empty(), "these packages could not be made: {broken:?}");
}

#[test]
fn the_dev_crate_is_in_nothing_but_tests() {
    let metadata = metadata();
    let ours = metadata.workspace_packages();
    let uses = |package: &Package, kind| {
        package.dependencies.iter().any(|dependency| dependency.name == DEV_CRATE && dependency.kind == kind)
    };
    let tested = ours.iter().filter(|package| uses(package, DependencyKind::Development)).count();
    let linked: Vec<_> = ours
        .iter()
        .filter(|package| uses(package, DependencyKind::Normal))
        .map(|package| &package.name)
        .collect();
    assert!(tested > 1, "{DEV_CRATE} is not known");
    assert!(linked.is_empty(), "{DEV_CRATE} is for tests alone: {linked:?}");
    let own = normal_dependencies(package(&metadata, DEV_CRATE));
    let above: Vec<_> = ours.iter().filter(|package| own.contains(package.name.as_str())).collect();
    assert!(above.is_empty(), "the unit tests of these could not use {DEV_CRATE}: {above:?}");
}

#[test]
fn nothing_below_the_pure_floor_runs_or_does_io() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().expect("cargo resolved the workspace");
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut seen = BTreeMap::new();
    let mut next = vec![(&package(&metadata, "http-retry").id, "http-retry".to_owned())];
    while let Some((id, path)) = next.pop() {
        if seen.contains_key(id) {
            continue;
        }
        for dependency in &nodes[id].deps {
            if dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal) {
                next.push((&dependency.pkg, format!("{path} -> {}", metadata[&dependency.pkg].name)));
            }
        }
        seen.insert(id, path);
    }
    let broken: Vec<_> = seen
        .iter()
        .filter(|(id, _)| NOT_BELOW_PURE.contains(&metadata[**id].name.as_str()))
        .map(|(_, path)| path)
        .collect();
    assert!(seen.len() > 4, "nothing is known of what http-retry uses");
    assert!(broken.is_empty(), "http-retry must stay pure: {broken:#?}");
}

#[test]
fn the_pure_floor_names_no_clock_and_no_randomness_of_its_own() {
    let metadata = metadata();
    let manifest = package(&metadata, "http-retry").manifest_path.as_std_path();
    let sources = rust_files(&manifest.with_file_name("src"));
    assert!(sources.len() > 10, "the sources of http-retry are not where they were");
    let broken: Vec<_> = sources.iter().flat_map(|path| ambient(path)).collect();
    assert!(broken.is_empty(), "time and randomness are arguments: {broken:#?}");
}

#[test]
fn the_gateway_imports_downwards_only() {
    let imports = imports::read(&gateway_sources());
    let mut broken = Vec::new();
    for (file, imported) in &imports {
        let own = gateway_folder(file);
        for other in imported {
            let is_below = other != imports::ROOT
                && (gateway_folder(other) == own
                    || gateway_floor(gateway_folder(other)) < gateway_floor(own));
            if !is_below {
                broken.push(format!("{file} -> {other}"));
            }
        }
    }
    let folders: BTreeSet<_> = imports.keys().map(|file| gateway_folder(file)).collect();
    let missing: Vec<_> = folders.iter().filter(|folder| gateway_floor(folder) == 0).collect();
    assert!(missing.is_empty(), "add a row to GATEWAY_FLOORS for {missing:?}");
    assert_eq!(folders.len(), GATEWAY_FLOORS.concat().len(), "GATEWAY_FLOORS has a folder that is gone");
    assert!(broken.is_empty(), "these imports run upwards, or along a floor: {broken:#?}");
}

#[test]
fn no_files_of_the_gateway_import_each_other_in_a_circle() {
    let imports = imports::read(&gateway_sources());
    let mut arrows: BTreeSet<_> =
        imports.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to))).collect();
    assert!(arrows.len() > 150, "only {} imports were found", arrows.len());
    // An arrow of a circle ends where one begins, and begins where one ends.
    loop {
        let (from, to): (BTreeSet<_>, BTreeSet<_>) = arrows.iter().copied().unzip();
        let count = arrows.len();
        arrows.retain(|arrow| to.contains(arrow.0) && from.contains(arrow.1));
        if arrows.len() == count {
            break;
        }
    }
    assert!(
        arrows.is_empty(),
        "these imports are part of a circle, or lead from one to another: {arrows:#?}"
    );
}

#[test]
fn only_the_connection_names_the_client_of_redis() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/http-retry-redis/src");
    let named = rust_files(&sources).into_iter().filter(|path| {
        let text = fs::read_to_string(path).unwrap();
        // Not the tests, which have a server of the name, and not the comments.
        text.lines()
            .any(|line| line.contains("redis::") && !line.contains("testkit::") && !line.contains("//"))
    });
    let named: Vec<_> = named.map(|path| path.strip_prefix(&sources).unwrap().to_owned()).collect();
    assert!(named.len() > 1, "nothing is known of who names it");
    for path in named {
        assert!(path.starts_with("connection") || path == Path::new("connection.rs"), "{}", path.display());
    }
}

#[test]
fn only_the_demo_names_the_experiment() {
    let named = rust_files(&gateway_sources())
        .into_iter()
        .filter(|path| fs::read_to_string(path).unwrap().contains("retry_experiment"));
    let named: Vec<_> = named.map(|path| path.strip_prefix(gateway_sources()).unwrap().to_owned()).collect();
    assert!(!named.is_empty(), "nothing is known of the demo");
    for path in named {
        assert!(path.starts_with("cli/demo") || path == Path::new("cli/demo.rs"), "{}", path.display());
    }
}

/// Returns the name of a file's folder, or of the file that stands for it.
fn gateway_folder(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or_default()
}

/// Returns the floor of a folder, or 0 if the table does not have it.
fn gateway_floor(folder: &str) -> usize {
    GATEWAY_FLOORS.iter().position(|floor| floor.contains(&folder)).map_or(0, |floor| floor + 1)
}

fn gateway_sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/retry-gateway/src")
}

/// The lines of a file, without comments, that name something ambient.
fn ambient(path: &Path) -> Vec<String> {
    const AMBIENT: &[&str] = &["Instant::now", "SystemTime::now", "rand::rng(", "rand::random"];
    let text = fs::read_to_string(path).unwrap();
    let lines = (1..).zip(text.lines());
    let code = lines.map(|(number, line)| (number, line.split("//").next().unwrap_or_default()));
    let named = code.filter(|(_, line)| AMBIENT.iter().any(|name| line.contains(name)));
    named.map(|(number, line)| format!("{}:{number}: {}", path.display(), line.trim())).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => rust_files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// What a package names in its manifest for itself, under any feature and on any target.
fn normal_dependencies(package: &Package) -> BTreeSet<String> {
    let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    normal.map(|dependency| dependency.name.clone()).collect()
}

fn package<'a>(metadata: &'a Metadata, name: &str) -> &'a Package {
    let mut packages = metadata.workspace_packages().into_iter();
    packages.find(|package| package.name.as_str() == name).expect("a package of the workspace")
}

fn metadata() -> Metadata {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    // Not offline: the build has fetched what this platform needs, and the floors are those of every platform.
    let metadata =
        MetadataCommand::new().manifest_path(manifest).other_options(["--locked".to_owned()]).exec();
    metadata
        .expect("cargo reads the workspace, and fetches what it has not yet of the packages in Cargo.lock")
}
