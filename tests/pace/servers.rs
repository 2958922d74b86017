//! Servers that listen, clients that connect, and a clock that nobody can stop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tower::Layer;
use tower_http_retry::pace::{PaceRejection, SharedPace};
use tower_http_retry::{Pace, RetryLayer};

use super::{MS, SECOND};
use crate::support::bucket::Bucket;
use crate::support::server::Server;
use crate::support::{Answer, QUICKLY, assert_status, client, get, info, soon, with_header};

/// Sixty at once, of whom the server serves a few at a time.
async fn check_bucket(bucket: Bucket, answer: fn(&Bucket) -> Answer) {
    let hints = Arc::<Mutex<Vec<Option<Duration>>>>::default();
    let (asked, said) = (bucket.clone(), Arc::clone(&hints));
    let server = Server::start(move |number| {
        let answer = answer(&asked);
        let hint = answer.headers().get("retry-after-ms");
        let hint = hint.map(|hint| hint.to_str().unwrap().parse::<u32>().unwrap() * MS);
        let mut said = said.lock().unwrap();
        // They are numbered before they are answered, by several tasks at once.
        if said.len() < number {
            said.resize(number, None);
        }
        said[number - 1] = hint;
        answer
    });
    let server = server.await;
    let pace = SharedPace::from(Pace::per_authority());
    let client = RetryLayer::default().max_attempts(50).budget(None).pace(pace.clone()).layer(client());
    let sent = (0..60).map(|number| {
        let sent = client.clone().oneshot(get(&server.uri(&format!("/{number}"))));
        tokio::spawn(async move { sent.await.map(|response| response.status()) })
    });
    let responses = tokio::time::timeout(60 * SECOND, join_all(sent.collect::<Vec<_>>())).await;
    for response in responses.expect("this hangs") {
        assert_eq!(response.unwrap().unwrap(), 200);
    }
    assert_eq!((pace.waiting(), bucket.answers().iter().filter(|status| **status == 200).count()), (0, 60));

    // As the server counted it: when each came, and when it was asked to come.
    let mut not_before = HashMap::new();
    for (seen, hint) in server.seen().into_iter().zip(hints.lock().unwrap().iter()) {
        let earliest = not_before.remove(&seen.target);
        assert!(earliest.is_none_or(|earliest| seen.at >= earliest), "{} came too early", seen.target);
        if let Some(hint) = hint {
            not_before.insert(seen.target, seen.at + *hint);
        }
    }
}

#[tokio::test]
async fn a_crowd_of_a_real_bucket_is_served_and_nobody_comes_early() {
    check_bucket(Bucket::new(200, 10).asking_for(200 * MS), Bucket::answer).await;
}

#[tokio::test]
async fn a_crowd_of_a_real_bucket_that_announces_its_quota_is_served_and_nobody_comes_early() {
    check_bucket(Bucket::new(200, 10), Bucket::announcing_answer).await;
}

/// On several threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_on_several_threads_is_served_and_nobody_comes_early() {
    check_bucket(Bucket::new(200, 10).asking_for(200 * MS), Bucket::answer).await;
}

/// It refuses everything, and lies: everybody gets an answer, or a refusal that says what it is.
#[tokio::test]
async fn a_hostile_server_freezes_nobody() {
    let server = Server::start(|number| {
        let hint = ["99999999", "0", "1", "soon", "-1", "18446744073709551616"][number % 6];
        with_header(429, "retry-after", hint)
    })
    .await;
    let pace = SharedPace::from(Pace::per_authority().longest(50 * MS));
    let client = RetryLayer::default().max_elapsed(SECOND).pace(pace.clone()).layer(client());
    let sent = (0..60).map(|_| client.clone().oneshot(get(&server.uri("/"))));
    for result in soon(join_all(sent)).await {
        match result {
            Ok(response) => {
                assert_status(&response, 429);
                assert!(info(&response).reason().is_some());
            }
            Err(error) => assert_eq!(error.rejection(), Some(PaceRejection::TooLong), "{error:?}"),
        }
    }
    assert_eq!(pace.waiting(), 0);
    // And the next one is let through.
    assert!(soon(client.oneshot(get(&server.uri("/")))).await.is_ok());
}

/// Nobody listens: everybody is told, and nobody waits for an answer that does not come.
#[tokio::test]
async fn a_server_that_is_not_there_freezes_nobody() {
    let server = Server::statuses([200]).await;
    let uri = server.uri("/");
    drop(server);
    let pace = SharedPace::from(Pace::per_authority());
    let client = RetryLayer::new(QUICKLY).pace(pace.clone()).layer(client());
    for result in soon(join_all((0..60).map(|_| client.clone().oneshot(get(&uri))))).await {
        assert!(!result.unwrap_err().is_rejected());
    }
    assert_eq!(pace.waiting(), 0);
}
