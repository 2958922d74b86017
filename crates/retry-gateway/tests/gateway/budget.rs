//! Resends that are paid for, and what happens when there is nothing to pay with.

use std::thread;
use std::time::Duration;

use crate::client::{Reply, call};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, nobody, say};

/// A gateway that counts, with a line for the budget and lines of the route's retries, which come at once.
#[track_caller]
fn gateway(endpoint: &str, budget: &str, retry: &str) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [{endpoint:?}]\n{budget}\n\
         [[routes]]\nupstream = \"api\"\n[routes.retry]\n{retry}\nrate_limited_back_off = {{ base_interval = \"1ms\", spread = 0 }}\n\
         back_off = {{ base_interval = \"1ms\", max_interval = \"1ms\" }}\n"
    ))
}

/// Nothing is earned: there is what the bucket begins with.
const NOTHING: &str = "retry_budget = { percent = 0, min_retries_per_second = 0 }";
/// As long as there are tokens, a request is sent 21 times.
const MANY: &str = "num_retries = 20";

/// Calls so often, one after the other, so that nobody gets what another one had to leave.
#[track_caller]
fn burst(gateway: &Gateway, calls: usize, check: impl Fn(&Reply)) {
    (0..calls).for_each(|_| check(&call(gateway.address, "GET /", &[], "")));
}

/// How often requests were sent again.
#[track_caller]
fn resends(gateway: &Gateway, calls: usize) -> usize {
    gateway.log(calls);
    (gateway.metric_of_api("upstream_rq_attempts_total") - gateway.metric_of_api("upstream_rq_total"))
        as usize
}

/// A bucket of 100 tokens pays for so many resends, and every request that it does not pay for is counted.
#[track_caller]
fn check(act: Act, retry: &str, calls: usize, expected: (usize, u16)) {
    let upstream = Upstream::answering(vec![act.clone()]);
    let gateway = gateway(&upstream.url(), NOTHING, retry);
    burst(&gateway, calls, |reply| {
        assert_eq!(reply.status, expected.1, "{act:?}");
        // What the upstream said last is the client's, paid or not.
        assert!(reply.status != 503 || reply.body == "busy", "{reply:?}");
    });
    assert_eq!(resends(&gateway, calls), expected.0, "{act:?}");
    assert_eq!(gateway.metric_of_api("retry_budget_tokens"), 0.0, "{act:?}");
    let unpaid = gateway.log(calls).iter().filter(|line| line["reason"] == "budget").count();
    assert!(
        unpaid > 0 && gateway.metric_of_api("upstream_rq_retry_overflow_total") == unpaid as f64,
        "{act:?}"
    );
}

#[test]
fn what_a_resend_costs_depends_on_what_came_back() {
    check(say(503, &[], "busy"), MANY, 8, (100, 503));
    // Its time was named by the server.
    check(say(503, &["retry-after-ms: 1"], "busy"), MANY, 24, (400, 503));
    // The server may be at work on the one before.
    check(Act::Hang, "num_retries = 20\nper_try_timeout = \"20ms\"", 8, (50, 504));
}

/// `num_retries` alone bounds them, and the tokens are left to those that cost the server something.
#[test]
fn what_was_never_sent_costs_nothing() {
    let gateway = gateway(&nobody(), NOTHING, MANY);
    burst(&gateway, 8, |reply| assert_eq!(reply.status, 503));
    assert_eq!(resends(&gateway, 8), 160);
    assert_eq!(gateway.metric_of_api("retry_budget_tokens"), 100.0);
    assert_eq!(gateway.metric_of_api("upstream_rq_retry_overflow_total"), 0.0);
}

#[test]
fn without_a_budget_nothing_is_bounded() {
    let upstream = Upstream::answering(vec![say(503, &[], "busy")]);
    let gateway = gateway(&upstream.url(), "retry_budget = false", MANY);
    burst(&gateway, 8, |reply| assert_eq!(reply.body, "busy"));
    assert_eq!(resends(&gateway, 8), 160);
    assert_eq!(gateway.metric_of_api("upstream_rq_retry_overflow_total"), 0.0);
}

/// An upstream that is busy but for `/fine`, and a gateway whose bucket is empty, with how often it sent again.
fn emptied(budget: &str) -> (Upstream, Gateway, usize) {
    let upstream = Upstream::start(|_, seen| match seen.head.starts_with("GET /fine") {
        true => say(200, &[], ""),
        false => say(503, &[], "busy"),
    });
    let gateway = gateway(&upstream.url(), &format!("retry_budget = {{ {budget} }}"), MANY);
    burst(&gateway, 8, |reply| assert_eq!(reply.body, "busy"));
    let resends = resends(&gateway, 8);
    (upstream, gateway, resends)
}

#[test]
fn successes_earn_their_percentage() {
    for (percent, earned) in [(0, 0), (10, 2), (50, 10)] {
        let (_upstream, gateway, spent) =
            emptied(&format!("percent = {percent}, min_retries_per_second = 0"));
        assert_eq!(spent, 100, "{percent}");
        for _ in 0..20 {
            assert_eq!(call(gateway.address, "GET /fine", &[], "").status, 200);
        }
        burst(&gateway, 4, |reply| assert_eq!(reply.body, "busy"));
        assert_eq!(resends(&gateway, 32) - spent, earned, "{percent}");
    }
}

#[test]
fn each_second_earns_the_floor() {
    let (_upstream, gateway, spent) = emptied("percent = 0, min_retries_per_second = 5");
    assert!(spent >= 100, "{spent}");
    thread::sleep(Duration::from_secs(1));
    burst(&gateway, 8, |reply| assert_eq!(reply.body, "busy"));
    assert!(resends(&gateway, 16) - spent >= 5);
    // A large floor also makes a large bucket.
    let (_upstream, _gateway, spent) = emptied("percent = 0, min_retries_per_second = 16");
    assert_eq!(spent, 160);
}
