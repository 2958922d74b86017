use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;

/// A request that queues for a permit.
struct Queued<'a>(Pin<Box<dyn Future<Output = Option<RequestPermit>> + 'a>>);

impl<'a> Queued<'a> {
    #[track_caller]
    fn new(limit: &'a RequestLimit) -> Self {
        let mut queued = Self(Box::pin(limit.acquire()));
        assert!(queued.poll().is_none());
        queued
    }

    /// Returns the permit, once the request has it.
    fn poll(&mut self) -> Option<RequestPermit> {
        match self.0.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => Some(permit.unwrap()),
            Poll::Pending => None,
        }
    }
}

fn limit(max_requests: usize) -> RequestLimit {
    RequestLimit { counts: Arc::default(), max_requests, max_pending_requests: 2 }
}

#[test]
fn a_permit_goes_to_the_first_who_queues_and_not_to_who_arrives() {
    let limit = limit(1);
    let held = limit.try_acquire().unwrap();
    assert!(limit.try_acquire().is_none());
    let (mut first, mut second) = (Queued::new(&limit), Queued::new(&limit));
    drop(held);
    assert!(limit.try_acquire().is_none(), "who arrives overtakes nobody");
    let first = first.poll().unwrap();
    assert!(second.poll().is_none());
    drop(first);
    drop(second.poll().unwrap());
    assert_eq!(limit.counts.in_flight(), 0);
    assert!(limit.try_acquire().is_some());
}

#[test]
fn who_leaves_the_queue_takes_no_permit_with_it() {
    let limit = limit(1);
    let held = limit.try_acquire().unwrap();
    let mut gone: Vec<_> = (0..1_000).map(|_| Queued::new(&limit)).collect();
    let mut last = Queued::new(&limit);
    // Most have gone before they get the permit, and one with the permit that it has not seen.
    let granted = gone.remove(1);
    drop(gone);
    drop(held);
    assert!(last.poll().is_none());
    drop(granted);
    drop(last.poll().unwrap());
    assert_eq!((limit.counts.in_flight(), limit.counts.queued.load(Ordering::SeqCst)), (0, 0));
}

#[test]
fn a_lower_limit_serves_nobody_until_enough_permits_are_back() {
    let high = limit(2);
    let low = RequestLimit { max_requests: 1, ..high.clone() };
    let (first, second) = (high.try_acquire().unwrap(), high.try_acquire().unwrap());
    let mut queued = Queued::new(&low);
    drop(first);
    assert!(queued.poll().is_none());
    assert_eq!(low.counts.in_flight(), 1);
    drop(second);
    assert!(queued.poll().is_some());
}

#[test]
fn those_who_wait_have_a_limit_of_their_own_and_count_by_reason() {
    let limit = limit(1);
    let waits = |reason| limit.counts.waits().find(|(found, _)| *found == reason).unwrap().1;
    let (mut first, second) =
        (limit.try_wait(WaitReason::Pace).unwrap(), limit.try_wait(WaitReason::Pace).unwrap());
    assert!(limit.try_wait(WaitReason::Backoff).is_none());
    assert_eq!((limit.counts.pending(), limit.counts.in_flight()), (2, 0));
    first.set_reason(WaitReason::Endpoint);
    assert_eq!((waits(WaitReason::Pace), waits(WaitReason::Endpoint), waits(WaitReason::Backoff)), (1, 1, 0));
    // The wait for a body has no limit.
    let body = limit.try_wait(WaitReason::Body);
    assert_eq!((limit.counts.pending(), waits(WaitReason::Body)), (3, 1));
    assert!(limit.try_acquire().is_some());
    drop((first, second, body));
    assert_eq!(limit.counts.pending(), 0);
    assert!(limit.counts.waits().all(|(_, count)| count == 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_permit_is_lost_among_threads() {
    let limit = limit(2);
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let limit = limit.clone();
            tokio::spawn(async move {
                for turn in 0..200 {
                    let permit = match limit.try_acquire() {
                        Some(permit) => Some(permit),
                        None if (turn + number) % 3 == 0 => {
                            let wait = tokio::time::timeout(Duration::from_micros(50), limit.acquire());
                            wait.await.ok().flatten()
                        }
                        None => limit.acquire().await,
                    };
                    assert!(limit.counts.in_flight() <= 2);
                    tokio::task::yield_now().await;
                    drop(permit);
                }
            })
        })
        .collect();
    for task in tasks {
        let ended = tokio::time::timeout(Duration::from_secs(20), task).await;
        ended.expect("nobody waits for ever").unwrap();
    }
    assert_eq!((limit.counts.in_flight(), limit.counts.queued.load(Ordering::SeqCst)), (0, 0));
}
