mod defaults;
mod durations;
mod errors;
mod example;
mod fleet;
mod fuzz;
mod keys;
mod mistakes;
mod page;
mod profiles;
mod routes;

use super::*;

/// The smallest valid file. It ends in its only route, so keys of a route can be appended.
const MINIMAL: &str = r#"listen = "127.0.0.1:8080"
[upstreams.api]
endpoints = ["http://10.0.0.1:8080"]
[[routes]]
upstream = "api"
"#;

/// The example of the documentation, to the letter.
const EXAMPLE: &str = r#"
listen = "127.0.0.1:8080"            # HTTP/1.1 and HTTP/2 (h2c); tls = { cert, key } for TLS
admin  = "127.0.0.1:9090"            # /metrics /healthz /readyz /status

[upstreams.api]
endpoints = ["http://10.0.0.1:8080", "http://10.0.0.2:8080"]   # http or https
protocol = "http1"                   # http1 | http2
[upstreams.api.retry_budget]
percent = 20                         # earned per success
min_retries_per_second = 3
[upstreams.api.pace]
key = "upstream"                     # upstream | endpoint | header:authorization
longest = "60s"

[[routes]]
path_prefix = "/"                    # also host, methods, headers
upstream = "api"
timeout = "15s"                      # until response headers, waits included
profile = "default"                  # default | llm: timeout 10m, no per_try_timeout, hints to 120s, pace by authorization, 4 attempts, POST; explicit keys win
[routes.retry]
retry_on = ["connect-failure", "refused-stream", "reset", "per-try-timeout", "gateway-error", "rate-limited", "529"]
retriable_status_codes = []
methods = "idempotent"               # idempotent | all | ["GET", ..]
trust_idempotency_key = true         # the client that sends a key says the server honours it; false where it does not
num_retries = 2                      # resends, so 3 attempts
per_try_timeout = "5s"
back_off = { policy = "exponential", base_interval = "25ms", max_interval = "250ms", jitter = "full" }   # or decorrelated
rate_limited_back_off = { base_interval = "500ms", max_interval = "10s", on_exceed = "return", spread = 1.0 }   # of the hint, 250 ms to 5 s; 0 under a pace
host_selection = "avoid-previous"
request_body_buffer_limit = "64KiB"
error_body_drain = { bytes = "16KiB", time = "10ms" }
nested = "limit"                      # limit | ignore
attempt_header = "x-retry-attempt"
explain_header = false               # x-retry-reason, x-retry-attempts on responses
"#;

/// Parses a text that has no problems.
#[track_caller]
fn config(text: &str) -> Config {
    match Config::parse("gateway.toml", text) {
        Ok(config) => config,
        Err(problems) => panic!("{problems}\nin\n{text}"),
    }
}

/// Returns the problems of a text, without the name of the file.
#[track_caller]
fn problems(text: &str) -> Vec<String> {
    match Config::parse("gateway.toml", text) {
        Ok(config) => panic!("expected problems in\n{text}\nwhich parses as\n{config:#?}"),
        Err(problems) => {
            let text = problems.to_string();
            text.lines().map(|line| line.strip_prefix("gateway.toml:").unwrap().trim().to_owned()).collect()
        }
    }
}

/// Returns the minimal file with more lines at the top, in its upstream, and in its route.
fn file(top: &str, upstream: &str, route: &str) -> String {
    format!(
        "{top}\nlisten = \"127.0.0.1:8080\"\n[upstreams.api]\nendpoints = [\"https://10.0.0.1\"]\n{upstream}\n\
         [[routes]]\nupstream = \"api\"\n{route}\n"
    )
}

#[track_caller]
fn upstream(lines: &str) -> UpstreamConfig {
    config(&file("", lines, "")).upstreams["api"].clone()
}

#[track_caller]
fn route(lines: &str) -> RouteConfig {
    config(&file("", "", lines)).routes[0].clone()
}

#[track_caller]
fn retry(lines: &str) -> RetryConfig {
    route(&format!("[routes.retry]\n{lines}")).retry.unwrap()
}
