//! Members with layers of their own, on one limit and a real store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use http_retry::fleet::SharedKeyReport;
use testkit::bucket::Bucket;
use testkit::redis::RedisServer;
use testkit::upstream::Upstream;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower::Layer;
use tower_http_retry::fleet::{Fleet, FleetState, Store, UnreachableReason};
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{Budget, Pace, RetryLayer};

use crate::support::run;

/// A process with a layer of its own.
pub(crate) struct Process {
    pub(crate) fleet: Fleet,
    pace: SharedPace,
    budget: Budget,
}

impl Process {
    pub(crate) async fn start(url: &str) -> Self {
        Self::with(http_retry_redis::connect(url, "test").unwrap()).await
    }

    /// Starts a process with this connection to the store.
    pub(crate) async fn with(store: impl Store + 'static) -> Self {
        let fleet = Fleet::new(store);
        let pace = fleet.pace("api", Pace::per_authority());
        let budget = fleet.budget("api", Budget::default());
        let process = Self { fleet, pace, budget };
        process.wait(|state| state != FleetState::Joining, 5_000).await;
        process
    }

    /// Waits for a state, and returns how long that took.
    async fn wait(&self, is_there: impl Fn(FleetState) -> bool, most: u64) -> Duration {
        let begin = Instant::now();
        while !is_there(self.fleet.state()) {
            assert!(begin.elapsed() < Duration::from_millis(most), "{}", self.fleet.state());
            sleep(Duration::from_millis(2)).await;
        }
        begin.elapsed()
    }

    /// Sends a request, and returns whether it was served.
    pub(crate) fn send(&self, bucket: &Bucket) -> impl Future<Output = bool> + Send + use<> {
        let bucket = bucket.clone();
        let upstream = Upstream::answers(move |_| bucket.answer());
        let layer = RetryLayer::default().max_attempts(8).pace(self.pace.clone()).budget(self.budget.clone());
        let client = layer.layer(upstream);
        let request = Request::get("http://api.example/").body(Full::<Bytes>::default()).unwrap();
        async move { client.oneshot(request).await.unwrap().status() == 200 }
    }
}

/// A thread that measures for how long the machine gives this process no time.
struct Stalls {
    thread: JoinHandle<Duration>,
    is_over: Arc<AtomicBool>,
}

impl Stalls {
    fn watch() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let (mut longest, mut before) = (Duration::ZERO, Instant::now());
            while !ends.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(5));
                longest = longest.max(before.elapsed());
                before = Instant::now();
            }
            longest
        });
        Self { thread, is_over }
    }

    fn longest(self) -> Duration {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// A quarter of a lease, in which the limit serves two requests.
const MAX_STALL: Duration = Duration::from_millis(50);

/// Sends requests at once, by turns from each process.
pub(crate) async fn burst(processes: &[&Process], bucket: &Bucket, requests: usize) -> Duration {
    let begin = Instant::now();
    let mut calls = JoinSet::new();
    for index in 0..requests {
        calls.spawn(processes[index % processes.len()].send(bucket));
    }
    while let Some(is_served) = calls.join_next().await {
        assert!(is_served.unwrap());
    }
    begin.elapsed()
}

pub(crate) fn refused(bucket: &Bucket) -> usize {
    bucket.answers().into_iter().filter(|status| *status != 200).count()
}

#[test]
fn processes_spend_a_limit_that_one_of_them_met() {
    run(async {
        // A process that gets no time for a while sends late, so the calmest run counts.
        let mut calmest: Option<(Duration, _)> = None;
        for _ in 0..4 {
            let stalls = Stalls::watch();
            let figures = spend_a_limit_that_one_met().await;
            let longest = stalls.longest();
            println!("{figures:?}, the longest stall is {longest:?}");
            if calmest.as_ref().is_none_or(|(stall, _)| longest < *stall) {
                calmest = Some((longest, figures));
            }
            if longest <= MAX_STALL {
                break;
            }
        }
        let (_, (refused, took, key)) = calmest.unwrap();
        let is_rate = key.per_second.is_some_and(|rate| rate > 20.0 && rate < 60.0);
        let is_like_one = refused <= 6 && took < Duration::from_millis(4_000) && is_rate;
        assert!(is_like_one, "{refused} refused in {took:?}, {key:?}");
    });
}

async fn spend_a_limit_that_one_met() -> (usize, Duration, SharedKeyReport) {
    let server = RedisServer::start();
    let bucket = Bucket::new(40, 8);
    let (one, two) = (Process::start(&server.url()).await, Process::start(&server.url()).await);
    sleep(Duration::from_millis(2_200)).await;
    assert_eq!((one.fleet.report(1).members, two.fleet.report(1).members), (2, 2));
    burst(&[&one], &bucket, 60).await;
    sleep(Duration::from_millis(500)).await;
    let before = refused(&bucket);
    let took = burst(&[&one, &two], &bucket, 80).await;
    (refused(&bucket) - before, took, two.fleet.report(1).paces[0].keys[0])
}

#[test]
fn no_request_fails_while_the_store_is_gone() {
    run(async {
        let mut server = RedisServer::start();
        let bucket = Bucket::new(40, 8);
        let (one, two) = (Process::start(&server.url()).await, Process::start(&server.url()).await);
        burst(&[&one, &two], &bucket, 40).await;
        server.kill();
        let alone = |state| state == FleetState::Alone(UnreachableReason::Closed);
        one.wait(alone, 1_000).await;
        two.wait(alone, 1_000).await;
        let took = burst(&[&one, &two], &bucket, 40).await;
        assert!(took < Duration::from_secs(10), "{took:?}");

        server.restart();
        let joined = |state| state == FleetState::Joined;
        let took = one.wait(joined, 2_500).await.max(two.wait(joined, 2_500).await);
        println!("joined after {took:?}");
        burst(&[&one, &two], &bucket, 40).await;
    });
}

#[test]
fn a_process_that_ends_gives_back_what_it_has() {
    run(async {
        let server = RedisServer::start();
        let (one, two) = (Process::start(&server.url()).await, Process::start(&server.url()).await);
        sleep(Duration::from_millis(2_200)).await;
        assert!(one.budget.tokens() > 0.0);
        one.fleet.leave().await;
        assert_eq!(one.budget.tokens(), 0.0);
        sleep(Duration::from_millis(2_200)).await;
        assert_eq!(two.fleet.report(1).members, 1);
    });
}
