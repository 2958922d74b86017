//! Wakers belong to whoever polls, and may do anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::{Layer, Service};
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{PaceLayer, RequestHead};

use super::{SECOND, closed, numbered, sends};
use crate::support::eventually;
use crate::support::upstream::Upstream;

/// A waker of an executor's own. Its code runs where it is woken or dropped, and may call the pace again.
struct Curious(SharedPace);

impl Curious {
    /// Takes every lock of the pace.
    fn look(&self) {
        self.0.reports(usize::MAX);
        self.0.report(&RequestHead::from(&numbered(0)));
    }
}

impl Wake for Curious {
    fn wake(self: Arc<Self>) {
        self.look();
    }
}

impl Drop for Curious {
    fn drop(&mut self) {
        self.look();
    }
}

/// Two wait, each with a waker that looks at the pace when it is woken and when it is dropped. Both are polled again with
/// another waker, and one of them leaves.
async fn curious(leaver: usize) {
    let pace = closed(1).await;
    let mut client = PaceLayer::new(pace.clone()).layer(Upstream::statuses([200]));
    let mut waiting: Vec<_> = [1, 2].map(|number| Box::pin(client.call(numbered(number)))).into();
    for _ in 0..2 {
        for sent in &mut waiting {
            let waker = Waker::from(Arc::new(Curious(pace.clone())));
            assert!(sent.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
    }
    drop(waiting.remove(leaver));
}

/// Two wait. The first is sent and answered, so that the second is woken.
async fn curious_while_one_is_served() {
    let pace = closed(1).await;
    let mut client = PaceLayer::new(pace.clone()).layer(Upstream::statuses([200]));
    let mut waiting: Vec<_> = [1, 2].map(|number| Box::pin(client.call(numbered(number)))).into();
    for _ in 0..10 {
        waiting.retain_mut(|sent| {
            let waker = Waker::from(Arc::new(Curious(pace.clone())));
            sent.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
        });
        sleep(SECOND).await;
    }
    assert!(waiting.is_empty());
}

/// A lock that is held while somebody else's code runs is a lock for ever, and no timeout of a runtime ends that.
#[track_caller]
fn check_ends(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    assert_eq!(ended.recv_timeout(Duration::from_secs(10)), Ok(()), "it hangs, or it panicked");
}

fn block_on(future: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap().block_on(future);
}

#[test]
fn a_waker_that_looks_at_the_pace_when_it_is_woken_or_dropped_is_no_deadlock() {
    for leaver in [0, 1] {
        check_ends(move || block_on(curious(leaver)));
    }
    check_ends(|| block_on(curious_while_one_is_served()));
}

/// Whoever polls last is woken, and not whoever polled first: a future may move from task to task.
#[tokio::test(start_paused = true)]
async fn a_future_that_moves_to_another_task_is_woken_there() {
    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (pace, upstream) = (closed(1).await, Upstream::statuses([200]));
    let start = Instant::now();
    let mut client = PaceLayer::new(pace.clone()).layer(upstream.handle());
    let mut sent: Vec<_> = (1..=3).map(|number| Box::pin(client.call(numbered(number)))).collect();
    let former = Arc::<Count>::default();
    for future in &mut sent {
        let waker = Waker::from(Arc::clone(&former));
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    let tasks: Vec<_> = sent.into_iter().map(tokio::spawn).collect();
    sleep(SECOND / 2).await;
    for task in tasks {
        eventually(task).await.unwrap().unwrap();
    }
    assert_eq!(former.0.load(Ordering::SeqCst), 0);
    let numbers: Vec<_> = sends(&upstream, start).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [1, 2, 3]);
}
