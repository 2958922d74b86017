//! A cluster of three nodes: entries are spread over them, slots move, and nodes go.

use std::time::Duration;

use http_retry::fleet::entry::LeaseAnswer;
use http_retry::fleet::{Answer, Id, Store, StoreCommand, UnreachableReason};
use http_retry_redis::RedisConfig;
use testkit::redis::{RedisServer, Reply, free_port};

use crate::rights::{ACL, user};
use crate::support::{Member, question, quiet, run};

/// Starts three nodes, each of which has a third of the slots.
fn start() -> Vec<RedisServer> {
    let buses: Vec<_> = (0..3).map(|_| free_port().to_string()).collect();
    let node = |bus: &String| {
        let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", bus];
        RedisServer::start_with(&[&arguments[..], &["--cluster-require-full-coverage", "no"]].concat())
    };
    let nodes: Vec<_> = buses.iter().map(node).collect();
    let parts = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
    for (node, (first, last)) in nodes.iter().zip(parts) {
        let ok = Reply::Text("OK".to_owned());
        assert_eq!(node.client().run(&["CLUSTER", "ADDSLOTSRANGE", first, last]), ok);
        let port = nodes[0].port().to_string();
        assert_eq!(node.client().run(&["CLUSTER", "MEET", "127.0.0.1", &port, &buses[0]]), ok);
    }
    for node in &nodes {
        let mut client = node.client();
        let is_ready = |reply| matches!(reply, Reply::Text(info) if info.contains("cluster_state:ok") && info.contains("cluster_size:3"));
        wait("the nodes know each other", || is_ready(client.run(&["CLUSTER", "INFO"])));
    }
    nodes
}

fn wait(what: &str, mut is_true: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what} in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the settings for a user with the rights of the documentation.
fn config(nodes: &[RedisServer]) -> RedisConfig {
    let acl = format!("{ACL} +cluster|slots +asking");
    let urls: Vec<_> = nodes.iter().map(|node| user(node, &acl)).collect();
    let config = RedisConfig::new(&urls[0], "test").timeout(Duration::from_secs(1));
    urls[1..].iter().fold(config, |config, url| config.seed(url))
}

/// Returns the node that has an entry, and the slot of the entry.
fn place(nodes: &[RedisServer], id: Id) -> (usize, i64) {
    let key = format!("{{test:p:{id}}}");
    let Reply::Integer(slot) = nodes[0].client().run(&["CLUSTER", "KEYSLOT", &key]) else { panic!() };
    (slot.div_euclid(5_461).min(2) as usize, slot)
}

#[test]
fn entries_are_spread_and_news_reaches_all() {
    let nodes = start();
    run(async {
        let mut first = Member::connect(config(&nodes));
        let mut second = Member::connect(RedisConfig::new(nodes[2].url(), "test").seed(nodes[1].url()));
        first.reachable().await;
        second.reachable().await;
        let ids: Vec<_> = (0..20_u8).map(|number| first.store.id(&[number])).collect();
        let mut used = [0; 3];
        for id in &ids {
            assert_eq!(first.lease(*id, question(1)).await.count, 1);
            used[place(&nodes, *id).0] += 1;
        }
        assert!(used.iter().all(|count| *count > 0), "{used:?}");
        for id in &ids[..5] {
            first.ask(*id, quiet()).await;
            assert_eq!(second.news(*id).await.until, 30_000_000);
        }
    });
}

#[test]
fn moved_slot_is_followed_and_a_node_that_is_gone_takes_only_its_entries() {
    let mut nodes = start();
    run(async {
        let mut member = Member::connect(config(&nodes));
        member.reachable().await;
        let id = member.store.id(b"api");
        let before = member.lease(id, question(1)).await;
        let (from, slot) = place(&nodes, id);
        let to = (from + 1) % 3;
        let name = |node: &RedisServer| match node.client().run(&["CLUSTER", "MYID"]) {
            Reply::Text(name) => name,
            other => panic!("{other:?}"),
        };
        let (from_name, to_name, slot) = (name(&nodes[from]), name(&nodes[to]), slot.to_string());
        let ok = Reply::Text("OK".to_owned());
        let set = |node: &RedisServer, how: &str, name: &str| {
            assert_eq!(node.client().run(&["CLUSTER", "SETSLOT", &slot, how, name]), ok);
        };
        set(&nodes[to], "IMPORTING", &from_name);
        set(&nodes[from], "MIGRATING", &to_name);
        let key = format!("hr1:{{test:p:{id}}}");
        let port = nodes[to].port().to_string();
        assert_eq!(nodes[from].client().run(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]), ok);
        assert_eq!(member.lease(id, question(1)).await.born, before.born, "the answer is ASK");
        for node in [to, from, (to + 1) % 3] {
            set(&nodes[node], "NODE", &to_name);
        }
        assert_eq!(member.lease(id, question(1)).await.born, before.born, "the answer is MOVED");

        // The member's own record is on another node, so that the fleet can go on.
        let members = nodes[0].client().run(&["CLUSTER", "KEYSLOT", "{test:m}"]);
        let Reply::Integer(members) = members else { panic!() };
        let gone = (members.div_euclid(5_461).min(2) as usize + 1) % 3;
        let ids = (0..100_u8).map(|number| member.store.id(&[number, 1]));
        let (lost, kept): (Vec<_>, Vec<_>) = ids.partition(|id| place(&nodes, *id).0 == gone);
        nodes[gone].kill();
        let command = StoreCommand::Lease(question(1));
        assert_eq!(member.ask(lost[0], command).await, Answer::Failed);
        assert_eq!(member.lease(kept[0], question(1)).await.state, LeaseAnswer::PACED);
        assert_eq!(member.ask(lost[1], command).await, Answer::Failed);
        assert_eq!(member.lease(kept[1], question(1)).await.state, LeaseAnswer::PACED);

        // No node is left.
        for (_, node) in nodes.iter_mut().enumerate().filter(|(index, _)| *index != gone) {
            node.kill();
        }
        let command = StoreCommand::Lease(question(1));
        for id in kept.iter().cycle().take(40) {
            member.send(*id, command);
        }
        assert_eq!(member.unreachable().await, UnreachableReason::Closed);
    });
}
