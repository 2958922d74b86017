//! `retry-gateway check --online`, as somebody at a terminal meets it.

use testkit::redis::{RedisServer, free_port};

use crate::config;
use crate::process::run;

/// Checks a file for this store, and returns the exit code, the standard output and the standard error.
fn check(store: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, config(store, "test", "http://127.0.0.1:1", "")).unwrap();
    let path = path.to_str().unwrap();
    let output = run(&[&["check", path], arguments].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(path, "gateway.toml");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn good_store_is_summed_up() {
    let store = RedisServer::start();
    let (code, stdout, stderr) = check(&store.url(), &["--online"]);
    assert_eq!(code, Some(0), "{stderr}");
    let fleet = format!("  fleet test on {}: pace of api by credential; retry budget of api\n", store.url());
    assert!(stdout.contains(&fleet) && stdout.contains("\n  store of the fleet: redis 7"), "{stdout}");
    assert!(stdout.ends_with(", maxmemory-policy noeviction\n"), "{stdout}");
    let secret = "gateway.toml: warning: fleet.secret: missing, so whoever reads the store can test whether a guessed \
                  credential is in use; set the same for all members\n";
    assert_eq!(stderr, secret);
    store.client().run(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let (code, _, stderr) = check(&store.url(), &["--online"]);
    assert_eq!(code, Some(0));
    assert!(stderr.contains("(maxmemory-policy allkeys-lru); set noeviction or volatile-ttl\n"), "{stderr}");
}

#[test]
fn store_that_cannot_be_used_is_a_problem_of_check_online_only() {
    let store = RedisServer::start();
    let user = "ACL SETUSER retry on >PASSWORD ~hr1:* &hr1:* +@all -hset";
    store.client().run(&user.split(' ').collect::<Vec<_>>());
    let url = format!("redis://retry:PASSWORD@127.0.0.1:{}/0", store.port());
    let (code, stdout, stderr) = check(&url, &["--online"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    let shown = store.url();
    let expected =
        format!("gateway.toml: fleet.store: {shown}: the user of the store lacks rights; allow +hset\n");
    assert_eq!(stderr, expected);
    assert_eq!(check(&url, &[]).0, Some(0));
    let gone = format!("redis://127.0.0.1:{}/0", free_port());
    let (code, _, stderr) = check(&gone, &["--online"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("no connection: ") && stderr.contains("refused"), "{stderr}");
    assert_eq!(check(&gone, &[]).0, Some(0));
}
