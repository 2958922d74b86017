//! Members of two releases on one store. Each runs its own scripts, on the same entries.

use std::time::Duration;

use http_retry::fleet::entry::{LeaseAnswer, News, PublishQuestion};
use http_retry::fleet::{Answer, Id, Store, StoreCommand, StoreRequest};
use testkit::bucket::Bucket;
use testkit::redis::{RedisClient, RedisServer, Reply};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tower_http_retry::fleet::FleetState;

use crate::earlier_release::{self, EarlierRelease};
use crate::fleet::{Process, burst, refused};
use crate::support::{Member, question, quiet, run};

const EARLIER: i64 = 77;

/// Asks as a member of the earlier release.
fn lease_earlier(client: &mut RedisClient, id: Id, want: i64, serial: i64) -> LeaseAnswer {
    let mut question = question(want);
    question.serial = serial;
    let request = StoreRequest::new(1, id, StoreCommand::Lease(question));
    match earlier_release::run(client, EARLIER, &request) {
        Answer::Lease(answer) => answer,
        other => panic!("no slots: {other:?}"),
    }
}

/// Reads a field of an entry.
fn field(client: &mut RedisClient, id: Id, name: &str) -> String {
    match client.run(&["HGET", &format!("hr1:{{test:p:{id}}}"), name]) {
        Reply::Text(value) => value,
        other => panic!("no field {name}: {other:?}"),
    }
}

#[test]
fn scripts_of_two_releases_share_one_entry() {
    let server = RedisServer::start();
    run(async {
        let (mut member, mut client) = (Member::join(&server.url()).await, server.client());
        let id = member.store.id(b"api");
        let mut asked = question(1);
        asked.passed = 5;
        let first = member.lease(id, asked).await;
        assert_eq!((first.state, first.count, first.sum), (LeaseAnswer::PACED, 1, 5));

        // The earlier release gives the next slots, and keeps a field that it does not know.
        let earlier = lease_earlier(&mut client, id, 2, first.serial);
        assert_eq!((earlier.state, earlier.count), (LeaseAnswer::PACED, 2));
        assert_eq!((earlier.born, earlier.serial, earlier.sum), (first.born, first.serial, 0));
        assert_eq!(field(&mut client, id, "sum"), "5");
        (asked.serial, asked.gap) = (first.serial, 0);
        let next = member.lease(id, asked).await;
        assert_eq!((next.born, next.serial, next.count, next.sum), (first.born, first.serial, 1, 10));
        // The first slot was free when the entry was made, and this one is the fourth. Time has passed since.
        assert!((-700_000..=300_000).contains(&next.first), "{next:?}");

        // Each hears of a stop that the other has told.
        let request = StoreRequest::new(1, id, quiet());
        let told = earlier_release::run(&mut client, EARLIER, &request);
        assert!(matches!(told, Answer::Publish(answer) if answer.written == 1), "{told:?}");
        let news = member.news(id).await;
        assert_eq!((news.kind, news.until, news.serial), (News::QUIET, 30_000_000, first.serial + 1));
        let mut opened = PublishQuestion::default();
        (opened.kind, opened.serial) = (News::OPENED, news.serial);
        member.ask(id, StoreCommand::Publish(opened)).await;
        assert_eq!(lease_earlier(&mut client, id, 1, news.serial + 1).state, LeaseAnswer::PACED);

        // The earlier release does not know that a limit may be dropped, and hears of a key without one.
        let mut dropped = PublishQuestion::default();
        (dropped.kind, dropped.serial) = (News::DROPPED, news.serial + 1);
        member.ask(id, StoreCommand::Publish(dropped)).await;
        assert_eq!(lease_earlier(&mut client, id, 1, news.serial + 2).state, LeaseAnswer::FREE);
    });
}

#[test]
fn entry_of_an_earlier_release_lacks_fields_and_serves_all_the_same() {
    let server = RedisServer::start();
    run(async {
        let (mut member, mut client) = (Member::join(&server.url()).await, server.client());
        let id = member.store.id(b"api");
        let first = lease_earlier(&mut client, id, 3, 0);
        assert_eq!((first.state, first.count), (LeaseAnswer::PACED, 3));
        let mut asked = question(1);
        (asked.serial, asked.passed) = (first.serial, 2);
        let next = member.lease(id, asked).await;
        assert_eq!((next.born, next.serial, next.count, next.sum), (first.born, first.serial, 1, 2));

        // A later release has a field more, which stays.
        client.run(&["HSET", &format!("hr1:{{test:p:{id}}}"), "later", "9"]);
        assert_eq!(member.lease(id, asked).await.sum, 4);
        assert_eq!(field(&mut client, id, "later"), "9");
    });
}

/// Starts a process of this release, or of the earlier one.
async fn start(server: &RedisServer, is_earlier: bool, number: i64) -> Process {
    if is_earlier {
        Process::with(EarlierRelease::connect(&server.url(), server.client(), number)).await
    } else {
        Process::start(&server.url()).await
    }
}

/// Replaces three processes one after the other at 80 % of a limit that they know. Returns the refused calls.
async fn restart(from_earlier: bool) -> usize {
    let (server, bucket) = (RedisServer::start(), Bucket::new(40, 8));
    let mut processes = Vec::new();
    for number in 0..3 {
        processes.push(start(&server, from_earlier, 100 + number).await);
    }
    burst(&processes.iter().collect::<Vec<_>>(), &bucket, 90).await;
    sleep(Duration::from_millis(500)).await;
    let before = refused(&bucket);
    let mut calls = JoinSet::new();
    for _ in 0..3 {
        processes.push(start(&server, false, 0).await);
        // A balancer sends nothing to a process that is about to end.
        let old = processes.remove(0);
        let leaves = tokio::spawn(async move { old.fleet.leave().await });
        let begin = Instant::now();
        for index in 0..36_u32 {
            sleep_until(begin + index * Duration::from_millis(1_000) / 32).await;
            calls.spawn(processes[index as usize % processes.len()].send(&bucket));
        }
        leaves.await.unwrap();
    }
    while let Some(is_served) = calls.join_next().await {
        assert!(is_served.unwrap(), "a request is lost");
    }
    assert!(processes.iter().all(|process| process.fleet.state() == FleetState::Joined));
    refused(&bucket) - before
}

#[test]
fn restart_from_an_earlier_release_loses_nothing() {
    run(async {
        let (without, refused) = tokio::join!(restart(false), restart(true));
        println!("{refused} refused of two releases, {without} of one");
        assert!(refused <= without + 4, "{refused} refused of two releases, {without} of one");
    });
}
