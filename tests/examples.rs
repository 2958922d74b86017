//! Runs the examples, as `cargo test --workspace` has built them.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::support::server::Server;
use crate::support::{assert_status, get, soon};

/// What an example prints, if it ends well.
#[track_caller]
fn run(name: &str) -> String {
    // They talk to themselves, whatever proxy the others are to take.
    let output = Command::new(path(name)).env("NO_PROXY", "127.0.0.1").output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    printed
}

/// Runs an example, and finds all of this in what it prints, in this order.
#[track_caller]
fn check<const N: usize>(name: &str, told: [&str; N]) {
    let printed = run(name);
    let mut rest = printed.as_str();
    for told in told {
        let Some((_, after)) = rest.split_once(told) else { panic!("no {told:?} in its place:\n{printed}") };
        rest = after;
    }
}

/// Examples stand beside the folder that this test was built into.
fn path(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let path = this.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(path.exists(), "build the examples first: cargo build --package examples --examples");
    path
}

#[test]
fn hyper_client_is_answered_at_the_third_attempt() {
    check("hyper_client", ["attempt 3\n200 OK\nafter 3 attempts"]);
}

#[test]
fn custom_policy_lets_those_who_pay_go_first() {
    check("custom_policy", ["free: 200 OK", "pro: 200 OK"]);
}

#[test]
fn reqwest_uploads_its_stream_again() {
    check("reqwest", ["after 2 attempts and 1.", "first line\nsecond line\n"]);
}

#[test]
fn metrics_counts_resends_and_what_was_not_retried() {
    let counted = [
        "http_requests_total{gave_up=\"none\"} 1\n",
        "http_requests_total{gave_up=\"not-idempotent\"} 1\n",
        "http_resends_total{cause=\"throttled\"} 1\n",
    ];
    check("metrics", counted);
}

#[test]
fn axum_layer_hides_two_conflicts() {
    check("axum_layer", ["read 1: conflict\nread 2: conflict\n200 OK: 42 in stock"]);
}

#[test]
fn axum_proxy_answers_what_it_knows_and_sends_on_the_rest() {
    check("axum_proxy", ["health: well\necho: a text"]);
}

#[test]
fn axum_state_has_a_client_that_tries_again() {
    check("axum_state", ["200 OK: take one"]);
}

#[test]
fn overrides_speak_for_one_request() {
    let attempts = [3, 1, 5, 3, 1, 1, 3].map(|attempts| format!("-> attempts: {attempts}\n"));
    check("overrides", attempts.each_ref().map(String::as_str));
}

#[test]
fn shared_budget_is_spent_by_one_and_missed_by_the_other() {
    let told = ["orders: sent 3 times", "0.0 tokens left\nstock: sent 1 times, gave up: Some(Budget)"];
    check("shared_budget", told);
    check("shared_budget", ["1.0 tokens left\nstock: sent 2 times"]);
}

#[test]
fn opentelemetry_gets_a_span_for_each_resend() {
    check("opentelemetry", ["page\n", "  retry http.request.method=GET", "- accepted attempt=3"]);
    check("opentelemetry", ["    resend attempt=2 http.request.resend_count=1\n", "    resend attempt=3"]);
}

#[tokio::test]
async fn gateway_tries_again_for_its_clients() {
    let upstream = Server::statuses([503, 200]).await;
    let mut gateway = Command::new(path("gateway"));
    let mut gateway =
        Running(gateway.arg(upstream.address().to_string()).stdout(Stdio::piped()).spawn().unwrap());
    let mut url = String::new();
    BufReader::new(gateway.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let plain = Client::builder(TokioExecutor::new()).build_http();
    let answer = soon(plain.request(get(&format!("{}/a?b", url.trim())))).await;
    assert_status(&answer.unwrap(), 200);
    assert_eq!(upstream.seen().iter().map(|seen| &*seen.target).collect::<Vec<_>>(), ["/a?b", "/a?b"]);
}

/// Ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn tonic_is_served_at_the_third_call() {
    let printed = run("tonic");
    assert!(printed.contains("2 calls before\nServing"), "{printed}");
}

#[test]
fn test_a_policy_finds_the_fault_and_draws_the_schedule() {
    let printed = run("test_a_policy");
    assert!(printed.contains("after attempt 5 the policy breaks the law `Ordered`"), "{printed}");
    assert!(printed.contains("resend  waits\n     1") && printed.contains("500ms to 1s"), "{printed}");
}
