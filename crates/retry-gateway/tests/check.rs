//! `retry-gateway check`, as somebody at a terminal meets it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

const GOOD: &str = r#"listen = "127.0.0.1:8080"
admin = "127.0.0.1:9090"
tls = { cert = "cert.pem", key = "key.pem" }
[upstreams.api]
endpoints = ["http://10.0.0.1:8080", "http://10.0.0.2:8080"]
[upstreams.models]
endpoints = ["https://models.example"]
protocol = "http2"
retry_budget = false
[[routes]]
host = "*.models.example"
methods = ["POST"]
upstream = "models"
profile = "llm"
fallback = { upstreams = ["api"], after = "1m" }
[[routes]]
path_prefix = "/static"
headers = { x-tenant = "blue" }
upstream = "api"
timeout = "1500ms"
retry = false
[[routes]]
upstream = "api"
retry = { num_retries = 1 }
"#;

/// What a run came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn check(folder: &Path, files: &[&str]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retry-gateway"));
    let output = command.current_dir(folder).arg("check").args(files).output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("cert.pem"), certified.cert.pem()).unwrap();
    fs::write(folder.path().join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn a_file_without_problems_is_summed_up() {
    let folder = folder(&[("good.toml", GOOD.as_bytes())]);
    let stdout = "\
good.toml: ok
  listen 127.0.0.1:8080 with TLS, admin 127.0.0.1:9090
  upstream api: 2 endpoints, http1, budget 20 % and 3/s, paced by credential and model
  upstream models: 1 endpoint, http2, no budget, paced by credential and model
  route *.models.example/ POST to models, else api after 1m: llm, 3 retries within 10m
  route /static with 1 header to api: no retries within 1.5s
  route / to api: 1 retry within 15s
";
    let expected = Outcome { code: Some(0), stdout: stdout.to_owned(), stderr: String::new() };
    assert_eq!(check(folder.path(), &["good.toml"]), expected);
}

#[test]
fn every_problem_is_told_and_the_code_is_2() {
    let bad = GOOD.replace("num_retries", "num_retrys").replace("\"http2\"", "\"htp2\"");
    let folder = folder(&[("bad.toml", bad.as_bytes())]);
    let stderr = "\
bad.toml:8:12: upstreams.models.protocol: unknown word: value \"htp2\"; allowed: http1, http2; did you mean \"http2\"?
bad.toml:24:11: routes[2].retry.num_retrys: unknown key; allowed: retry_on, retriable_status_codes, retriable_headers, methods, \
trust_idempotency_key, num_retries, per_try_timeout, back_off, rate_limited_back_off, host_selection, \
request_body_buffer_limit, error_body_drain, nested, attempt_header, explain_header, peek_quota, hold_event_stream, \
mint_idempotency_key; did you mean \"num_retries\"?
";
    let expected = Outcome { code: Some(2), stdout: String::new(), stderr: stderr.to_owned() };
    assert_eq!(check(folder.path(), &["bad.toml"]), expected);
}

#[test]
fn of_several_files_each_is_checked() {
    let files: [(&str, &[u8]); 3] = [
        ("good.toml", GOOD.as_bytes()),
        ("bad.toml", b"listen = 1\n[\n"),
        ("binary.toml", b"a = 1\nb = \"\xff\"\n"),
    ];
    let folder = folder(&files);
    let outcome = check(folder.path(), &["bad.toml", "good.toml", "nowhere.toml", "binary.toml", "."]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stdout.starts_with("good.toml: ok\n"), "{}", outcome.stdout);
    let told: Vec<_> = outcome.stderr.lines().collect();
    assert!(told[0].starts_with("bad.toml:2:2: not TOML: "), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("nowhere.toml: cannot be read: ")), "{told:?}");
    assert!(told.contains(&"binary.toml:2:6: is not UTF-8"), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with(".: cannot be read: ")), "{told:?}");

    let well = check(folder.path(), &["good.toml", "good.toml"]);
    assert_eq!((well.code, well.stdout.matches(": ok\n").count()), (Some(0), 2));
}

#[test]
fn every_example_is_accepted() {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let names =
        fs::read_dir(&examples).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: Vec<_> = names.filter(|name| name.ends_with(".toml")).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in &files {
        let outcome = check(&examples, &[file]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{file}");
    }
}

#[test]
fn a_file_without_end_is_refused() {
    if Path::new("/dev/zero").exists() {
        let outcome = check(Path::new("/"), &["/dev/zero"]);
        assert_eq!(outcome.code, Some(2));
        assert_eq!(outcome.stderr, "/dev/zero: is larger than 1 MiB, and no configuration\n");
    }
}

#[test]
fn no_file_is_a_mistake_too() {
    let outcome = check(Path::new("/"), &[]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("<FILE>..."), "{}", outcome.stderr);
}

#[test]
fn nobody_has_to_read_the_summary() {
    let folder = folder(&[("good.toml", GOOD.as_bytes())]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_retry-gateway"));
    command.current_dir(folder.path()).arg("check").args(["good.toml"; 2_000]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let stderr = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn serve_tells_the_same_problems() {
    let folder = folder(&[("bad.toml", b"listen = 1")]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_retry-gateway"));
    let output = command.current_dir(folder.path()).args(["serve", "--config", "bad.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), check(folder.path(), &["bad.toml"]).stderr);

    for (arguments, told) in [
        (["--upstream", "ftp://h"], "neither http nor https; allowed: a URL such as http://10.0.0.1:8080"),
        (["--upstream", "http://h/v1"], "has a path or a query, and requests bring their own"),
        (["--profile", "llm"], "--upstream <URL>"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retry-gateway"));
        let output = command.arg("serve").args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(told), "{stderr}");
    }
}

/// Each would end `serve` with the same message.
#[test]
fn what_serve_would_refuse_is_refused() {
    let rest = "[upstreams.api]\nendpoints = [\"https://a.example\"]\n[[routes]]\nupstream = \"api\"\n";
    for (top, rest, expected) in [
        ("tls = { cert = \"none.pem\", key = \"key.pem\" }", rest, "none.pem: "),
        ("tls = { cert = \"cert.pem\", key = \"cert.pem\" }", rest, "cert.pem: not a private key"),
        ("tls = { cert = \"cert.pem\", key = \"other.pem\" }", rest, "cert.pem and "),
        ("", &rest.replace("[[", "tls.ca = \"key.pem\"\n[["), "key.pem: contains no certificate"),
        ("admin = \"192.0.2.1:9090\"\nadmin_public = true", rest, "admin: cannot bind 192.0.2.1"),
    ] {
        let file = format!("listen = \"127.0.0.1:8080\"\n{top}\n{rest}");
        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let folder = folder(&[("gateway.toml", file.as_bytes()), ("other.pem", other.as_bytes())]);
        let outcome = check(folder.path(), &["gateway.toml"]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{top} {}", outcome.stderr);
        assert!(
            outcome.stderr.starts_with("gateway.toml: ") && outcome.stderr.contains(expected),
            "{outcome:?}"
        );
    }
    // A port in use is one of a running gateway.
    let running = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = format!("listen = \"{}\"\n{rest}", running.local_addr().unwrap());
    assert_eq!(check(folder(&[("gateway.toml", file.as_bytes())]).path(), &["gateway.toml"]).code, Some(0));
}
