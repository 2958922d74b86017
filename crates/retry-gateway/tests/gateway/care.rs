//! What is found in the bodies of a server of language models, and what becomes of it.

mod broken;
mod frames;
mod keys;
mod quotas;
mod streams;

use crate::process::Gateway;
use crate::upstream::Upstream;

const LLM: &[&str] = &["--profile", "llm"];

/// A gateway with further lines of its upstream and of its route's retries.
#[track_caller]
fn gateway(upstream: &Upstream, lines: &str, retry: &str) -> Gateway {
    Gateway::by(&format!(
        "[upstreams.api]\nendpoints = [{:?}]\n{lines}\n[[routes]]\nupstream = \"api\"\n[routes.retry]\n{retry}\n",
        upstream.url()
    ))
}

/// The status of each attempt and what the client got, by the log of its first request.
#[track_caller]
fn logged(gateway: &Gateway) -> (Vec<u64>, u64) {
    let line = &gateway.log(1)[0];
    let attempts = line["attempts"].as_array().unwrap();
    (attempts.iter().filter_map(|step| step["status"].as_u64()).collect(), line["status"].as_u64().unwrap())
}
