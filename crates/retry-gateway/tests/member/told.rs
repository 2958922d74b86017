//! What operators are told of a fleet.

use testkit::redis::RedisServer;

use crate::process::Gateway;
use crate::upstream::{Upstream, say};
use crate::{member, state, wait};

fn served() -> Upstream {
    Upstream::answering(vec![say(200, &[], "done")])
}

#[test]
fn status_and_metrics_have_the_members() {
    let (store, upstream) = (RedisServer::start(), served());
    let members: Vec<Gateway> = (0..2).map(|_| member(&store.url(), &upstream.url(), "")).collect();
    wait("both know of each other", || {
        members.iter().all(|gateway| gateway.status()["fleet"]["members"] == 2)
    });
    let fleet = members[0].status()["fleet"].clone();
    assert_eq!(
        (&fleet["name"], &fleet["state"], &fleet["layout"]),
        (&"test".into(), &"joined".into(), &1.into())
    );
    assert_eq!(fleet["store"], store.url());
    assert!(fleet["asks"].as_u64().unwrap() >= 1 && fleet.get("reason").is_none(), "{fleet}");
    assert_eq!(fleet["budgets"][0]["upstream"], "api");
    // What this member has borrowed, and what the store has left.
    wait("the budget is full", || members[0].metric_of_api("retry_budget_tokens") > 90.0);
    let metrics = members[0].ask("/metrics").body;
    for line in [
        "fleet_joined 1",
        "fleet_members 2",
        "fleet_lost_total{reason=\"timeout\"} 0",
        "fleet_news_total{kind=\"quiet\"} 0",
        "fleet_slots_total{what=\"leased\"} 0",
        "fleet_probes_total{outcome=\"served\"} 0",
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line} is not in {metrics}");
    }
    for start in ["fleet_asks_total{script=\"join\"} ", "fleet_ask_seconds_count "] {
        assert!(metrics.contains(start), "{start} is not in {metrics}");
    }
}

#[test]
fn log_says_that_it_is_alone_and_why() {
    let (store, upstream) = (RedisServer::start(), served());
    let gateway = member(&store.url(), &upstream.url(), "");
    gateway.wait_said(0, &["fleet: joined, 1 member"]);
    wait("it has joined", || state(&gateway) == "joined");
    store.stop();
    // The line before is younger than 10 s.
    gateway.wait_said(0, &["fleet: alone, the store did not answer in 1000 ms; 100 % of what is known"]);
    store.go_on();
}

#[test]
fn nobody_sees_user_and_password_of_the_store() {
    let (store, upstream) = (RedisServer::start(), served());
    let url = format!("redis://alice:swordfish@127.0.0.1:{}/0", store.port());
    let gateway = member(&url, &upstream.url(), "");
    wait("it is alone", || state(&gateway) == "alone");
    assert_eq!(gateway.status()["fleet"]["reason"], "denied");
    let said = gateway.wait_said(0, &["fleet: alone, the store refused the user"]);
    let all = format!("{said} {} {}", gateway.status(), gateway.ask("/metrics").body);
    for hidden in ["alice", "swordfish"] {
        assert!(!all.contains(hidden), "{all}");
    }
}
