//! Members of a fleet in one process, on a store in memory and in paused time.

use std::sync::Mutex;

use http::Request;
use http_body_util::Empty;
use testkit::bucket::Bucket;
use testkit::upstream::Upstream;
use tokio::time::{Instant, sleep};
use tower::Layer;

use super::*;
use crate::RetryLayer;

/// A store in memory whose time passes.
fn store() -> Memory {
    let memory = Memory::new();
    memory.set_trip(Duration::from_millis(2));
    let clock = memory.clone();
    tokio::spawn(async move {
        let begin = Instant::now();
        loop {
            clock.advance(begin.elapsed());
            sleep(Duration::from_millis(1)).await;
        }
    });
    memory
}

async fn pass(milliseconds: u64) {
    sleep(Duration::from_millis(milliseconds)).await;
}

/// Sends requests at once through as many members as there are paces, and returns how long they took.
async fn burst(paces: &[SharedPace], bucket: &Bucket, requests: usize) -> Duration {
    let begin = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for index in 0..requests {
        let bucket = bucket.clone();
        let upstream = Upstream::answers(move |_| bucket.answer());
        let layer = RetryLayer::default().max_attempts(6).pace(paces[index % paces.len()].clone());
        let client = layer.layer(upstream);
        let request = Request::get("http://api.example/").body(Empty::<bytes::Bytes>::new()).unwrap();
        calls.spawn(async move { client.oneshot(request).await.unwrap().status() });
    }
    while let Some(status) = calls.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    begin.elapsed()
}

fn refused(bucket: &Bucket) -> usize {
    bucket.answers().into_iter().filter(|status| *status != 200).count()
}

/// Lets the first member meet a limit, and all send 160 more requests. Returns their refused calls and the time.
async fn spend(paces: &[SharedPace]) -> (usize, Duration) {
    let bucket = Bucket::new(40, 8);
    burst(&paces[..1], &bucket, 80).await;
    pass(1_000).await;
    let before = refused(&bucket);
    let took = burst(paces, &bucket, 160).await;
    (refused(&bucket) - before, took)
}

#[tokio::test(start_paused = true)]
async fn members_spend_a_known_limit_like_one() {
    let memory = store();
    let member = || Fleet::new(memory.connect()).pace("api", Pace::per_authority());
    let (refused, took) = spend(&[member(), member(), member(), member()]).await;
    let (refused_of_one, took_of_one) = spend(&[Pace::per_authority().into()]).await;
    assert!(refused <= refused_of_one + 4, "{refused} refused, {refused_of_one} of one member");
    assert!(took <= took_of_one.mul_f64(1.1), "{took:?}, {took_of_one:?} of one member");

    // The same without a store, so that this test tells something.
    let lonely: Vec<SharedPace> = (0..4).map(|_| Pace::per_authority().into()).collect();
    let (refused_without, _) = spend(&lonely).await;
    assert!(refused_without > 2 * refused, "{refused_without} refused without a store, {refused} with one");
}

#[tokio::test(start_paused = true)]
async fn state_follows_the_store() {
    let memory = store();
    let states = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&states);
    let fleet = Fleet::new(memory.connect()).observe(move |event| {
        if let FleetEvent::Changed { state, members, .. } = event {
            log.lock().unwrap().push((*state, *members));
        }
    });
    assert_eq!(fleet.state(), FleetState::Joining);
    let pace = fleet.pace("api", Pace::per_authority());
    pass(10).await;
    assert_eq!(fleet.state(), FleetState::Joined);

    memory.take_down(UnreachableReason::Closed);
    pass(10).await;
    assert_eq!(fleet.state(), FleetState::Alone(UnreachableReason::Closed));
    assert_eq!(pace.pace.store_unreachable(), Some(UnreachableReason::Closed));
    // A pace that is made meanwhile knows it too.
    let late = fleet.pace("late", Pace::per_authority());
    pass(1).await;
    assert_eq!(late.pace.store_unreachable(), Some(UnreachableReason::Closed));

    memory.bring_up();
    pass(2_500).await;
    assert_eq!(fleet.state(), FleetState::Joined);
    assert_eq!((pace.pace.store_unreachable(), late.pace.store_unreachable()), (None, None));
    let alone = FleetState::Alone(UnreachableReason::Closed);
    let expected = [(FleetState::Joined, 1), (alone, 1), (FleetState::Joined, 1)];
    assert_eq!(*states.lock().unwrap(), expected);
    let counts = fleet.report(20).counts;
    assert_eq!((counts.lost, counts.news), (vec![(UnreachableReason::Closed, 1)], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_is_counted_as_a_timeout() {
    let memory = store();
    let fleet = Fleet::new(memory.connect());
    let _pace = fleet.pace("api", Pace::per_authority());
    pass(10).await;
    memory.stop();
    pass(3_000).await;
    assert_eq!(fleet.state(), FleetState::Alone(UnreachableReason::Timeout));
    assert_eq!(fleet.report(20).counts.timeouts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_leaves_gives_back_what_it_has() {
    let memory = store();
    let (fleet, other) = (Fleet::new(memory.connect()), Fleet::new(memory.connect()));
    let (budget, _other) = (fleet.budget("api", Budget::default()), other.budget("api", Budget::default()));
    pass(2_100).await;
    assert_eq!((fleet.report(20).members, other.report(20).members), (2, 2));
    let purse = fleet.report(20).budgets[0].purse.purse;
    assert!(purse >= 1.0, "{purse}");

    fleet.leave().await;
    assert_eq!((budget.tokens(), fleet.report(20).budgets[0].purse.purse), (0.0, 0.0));
    pass(2_100).await;
    assert_eq!(other.report(20).members, 1);
    assert_eq!(fleet.state(), FleetState::Joined);
}

#[tokio::test(start_paused = true)]
async fn a_member_alone_leaves_at_once() {
    let memory = store();
    let fleet = Fleet::new(memory.connect());
    fleet.leave().await;
    let _pace = fleet.pace("api", Pace::per_authority());
    pass(10).await;
    let begin = Instant::now();
    memory.take_down(UnreachableReason::Closed);
    fleet.leave().await;
    assert!(begin.elapsed() <= Duration::from_millis(10), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_any_more_is_let_go() {
    let memory = store();
    let fleet = Fleet::new(memory.connect());
    let pace = fleet.pace("api", Pace::per_authority());
    let budget = fleet.budget("api", Budget::default());
    pass(4_100).await;
    assert_eq!((fleet.report(20).paces.len(), fleet.report(20).budgets.len()), (1, 1));
    drop((pace, budget));
    pass(6_100).await;
    assert_eq!((fleet.report(20).paces.len(), fleet.report(20).budgets.len()), (0, 0));

    // With the last handle, the member leaves.
    let other = Fleet::new(memory.connect());
    let _other = other.budget("api", Budget::default());
    drop(fleet);
    pass(4_100).await;
    assert_eq!(other.report(20).members, 1);
}

#[test]
fn without_a_runtime_a_member_is_alone() {
    let memory = Memory::new();
    let fleet = Fleet::new(memory.connect());
    let pace = fleet.pace("api", Pace::per_authority());
    let late = fleet.pace("late", Pace::per_authority());
    let closed = Some(UnreachableReason::Closed);
    assert_eq!((pace.pace.store_unreachable(), late.pace.store_unreachable()), (closed, closed));
    assert_eq!(fleet.state(), FleetState::Alone(UnreachableReason::Closed));
}

#[test]
fn a_member_whose_runtime_is_gone_is_alone() {
    let memory = Memory::new();
    let fleet = Fleet::new(memory.connect());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let pace = runtime.block_on(async {
        let pace = fleet.pace("api", Pace::per_authority());
        tokio::task::yield_now().await;
        pace
    });
    assert_eq!(fleet.state(), FleetState::Joined);
    drop(runtime);
    assert_eq!(pace.pace.store_unreachable(), Some(UnreachableReason::Closed));
    assert_eq!(fleet.state(), FleetState::Alone(UnreachableReason::Closed));
}
