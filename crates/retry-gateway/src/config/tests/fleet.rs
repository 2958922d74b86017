//! The fleet of a file: its keys, what it shares, and that nobody sees its secrets.

use std::time::Duration;

use super::*;

#[track_caller]
fn fleet(lines: &str) -> FleetConfig {
    config(&file(&format!("fleet = {{ {lines} }}"), "", "")).fleet.unwrap()
}

#[track_caller]
fn check(lines: &str, change: impl FnOnce(&mut FleetConfig)) {
    let mut expected = fleet("store = 'redis://h'");
    change(&mut expected);
    assert_eq!(fleet(&format!("store = 'redis://h', {lines}")), expected, "{lines}");
}

#[test]
fn fleet_has_the_documented_defaults() {
    let fleet = fleet("store = 'redis://h'");
    assert_eq!((fleet.name.as_str(), fleet.address.url.as_str()), ("default", "redis://h:6379/0"));
    assert_eq!((fleet.lease, fleet.timeout), (Duration::from_millis(200), Duration::from_millis(50)));
    assert_eq!((fleet.secret, fleet.ca), (None, None));
    assert!(upstream("").fleet && !upstream("fleet = false").fleet);
}

#[test]
fn fleet_keys() {
    check("name = 'prod-2'", |fleet| fleet.name = "prod-2".to_owned());
    check("lease = '2s'", |fleet| fleet.lease = Duration::from_secs(2));
    check("timeout = '5ms'", |fleet| fleet.timeout = Duration::from_millis(5));
    check("secret = 'hidden'", |fleet| fleet.secret = Some(Secret::new("hidden")));
    // The default of the timeout is below each lease.
    assert_eq!(fleet("store = 'redis://h', lease = '50ms'").timeout, Duration::from_millis(25));
    let roots = fleet("store = 'rediss://h', tls = { ca = 'ca.pem' }").ca;
    assert_eq!(roots, Some("ca.pem".into()));
    let address = |store: &str| fleet(&format!("store = {store}")).address.url;
    assert_eq!(address("['redis://a', 'redis://b:7000']"), "redis://a:6379/0,redis://b:7000/0");
    let sentinel = "redis+sentinel://a:26379/0?master=prod";
    assert_eq!(address(&format!("'{sentinel}'")), sentinel);
}

#[test]
fn secrets_come_from_files_and_the_environment_and_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(folder.path().join("store"), "redis://alice:swordfish@127.0.0.1/2\n").unwrap();
    // Each process has this variable.
    let lines = "fleet = { store = 'file:store', secret = 'env:PATH' }";
    std::fs::write(&path, file(lines, "", "")).unwrap();
    let config = Config::load(&path).unwrap();
    let fleet = config.fleet.clone().unwrap();
    assert_eq!(fleet.store[0].expose(), "redis://alice:swordfish@127.0.0.1/2");
    assert_eq!(fleet.secret.as_ref().unwrap().expose(), std::env::var("PATH").unwrap().trim());
    assert_eq!(fleet.files().collect::<Vec<_>>(), [folder.path().join("store")]);
    let shown = format!("{config:?} {} {:?}", config.summary(), config.warnings());
    assert!(shown.contains("redis://127.0.0.1:6379/2"), "{shown}");
    for hidden in ["alice", "swordfish", &std::env::var("PATH").unwrap()] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    std::fs::write(folder.path().join("store"), " \n").unwrap();
    let problem = Config::load(&path).unwrap_err().to_string();
    assert!(
        problem.contains(":1:19: fleet.store: an empty file: value 'file:store'; allowed: "),
        "{problem}"
    );
}

#[test]
fn summary_says_what_is_shared_by_whom() {
    let line = |top: &str, upstream: &str| {
        let summary = config(&file(top, upstream, "")).summary().to_string();
        summary.lines().find(|line| line.starts_with("  fleet")).map(str::to_owned)
    };
    let top = "fleet = { store = 'redis://me:hidden@127.0.0.1', name = 'prod' }";
    let check = |upstream: &str, expected: &str| {
        let expected = format!("  fleet prod on redis://127.0.0.1:6379/0: {expected}");
        assert_eq!(line(top, upstream), Some(expected), "{upstream}");
    };
    check("pace.key = 'credential+model'", "pace of api by credential+model; retry budget of api");
    check("", "retry budget of api");
    check("pace.key = 'header:x-team'\nretry_budget = false", "pace of api by header:x-team");
    check("pace = true\nfleet = false", "nothing");
    check(
        "pace = true\n[upstreams.b]\nendpoints = ['http://b']\npace.key = 'endpoint'",
        "pace of api by upstream, b by endpoint; retry budget of api, b",
    );
    assert_eq!(line("", "pace = true"), None);
}

#[test]
fn operators_are_warned() {
    let check = |top: &str, upstream: &str, expected: &[&str]| {
        assert_eq!(config(&file(top, upstream, "")).warnings(), expected, "{top} {upstream}");
    };
    let (local, far) =
        ("fleet.store = 'redis://me:hidden@127.0.0.1'", "fleet.store = 'redis://me:hidden@far'");
    check("", "pace.key = 'credential'", &[]);
    check(local, "pace = true", &[]);
    check(
        far,
        "",
        &[
            "fleet.store: redis://far:6379/0 sends its password in the clear to another machine; use rediss://",
        ],
    );
    let nothing = "fleet: shares nothing, because no upstream of it has a pace or a retry budget";
    check(local, "retry_budget = false", &[nothing]);
    check(local, "fleet = false\npace.key = 'credential'", &[nothing]);
    let no_secret = "fleet.secret: missing, so whoever reads the store can test whether a guessed credential is in use; set \
                     the same for all members";
    for key in ["credential", "credential+model", "header:x-api-key"] {
        let upstream = format!("pace.key = '{key}'");
        check(local, &upstream, &[no_secret]);
        check("fleet = { store = 'redis://h', secret = 'x' }", &upstream, &[]);
    }
}
