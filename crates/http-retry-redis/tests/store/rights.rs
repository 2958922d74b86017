//! Users of the store: what they need, and what is told when a right is missing.

use std::time::Duration;

use http_retry::fleet::entry::{LeaseQuestion, SettleQuestion};
use http_retry::fleet::{Answer, Store, StoreCommand, UnreachableReason};
use http_retry_redis::{CheckError, RedisConfig};
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
        let clients = format!("{:?}", server.client().run(&["CLIENT", "LIST"]));
        assert!(clients.contains("name=http-retry:test "), "{clients}");
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

async fn check(url: &str) -> Result<String, String> {
    let config = RedisConfig::new(url, "test").timeout(Duration::from_secs(1));
    config.check().await.map(|found| found.to_string()).map_err(|error| error.to_string())
}

/// Returns the rights of the documentation without these, for a user who has had others.
fn without(missing: &[&str]) -> String {
    let words: Vec<_> = ACL.split_whitespace().filter(|word| !missing.contains(word)).collect();
    words.join(" ").replace("retry on", "retry reset on")
}

#[test]
fn check_says_which_right_is_missing() {
    let server = RedisServer::start();
    run(async {
        for missing in ACL.split_whitespace().filter(|word| word.starts_with(['+', '~', '&'])) {
            // The client of Redis needs the first before a user can do anything, and this check does without the others.
            if ["+hello", "+unsubscribe", "+client|setname"].contains(&missing) {
                continue;
            }
            let url = user(&server, &without(&[missing]));
            let expected = format!("the user of the store lacks rights; allow {missing}");
            assert_eq!(check(&url).await, Err(expected));
        }
        let url = user(&server, &without(&["+hset", "+zadd"]));
        assert!(matches!(
            RedisConfig::new(url, "test").check().await,
            Err(CheckError::Missing(rights)) if rights == ["+hset", "+zadd"]
        ));
    });
}

#[test]
fn check_of_a_good_store_tells_its_version_and_policy() {
    let server = RedisServer::start();
    run(async {
        let found = check(&server.url()).await.unwrap();
        assert!(found.starts_with("redis 7") || found.starts_with("valkey"), "{found}");
        assert!(found.ends_with(", maxmemory-policy noeviction"), "{found}");
        let found = check(&user(&server, ACL)).await.unwrap();
        assert!(found.ends_with(", and its user may not read maxmemory-policy"), "{found}");
        server.client().run(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
        let config = RedisConfig::new(server.url(), "test").timeout(Duration::from_secs(1));
        assert!(config.check().await.unwrap().may_forget());
        // What it leaves behind expires.
        let Reply::Array(keys) = server.client().run(&["KEYS", "*"]) else { panic!("no keys") };
        for key in keys {
            let Reply::Text(key) = key else { panic!("no key: {key:?}") };
            let Reply::Integer(left) = server.client().run(&["PTTL", &key]) else { panic!("no time") };
            assert!(left > 0, "{key} stays for ever");
        }
    });
}

#[test]
fn check_tells_why_there_is_no_connection() {
    let server = RedisServer::start();
    let url = user(&server, ACL);
    run(async {
        let wrong = check(&url.replace("PASSWORD", "swordfish")).await.unwrap_err();
        assert!(wrong.starts_with("the store refuses commands: WRONGPASS"), "{wrong}");
        assert!(!wrong.contains("swordfish"), "{wrong}");
        let database = check(&server.url().replace("/0", "/99")).await.unwrap_err();
        assert!(database.contains("DB index is out of range"), "{database}");
        let nowhere = check(&format!("redis://127.0.0.1:{}", testkit::redis::free_port())).await.unwrap_err();
        assert!(nowhere.starts_with("no connection: ") && nowhere.contains("refused"), "{nowhere}");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let other = format!("redis://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let mut socket = listener.accept().unwrap().0;
            std::io::Write::write_all(&mut socket, b"HTTP/1.1 400 Bad Request\r\n\r\n")
        });
        let other = check(&other).await;
        assert_eq!(other, Err("no connection: the server does not speak the protocol of Redis".to_owned()));
    });
    server.stop();
    run(async {
        let begin = std::time::Instant::now();
        assert_eq!(check(&server.url()).await, Err("no connection: no answer in 3 s".to_owned()));
        assert!(begin.elapsed() < Duration::from_secs(6));
    });
    server.go_on();
}
