//! Who may depend on whom: the arrows between the floors, and what the pure floor must not name.

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
            "httpdate",
            "jiff",
            "prost",
            "rand",
            "serde_json",
            "sfv",
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
            "tokio",
            "tower",
            "tower-layer",
            "tower-service",
            "tracing",
        ],
    ),
    (
        "retry-gateway",
        &[
            "anyhow",
            "arc-swap",
            "bytes",
            "clap",
            "clap_complete",
            "clap_mangen",
            "http",
            "http-body",
            "http-body-util",
            "http-retry",
            "hyper",
            "hyper-rustls",
            "hyper-util",
            "ipnet",
            "mimalloc",
            // For the feature `otlp`.
            "opentelemetry",
            "opentelemetry-http",
            "opentelemetry-otlp",
            "opentelemetry_sdk",
            "pin-project-lite",
            "prometheus-client",
            "rand",
            // For `demo`, which has the experiment's servers and callers.
            "retry-experiment",
            "rustls",
            "serde",
            "serde_json",
            "smallvec",
            "strsim",
            "tokio",
            "tokio-rustls",
            "toml",
            "tower",
            "tower-http-retry",
            "webpki-roots",
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
        &["anyhow", "clap", "comfy-table", "http", "http-retry", "plotters", "rand", "serde", "serde_json"],
    ),
];

/// The crate that tests share.
const DEV_CRATE: &str = "testkit";

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
