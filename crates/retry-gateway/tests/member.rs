//! A gateway as a member of a fleet: the built binary, a `redis-server` of its own, and scripted upstreams.

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "gateway/client.rs"]
mod client;
#[path = "member/online.rs"]
mod online;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "gateway/process.rs"]
mod process;
#[path = "member/shared.rs"]
mod shared;
#[path = "member/told.rs"]
mod told;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "gateway/upstream.rs"]
mod upstream;

use std::thread;
use std::time::{Duration, Instant};

use testkit::redis::{RedisServer, Reply};

use crate::process::Gateway;

/// A member of the fleet `test` on this store, with the longest timeout, which a loaded machine keeps,, in front of this upstream.
fn member(store: &str, upstream: &str, more: &str) -> Gateway {
    Gateway::by(&config(store, "test", upstream, more))
}

fn config(store: &str, name: &str, upstream: &str, more: &str) -> String {
    format!(
        "\nadmin = \"127.0.0.1:0\"\nlisten = \"127.0.0.1:0\"\n\
         fleet = {{ store = \"{store}\", name = \"{name}\", lease = \"2s\", timeout = \"1s\" }}\n\
         [upstreams.api]\nendpoints = [\"{upstream}\"]\npace.key = \"credential\"\n{more}\n\
         [[routes]]\nupstream = \"api\"\n"
    )
}

/// Waits until something holds, for some seconds.
#[track_caller]
fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn state(gateway: &Gateway) -> String {
    gateway.status()["fleet"]["state"].as_str().unwrap_or_default().to_owned()
}

/// The members of a fleet, as the store counts them.
fn members(store: &RedisServer, name: &str) -> usize {
    let Reply::Array(elements) = store.client().run(&["ZRANGE", &format!("hr1:{{{name}:m}}"), "0", "-1"])
    else {
        panic!("no members");
    };
    // The layouts that members speak are elements too.
    elements
        .iter()
        .filter(|element| !matches!(element, Reply::Text(text) if text.starts_with("layout")))
        .count()
}
