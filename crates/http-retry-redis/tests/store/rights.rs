//! Users of the store: what they need, and what is told when a right is missing.

use std::time::Duration;

use http_retry::fleet::entry::{LeaseQuestion, SettleQuestion};
use http_retry::fleet::{Answer, Store, StoreCommand, UnreachableReason};
use http_retry_redis::RedisConfig;
use testkit::redis::{RedisServer, Reply};

use crate::support::{Member, question, quiet, run};

pub(crate) const ACL: &str = include_str!("../../src/acl.txt");

/// Makes a user with these rights, and returns the URL for it.
pub(crate) fn user(server: &RedisServer, acl: &str) -> String {
    let words: Vec<_> = acl.split_whitespace().collect();
    assert_eq!(server.client().run(&words), Reply::Text("OK".to_owned()));
    format!("redis://retry:PASSWORD@127.0.0.1:{}/0", server.port())
}

#[test]
fn rights_of_the_documentation_are_enough_and_no_more() {
    let server = RedisServer::start();
    let url = user(&server, ACL);
    run(async {
        let mut member = Member::join(&url).await;
        let id = member.store.id(b"api");
        assert_eq!(member.members(false).await, 1);
        assert_eq!(member.lease(id, question(1)).await.count, 1);
        member.send(id, quiet());
        assert_eq!(member.news(id).await.until, 30_000_000);
        let settle = StoreCommand::Settle(SettleQuestion::default());
        assert!(matches!(member.ask(id, settle).await, Answer::Settle(_)));
        assert_eq!(member.members(true).await, 0);
    });
    let mut client = server.client();
    client.run(&["AUTH", "retry", "PASSWORD"]);
    let others: [&[&str]; 6] = [
        &["HSET", "other", "a", "1"],
        &["SUBSCRIBE", "other"],
        &["GET", "hr1:{test:m}"],
        &["KEYS", "*"],
        &["FLUSHALL"],
        &["EVAL", "return redis.call('HSET', 'other', 'a', 1)", "0"],
    ];
    for command in others {
        assert!(matches!(client.run(command), Reply::Error(_)), "{command:?} is refused");
    }
}

#[test]
fn user_without_a_right_is_told_so() {
    for missing in ["+hset", "+evalsha", "+subscribe", "+zadd"] {
        let server = RedisServer::start();
        let url = user(&server, &ACL.replace(&format!("{missing} "), ""));
        run(async {
            let config = RedisConfig::new(url, "test").timeout(Duration::from_secs(1));
            let mut member = Member::connect(config);
            member.send(member.store.id(b"api"), StoreCommand::Lease(question(1)));
            assert_eq!(member.unreachable().await, UnreachableReason::Denied, "without {missing}");
        });
    }
}

#[test]
fn wrong_password_and_wrong_database_are_told() {
    let server = RedisServer::start();
    let url = user(&server, ACL);
    run(async {
        for url in [url.replace("PASSWORD", "swordfish"), server.url().replace("/0", "/99")] {
            let config = RedisConfig::new(url, "test").timeout(Duration::from_secs(1));
            let mut member = Member::connect(config);
            assert_eq!(member.unreachable().await, UnreachableReason::Denied);
            let shown = format!("{:?} {}", member.store, member.store.address());
            assert!(!shown.contains("swordfish") && !shown.contains("retry"), "{shown}");
        }
    });
}

#[test]
fn store_without_memory_is_told() {
    let server = RedisServer::start();
    run(async {
        let mut member = Member::join(&server.url()).await;
        server.client().run(&["CONFIG", "SET", "maxmemory", "1"]);
        let id = member.store.id(b"api");
        // This writes nothing, so it needs no memory.
        let free = StoreCommand::Lease(LeaseQuestion::default());
        assert!(matches!(member.ask(id, free).await, Answer::Lease(_)));
        member.send(id, StoreCommand::Lease(question(1)));
        assert_eq!(member.unreachable().await, UnreachableReason::OutOfMemory);
    });
}
