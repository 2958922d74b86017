//! What is kept of requests, and what is read of failed responses.

use std::thread;

use crate::client::{call, open};
use crate::configured::{gateway, get};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, say};

/// Two bodies of 6 KB each, the first of which is kept as long as the second is there.
#[test]
fn all_requests_together_keep_no_more_than_the_total() {
    for (total, sends) in [("8KiB", 1), ("64KiB", 3)] {
        let upstream = Upstream::start(|_, seen| match seen.head.starts_with("PUT /hold") {
            true => Act::Hang,
            false => say(503, &[], "busy"),
        });
        let gateway = Gateway::by(&format!(
            "buffers = {{ total = \"{total}\" }}\n[upstreams.api]\nendpoints = [{:?}]\n\
             [[routes]]\nupstream = \"api\"\n",
            upstream.url()
        ));
        let body = "x".repeat(6_000);
        let held = open(gateway.address, "PUT /hold", &[], &body);
        upstream.wait_seen(1);
        assert_eq!(call(gateway.address, "PUT /", &[], &body).body, "busy", "{total}");
        assert_eq!(upstream.seen().len(), 1 + sends, "{total}");
        // What the first one kept is there for others when it is gone.
        drop(held);
        gateway.log(2);
        assert_eq!(call(gateway.address, "PUT /", &[], &body).body, "busy", "{total}");
        assert_eq!(upstream.seen().len(), 1 + sends + 3, "{total}");
    }
}

/// What has come with its head is read in any case, so it is more than that.
#[test]
fn a_refusal_is_read_up_to_so_many_bytes() {
    thread::scope(|scope| {
        for (bytes, is_kept) in [("900kB", false), ("1MB", true)] {
            scope.spawn(move || check_drain(bytes, is_kept));
        }
    });
}

#[track_caller]
fn check_drain(bytes: &str, is_kept: bool) {
    let refusal = say(503, &["retry-after: 1"], &"x".repeat(1_000_000));
    let upstream = Upstream::answering(vec![refusal, say(200, &[], "done")]);
    let retry = format!("[routes.retry]\nerror_body_drain = {{ bytes = \"{bytes}\", time = \"10s\" }}");
    let gateway = gateway(&[upstream.url()], "", "", &retry);
    assert_eq!(get(&gateway).body, "done", "{bytes}");
    let [first, second] = &upstream.seen()[..] else { panic!("{:?}", upstream.seen()) };
    assert_eq!(first.connection == second.connection, is_kept, "{bytes}");
}
