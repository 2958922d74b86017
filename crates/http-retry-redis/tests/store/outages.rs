//! Stores that are killed, stopped, empty, replicas, or never there.

use std::future::poll_fn;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use http_retry::fleet::entry::LeaseAnswer;
use http_retry::fleet::{Store, StoreCommand, StoreEvent, UnreachableReason};
use http_retry_redis::RedisConfig;
use testkit::redis::{RedisServer, Reply, free_port};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::support::{Member, join, question, quiet, run};

#[test]
fn killed_store_is_told_at_once_and_found_again_empty() {
    let mut server = RedisServer::start();
    run(async {
        let (mut first, mut second) = (Member::join(&server.url()).await, Member::join(&server.url()).await);
        let id = first.store.id(b"api");
        let before = first.lease(id, question(1)).await;
        server.kill();
        let begin = Instant::now();
        // No request is under way, so nothing but the connection tells it.
        assert_eq!(first.unreachable().await, UnreachableReason::Closed);
        assert_eq!(second.unreachable().await, UnreachableReason::Closed);
        assert!(begin.elapsed() < Duration::from_millis(800), "{:?}", begin.elapsed());

        server.restart();
        let begin = Instant::now();
        first.reachable().await;
        second.reachable().await;
        // An attempt every 1 to 2 s, and a loaded machine.
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        let after = first.lease(id, question(1)).await;
        assert!(
            after.state == LeaseAnswer::PACED && after.born > before.born,
            "the scripts are loaded again"
        );
        first.ask(id, quiet()).await;
        second.news(id).await;
    });
}

#[test]
fn stopped_store_is_told_after_the_timeout_and_gets_no_queue() {
    let server = RedisServer::start();
    run(async {
        let mut member = Member::join(&server.url()).await;
        let mut other =
            Member::connect(RedisConfig::new(server.url(), "test").timeout(Duration::from_millis(300)));
        other.reachable().await;
        let id = member.store.id(b"api");
        server.stop();
        let begin = Instant::now();
        other.send(id, StoreCommand::Lease(question(1)));
        assert_eq!(other.unreachable().await, UnreachableReason::Timeout);
        let waited = begin.elapsed();
        assert!((Duration::from_millis(290)..Duration::from_secs(3)).contains(&waited), "{waited:?}");
        for number in 0..500_u32 {
            let id = other.store.id(&number.to_be_bytes());
            other.send(id, StoreCommand::Lease(question(1)));
        }
        let nothing = timeout(Duration::from_millis(300), other.event()).await;
        assert!(nothing.is_err(), "nothing is said of requests to an unreachable store: {nothing:?}");
        server.go_on();
        other.reachable().await;
        assert_eq!(other.lease(id, question(1)).await.state, LeaseAnswer::PACED);
        member.ask(id, quiet()).await;
        other.news(id).await;
        let Reply::Text(stats) = server.client().run(&["INFO", "commandstats"]) else { panic!() };
        let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")).unwrap();
        let calls: u32 = calls.split(',').next().unwrap().parse().unwrap();
        assert!(calls < 40, "{calls} scripts were run");
    });
}

#[test]
fn store_that_is_not_there_yet_is_found() {
    run(async {
        let port = free_port();
        let mut member = Member::connect(RedisConfig::new(format!("redis://127.0.0.1:{port}"), "test"));
        member.send(member.store.id(b""), join(false));
        assert_eq!(member.event().await, StoreEvent::Unreachable(UnreachableReason::Closed));
        let _server = RedisServer::start_on(port, &[]);
        assert_eq!(member.event().await, StoreEvent::Reachable, "the reason is told once");
    });
}

#[test]
fn request_waits_for_the_first_connection_no_longer_than_the_timeout() {
    run(async {
        // The system takes connections, and nothing ever answers on them.
        let hole = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("redis://127.0.0.1:{}", hole.local_addr().unwrap().port());
        let mut member = Member::connect(RedisConfig::new(url, "test").timeout(Duration::from_millis(100)));
        let begin = Instant::now();
        member.send(member.store.id(b""), join(false));
        assert_eq!(member.event().await, StoreEvent::Unreachable(UnreachableReason::Timeout));
        // The connection itself is given up after a second.
        assert!((100..900).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    });
}

#[test]
fn request_before_the_first_connection_is_answered() {
    let server = RedisServer::start();
    run(async {
        let mut member =
            Member::connect(RedisConfig::new(server.url(), "test").timeout(Duration::from_secs(1)));
        assert_eq!(member.members(false).await, 1);
    });
}

#[test]
fn replica_takes_no_members() {
    let server = RedisServer::start();
    let port = server.port().to_string();
    let replica = RedisServer::start_with(&["--replicaof", &format!("127.0.0.1 {port}")]);
    run(async {
        let config = RedisConfig::new(replica.url(), "test").timeout(Duration::from_secs(1));
        let mut member = Member::connect(config);
        assert_eq!(member.unreachable().await, UnreachableReason::ReadOnly);
        replica.client().run(&["REPLICAOF", "NO", "ONE"]);
        member.reachable().await;
        assert_eq!(member.members(false).await, 1);
    });
}

#[test]
fn store_is_closed_when_its_runtime_ends() {
    let server = RedisServer::start();
    // A runtime of one thread ends before it has begun the task of the store.
    for mut builder in [Builder::new_multi_thread(), Builder::new_current_thread()] {
        let runtime = builder.enable_all().build().unwrap();
        let store = runtime.block_on(async { http_retry_redis::connect(server.url(), "test").unwrap() });
        runtime.shutdown_timeout(Duration::from_secs(5));
        run(async {
            let closed = async { while poll_fn(|context| store.poll_event(context)).await.is_some() {} };
            timeout(Duration::from_secs(5), closed).await.expect("the events end");
        });
    }
}
