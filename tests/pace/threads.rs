//! Callers on several threads share a pace, without a lock of the layer's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use futures_util::future::join_all;
use tower::Layer;
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{Pace, RetryLayer};

use super::{MS, SECOND, held, numbered, per_authority};
use crate::support::upstream::Upstream;
use crate::support::{QUICKLY, assert_status, status, with_header};

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// On two threads, each with a runtime and a timer of its own.
#[test]
fn two_threads_share_a_pace() {
    let pace = per_authority();
    // One of ten is refused, so that both threads take the locks.
    let upstream = || {
        Upstream::answers(|number| match number % 10 {
            0 => with_header(429, "retry-after-ms", "5"),
            _ => status(200),
        })
    };
    let served = Arc::<AtomicUsize>::default();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let layer = RetryLayer::new(QUICKLY).max_attempts(100).budget(None).pace(pace.clone());
                let client = layer.layer(upstream());
                block_on(async {
                    for _ in 0..10 {
                        let sent = (0..50).map(|number| client.clone().oneshot(numbered(number)));
                        let answers = tokio::time::timeout(30 * SECOND, join_all(sent)).await;
                        for response in answers.expect("this hangs") {
                            assert_status(&response.unwrap(), 200);
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            });
        }
    });
    assert_eq!(served.load(Ordering::Relaxed), 1_000);
    assert_eq!((pace.waiting(), pace.unpaced(), held(&pace)), (0, 0, (0, 0)));
}

/// A waiter of one thread is woken by an answer on another.
#[test]
fn an_answer_on_one_thread_lets_a_waiter_on_another_go() {
    let pace = SharedPace::from(Pace::per_authority().slow_start());
    let upstream = Upstream::statuses([200]);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let client = RetryLayer::default().pace(pace.clone()).layer(super::far(&upstream, 2 * MS));
                block_on(async {
                    let sent = (0..50).map(|number| client.clone().oneshot(numbered(number)));
                    let answers = tokio::time::timeout(30 * SECOND, join_all(sent)).await;
                    for response in answers.expect("this hangs") {
                        assert_status(&response.unwrap(), 200);
                    }
                });
            });
        }
    });
    assert_eq!((upstream.sent(), pace.waiting(), held(&pace)), (200, 0, (0, 0)));
}
