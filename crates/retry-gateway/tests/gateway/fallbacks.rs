//! Requests that go to another upstream, because the first cannot take them.

mod bodies;
mod ends;
mod goes;
mod paces;
mod told;

use std::time::{Duration, Instant};

use crate::client::{Reply, call};
use crate::configured::attempts;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, say};

/// Further lines of a file with the upstreams `api` and `other`, and a route that falls back from one to the other.
#[derive(Clone, Copy, Default)]
struct Lines {
    top: &'static str,
    api: &'static str,
    other: &'static str,
    /// Of the table `fallback`, after its upstreams.
    fallback: &'static str,
    route: &'static str,
    retry: &'static str,
}

/// For APIs of language models, without what waits.
const LLM: Lines = Lines {
    top: "",
    api: "pace = false",
    other: "pace = false",
    fallback: "",
    route: "profile = \"llm\"",
    retry: "",
};

fn gateway(api: &str, other: &str, lines: Lines) -> Gateway {
    let Lines { top, api: of_api, other: of_other, fallback, route, retry } = lines;
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n{top}\n[upstreams.api]\nendpoints = [{api:?}]\n{of_api}\n\
         [upstreams.other]\nendpoints = [{other:?}]\n{of_other}\n\
         [[routes]]\nupstream = \"api\"\nfallback = {{ upstreams = [\"other\"]{fallback} }}\n{route}\n\
         {}{retry}\n",
        if retry.starts_with("retry = ") { "" } else { "[routes.retry]\n" },
    ))
}

/// One that answers with 200 and its name.
fn other() -> Upstream {
    Upstream::answering(vec![say(200, &[], "other")])
}

/// What the log has of the last of so many requests: each attempt's upstream, and what came of it.
#[track_caller]
fn logged(gateway: &Gateway, requests: usize) -> String {
    let log = gateway.log(requests);
    let step = |step: &serde_json::Value| {
        let said = step["status"].as_u64().map(|status| status.to_string());
        let said = said.or_else(|| Some(step["error"].as_str()?.to_owned())).unwrap_or_default();
        format!("{} {said}", step["upstream"].as_str().unwrap()).trim_end().to_owned()
    };
    attempts(&log[requests - 1]).iter().map(step).collect::<Vec<_>>().join(", ")
}

/// The attempts of a request where the first upstream does this, and what the client gets.
#[track_caller]
fn check(act: &Act, line: &str, lines: Lines, expected: (&str, u16)) -> Reply {
    let (api, other) = (Upstream::answering(vec![act.clone()]), other());
    let gateway = gateway(&api.url(), &other.url(), lines);
    let body = if line.starts_with("POST") { "hello" } else { "" };
    let began = Instant::now();
    let reply = call(gateway.address, line, &[], body);
    assert_eq!((logged(&gateway, 1).as_str(), reply.status), expected, "{act:?} {line}");
    assert!(began.elapsed() < Duration::from_secs(4), "{act:?} {line}: {:?}", began.elapsed());
    for seen in api.seen().iter().chain(&other.seen()) {
        assert_eq!(seen.body, body, "{act:?} {line}");
    }
    reply
}
