//! All texts that users see, in one file: `tests/snapshots/user_texts.txt`.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p retry-gateway --test gateway user_texts` writes the file again.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;
use testkit::listener::unused_address;

use crate::client::{Reply, call, open, parse};
use crate::operations;
use crate::process::{Gateway, run};
use crate::upstream::{Act, Upstream, say};

const COMMANDS: [&str; 6] = ["serve", "check", "explain", "demo", "completions", "man"];

/// Mistakes on the command line.
const MISTAKES: [&str; 13] = [
    "serve",
    "serve --listen 127.0.0.1:8080",
    "serve --upstream nonsense",
    "serve --upstream http://api.example --listen 8080",
    "serve --upstream http://api.example --profile lm",
    "serve --upstream http://api.example --admin 0.0.0.0:9",
    "serve --upstream http://api.example --admin-public",
    "serve --config gateway.toml --listen 127.0.0.1:8080",
    "check",
    "explain --method POST",
    "explain --status 99",
    "explain --status 503 --header retry-after",
    "explain --status 503 --path /v1",
];

/// Cases of `explain`, by method, request header, outcome and response header.
const METHODS: [&[&str]; 3] = [
    &["--method", "GET"],
    &["--method", "POST"],
    &["--method", "POST", "--request-header", "idempotency-key: \"1\""],
];
const OUTCOMES: [&[&str]; 13] = [
    &["--failure", "connect"],
    &["--failure", "refused"],
    &["--failure", "reset"],
    &["--failure", "timeout"],
    &["--status", "200"],
    &["--status", "404"],
    &["--status", "409"],
    &["--status", "429", "--header", "retry-after: 2"],
    &["--status", "429", "--header", "retry-after: 3600"],
    &["--status", "500"],
    &["--status", "502"],
    &["--status", "503"],
    &["--status", "503", "--header", "x-should-retry: false"],
];

/// Settings of a route, each with a case that it decides.
const SETTINGS: [(&str, &str, &[&str]); 8] = [
    ("", "retry = false", &["--status", "503"]),
    ("", "[routes.retry]\nnum_retries = 0", &["--status", "503"]),
    ("", "[routes.retry]\nmethods = [\"PUT\"]", &["--status", "503"]),
    ("", "[routes.retry]\nretry_on = [\"reset\"]", &["--failure", "connect"]),
    ("", "", &["--status", "503", "--request-header", "x-envoy-attempt-count: 2"]),
    (
        "",
        "",
        &["--status", "503", "--request-header", "connection: upgrade", "--request-header", "upgrade: x"],
    ),
    ("fallback = { upstreams = [\"other\"] }", "", &["--status", "503"]),
    ("fallback = { upstreams = [\"other\"] }", "", &["--status", "503", "--header", "retry-after: 9"]),
];

#[test]
fn all_texts_that_users_see_are_in_the_snapshot() {
    let mut text = "Run with UPDATE_SNAPSHOTS=1 to write this file again.\n".to_owned();
    help(&mut text);
    mistakes(&mut text);
    explanations(&mut text);
    problems(&mut text);
    metrics(&mut text);
    let text = text.lines().map(|line| line.trim_end().to_owned() + "\n").collect::<String>();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/user_texts.txt");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(path, &text).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap();
    let difference = text.lines().zip(expected.lines()).position(|(line, expected)| line != expected);
    let at = difference.unwrap_or(text.lines().count().min(expected.lines().count()));
    let [line, expected_line] = [&text, &expected].map(|text| text.lines().nth(at));
    assert!(text == expected, "line {} is {line:?} and not {expected_line:?}", at + 1);
}

fn section(text: &mut String, title: &str) {
    write!(text, "\n\n==== {title}\n").unwrap();
}

fn help(text: &mut String) {
    section(text, "Help");
    let pages = COMMANDS.iter().map(|command| vec![*command, "--help"]);
    for arguments in std::iter::once(vec!["--help"]).chain(pages) {
        let output = run(&arguments);
        let page = String::from_utf8(output.stdout).unwrap();
        write!(text, "\n$ retry-gateway {}\n{page}", arguments.join(" ")).unwrap();
    }
}

fn mistakes(text: &mut String) {
    section(text, "Errors of the command line");
    for mistake in MISTAKES {
        let output = run(&mistake.split(' ').collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{mistake}");
        let error = String::from_utf8(output.stderr).unwrap();
        let error = error.replace("\n\nFor more information, try '--help'.\n", "\n");
        write!(text, "\n$ retry-gateway {mistake}\n{error}").unwrap();
    }
}

fn explanations(text: &mut String) {
    section(text, "Explanations");
    let mut explain = |shown: &str, arguments: &[&str]| {
        let output = run(&[&["explain"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        write!(text, "\n$ retry-gateway explain {shown}\n{}", String::from_utf8(output.stdout).unwrap())
            .unwrap();
    };
    for profile in ["default", "llm"] {
        for (method, outcome) in METHODS.iter().flat_map(|method| OUTCOMES.map(|outcome| (*method, outcome)))
        {
            let arguments = [&["--profile", profile], method, outcome].concat();
            explain(&shown(&arguments), &arguments);
        }
    }
    for (route, retry, case) in SETTINGS {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        let config = format!(
            "listen = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [\"http://10.0.0.1\"]\n\
             [upstreams.other]\nendpoints = [\"http://10.0.0.2\"]\n\
             [[routes]]\npath_prefix = \"/other\"\nupstream = \"other\"\n\
             [[routes]]\nupstream = \"api\"\n{route}\n{retry}\n"
        );
        fs::write(&file, config).unwrap();
        let setting =
            [route, retry].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
        let comment = if setting.is_empty() { "default".to_owned() } else { setting.replace('\n', " ") };
        explain(
            &format!("{}  # {comment}", shown(case)),
            &[&["--config", file.to_str().unwrap()], case].concat(),
        );
    }
}

/// The arguments as a shell takes them.
fn shown(arguments: &[&str]) -> String {
    let quoted = arguments.iter().map(|argument| match argument.contains(' ') {
        true => format!("'{argument}'"),
        false => (*argument).to_owned(),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn problems(text: &mut String) {
    section(text, "Problem details");
    let upstream = Upstream::start(|_, seen| match seen.head.split(['/', ' ']).nth(2).unwrap() {
        "close" => Act::Close,
        "hang" | "full" => Act::Hang,
        "paced" => say(429, &["retry-after: 60"], ""),
        _ => say(200, &[], ""),
    });
    let gateway = Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[limits]\nheaders = 6\nbody_timeout = \"1s\"\n\
         [upstreams.api]\nendpoints = [{url:?}]\n[upstreams.gone]\nendpoints = [\"http://{gone}\"]\n\
         [upstreams.full]\nendpoints = [{url:?}]\nmax_requests = 1\n\
         [upstreams.paced]\nendpoints = [{url:?}]\npace = true\n\
         [[routes]]\npath_prefix = \"/gone\"\nupstream = \"gone\"\n\
         [[routes]]\npath_prefix = \"/full\"\nupstream = \"full\"\n\
         [[routes]]\npath_prefix = \"/paced\"\nupstream = \"paced\"\ntimeout = \"2s\"\n\
         [[routes]]\npath_prefix = \"/hang\"\nupstream = \"api\"\ntimeout = \"1s\"\n\
         [[routes]]\npath_prefix = \"/close\"\nupstream = \"api\"\n\
         [[routes]]\npath_prefix = \"/api\"\nupstream = \"api\"\n",
        url = upstream.url(),
        gone = unused_address(),
    ));
    let mut problem = |case: &str, reply: Reply| {
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{case}: {reply:?}");
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        writeln!(text, "\n{case}\n{} {}: {}", reply.status, body["title"], body["detail"]).unwrap();
    };
    let address = gateway.address;
    let get = |path: &str| call(address, &format!("GET {path}"), &[], "");
    problem("no route matches the path", get("/elsewhere"));
    problem("CONNECT", call(address, "CONNECT /api", &[], ""));
    problem("two hosts", call(address, "GET /api", &["host: other.example"], ""));
    problem(
        "too many header lines",
        call(address, "GET /api", &["a: 1", "b: 1", "c: 1", "d: 1", "e: 1"], ""),
    );
    problem("the client does not send its body", {
        let mut socket = open(address, "POST /api", &["content-length: 9"], "");
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut socket, &mut bytes).unwrap();
        parse(&bytes)
    });
    problem("the upstream cannot be reached", get("/gone"));
    problem("the upstream closes the connection", call(address, "POST /close", &[], "x"));
    problem("the upstream does not answer", get("/hang"));
    let _held = open(address, "GET /full", &[], "");
    while gateway.status()["upstreams"][1]["in_flight"] != 1 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    problem("max_requests is reached", get("/full"));
    assert!((0..20).any(|_| get("/paced").status == 503), "20 refusals in a row stop nobody");
    problem("the pace would hold the request back for too long", get("/paced"));
}

fn metrics(text: &mut String) {
    section(text, "Help of the metrics");
    let metrics = operations::metrics();
    for line in metrics.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, help) = line.split_once(' ').unwrap();
        writeln!(text, "\n{name}\n{help}").unwrap();
    }
}
