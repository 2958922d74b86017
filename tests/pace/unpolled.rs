//! Futures that nobody polls hold nobody else.

use std::task::{Context, Waker};

use tokio::time::Instant;
use tower::{Layer, ServiceExt};
use tower_http_retry::{PaceLayer, RetryLayer};

use super::{SECOND, closed, crowd, held, numbered, per_authority, sends};
use crate::support::upstream::Upstream;
use crate::support::{assert_status, eventually};

/// So many wait first and are never polled again, and five others wait behind them. It returns when the last of those is sent,
/// in milliseconds.
async fn last_send(unpolled: usize) -> u128 {
    let (pace, upstream) = (closed(1).await, Upstream::statuses([200]));
    let client = RetryLayer::default().pace(pace.clone()).layer(upstream.handle());
    let start = Instant::now();
    let mut forgotten: Vec<_> =
        (0..unpolled).map(|number| Box::pin(client.clone().oneshot(numbered(100 + number)))).collect();
    for sent in &mut forgotten {
        assert!(sent.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    for response in eventually(crowd(&client, 5)).await {
        assert_status(&response.unwrap(), 200);
    }
    let sends = sends(&upstream, start);
    assert_eq!(sends.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let first = 1_000 + 20 * (unpolled as u128 + 1);
    assert!((1_000..=first + 2).contains(&sends[0].1), "{unpolled} unpolled: {sends:?}");
    assert_eq!(pace.waiting(), unpolled);
    // They are not forgotten: whoever polls them again is served.
    for sent in forgotten {
        assert_status(&eventually(sent).await.unwrap(), 200);
    }
    assert_eq!(held(&pace), (0, 0));
    sends[4].1
}

/// An unpolled future costs 20 ms once, a bit more where it is not among the next four, and no more than a tenth of the whole
/// time.
async fn check_unpolled(unpolled: usize) {
    let (alone, beside) = (last_send(0).await, last_send(unpolled).await);
    let most = alone + alone / 10 + 25 * unpolled as u128;
    assert!(beside <= most, "{unpolled} unpolled: {beside} ms, and {alone} ms without them");
}

#[tokio::test(start_paused = true)]
async fn one_that_nobody_polls_holds_nobody() {
    check_unpolled(1).await;
}

#[tokio::test(start_paused = true)]
async fn many_that_nobody_polls_hold_nobody() {
    for unpolled in [2, 4, 10] {
        check_unpolled(unpolled).await;
    }
}

/// One that was admitted and has not been polled since holds no permit, because a permit is used within the poll that takes it.
#[tokio::test(start_paused = true)]
async fn a_future_between_two_polls_holds_no_permit_that_was_not_sent() {
    let (pace, upstream) = (per_authority(), Upstream::statuses([500, 200]));
    let policy = tower_http_retry::policy::FixedDelay::new(std::time::Duration::ZERO);
    let mut client = RetryLayer::new(policy).pace(pace.clone()).layer(upstream.handle());
    let mut sent = Box::pin(tower::Service::call(&mut client, numbered(1)));
    // The resend follows at once, after the other tasks of the runtime.
    assert!(sent.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!((upstream.sent(), held(&pace).0), (1, 0));
    let other = PaceLayer::new(pace.clone()).layer(upstream.handle());
    assert_status(&eventually(other.oneshot(numbered(2))).await.unwrap(), 200);
    assert_status(&eventually(sent).await.unwrap(), 200);
    tokio::time::sleep(SECOND).await;
    assert_eq!(held(&pace), (0, 0));
}
