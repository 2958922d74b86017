//! Timeouts that rarely pass, and that share timers through a pool.
//!
//! Timers return to a pool instead of being cancelled, because adding one to tokio's wheel and removing it
//! costs more than the rest of a request's timeout. The next request takes such a timer over while it is
//! still registered. That timer fires too early for its new deadline, and is only then reset: once per
//! timeout's length, and not once per request.
//!
//! A process that was stopped, as a virtual machine is that moves to another host, finds its timers late and the bytes that came
//! meanwhile unread. A late timeout passes only after they could be read.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::sync::lock;

/// A pool of timers that timeouts of the same or a similar length share.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimerPool(Arc<Mutex<Vec<Pin<Box<Sleep>>>>>);

/// A future that resolves at its deadline, and never before; its timer comes from a [`TimerPool`].
#[derive(Debug)]
pub(crate) struct PooledTimeout {
    pool: TimerPool,
    deadline: Instant,
    /// The time at which the timeout passes instead, if its timer fired too late.
    late_end: Option<Instant>,
    /// The timer is `None` until the first poll.
    timer: Option<Pin<Box<Sleep>>>,
}

impl TimerPool {
    /// Creates a timeout that passes at `deadline`.
    pub(crate) fn sleep_until(&self, deadline: Instant) -> PooledTimeout {
        PooledTimeout { pool: self.clone(), deadline, late_end: None, timer: None }
    }

    /// Returns the output of `future`, or `None` if `deadline` passes first.
    pub(crate) async fn timeout_at<F: Future>(&self, deadline: Instant, future: F) -> Option<F::Output> {
        let mut timeout = self.sleep_until(deadline);
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Pin::new(&mut timeout).poll(cx).map(|()| None),
        })
        .await
    }

    fn timers(&self) -> MutexGuard<'_, Vec<Pin<Box<Sleep>>>> {
        lock(&self.0)
    }
}

impl PooledTimeout {
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Moves the deadline; from then on the timeout uses the timers of `pool`.
    pub(crate) fn reset(&mut self, pool: &TimerPool, deadline: Instant) {
        if !Arc::ptr_eq(&self.pool.0, &pool.0) {
            *self = pool.sleep_until(deadline);
        }
        (self.deadline, self.late_end) = (deadline, None);
    }
}

impl Future for PooledTimeout {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { pool, deadline, late_end, timer } = &mut *self;
        let mut end = late_end.unwrap_or(*deadline);
        let timer = timer.get_or_insert_with(|| {
            let reused = pool.timers().pop();
            reused.unwrap_or_else(|| Box::pin(tokio::time::sleep_until(end)))
        });
        if timer.deadline() > end {
            timer.as_mut().reset(end);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= end {
                let now = Instant::now();
                if late_end.is_some() || now < end + LATENESS {
                    return Poll::Ready(());
                }
                end = now + LATE_EXTENSION;
                *late_end = Some(end);
            }
            timer.as_mut().reset(end);
        }
    }
}

impl Drop for PooledTimeout {
    fn drop(&mut self) {
        let Some(timer) = self.timer.take() else { return };
        let mut timers = self.pool.timers();
        if timers.len() < MAX_POOLED_TIMERS {
            timers.push(timer);
        }
    }
}

/// The least time by which a timer is late only if the process was stopped, or has far too much to do.
const LATENESS: Duration = Duration::from_millis(250);
/// The time for which a late timeout waits for what is unread.
const LATE_EXTENSION: Duration = Duration::from_millis(100);
/// The largest number of timers in a pool. Each of them takes about a hundred bytes.
const MAX_POOLED_TIMERS: usize = 1_024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Checks how many milliseconds a timeout takes after timeouts of the `earlier` lengths were polled and
    /// dropped.
    #[track_caller]
    fn check(earlier: &[u64], expected: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let (pool, start) = (TimerPool::default(), Instant::now());
            let after = |millis| pool.sleep_until(start + Duration::from_millis(millis));
            for millis in earlier {
                let mut timeout = after(*millis);
                assert!(poll_once(&mut timeout).await.is_pending());
            }
            after(expected).await;
            // The runtime's timer has whole milliseconds, and rounds up.
            let elapsed = start.elapsed();
            assert!(
                (expected..=expected + 1).contains(&(elapsed.as_millis() as u64)),
                "{earlier:?} {elapsed:?}"
            );
            assert_eq!(pool.timers().len(), 1);
        });
    }

    async fn poll_once(timeout: &mut PooledTimeout) -> Poll<()> {
        std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *timeout).poll(cx))).await
    }

    #[test]
    fn a_timeout_passes_at_its_deadline_whatever_its_timer_was_set_to() {
        check(&[], 100);
        check(&[100], 100);
        check(&[50], 100);
        check(&[5_000], 100);
        check(&[50, 60, 5_000], 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_whose_timer_is_late_waits_a_moment_longer() {
        let pool = TimerPool::default();
        let mut timeout = pool.sleep_until(Instant::now() + Duration::from_millis(100));
        assert!(poll_once(&mut timeout).await.is_pending());
        tokio::time::advance(Duration::from_millis(100) + LATENESS).await;
        assert!(poll_once(&mut timeout).await.is_pending());
        let since = Instant::now();
        (&mut timeout).await;
        assert!((LATE_EXTENSION..LATE_EXTENSION * 2).contains(&since.elapsed()));
        // A new deadline may be late again.
        timeout.reset(&pool, Instant::now() + Duration::from_millis(100));
        tokio::time::advance(Duration::from_millis(100) + LATENESS).await;
        assert!(poll_once(&mut timeout).await.is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_resolves_only_before_its_deadline() {
        let pool = TimerPool::default();
        let at = |millis| Instant::now() + Duration::from_millis(millis);
        let sleep = |millis| tokio::time::sleep(Duration::from_millis(millis));
        assert!(pool.timeout_at(at(100), sleep(50)).await.is_some());
        assert!(pool.timeout_at(at(100), sleep(200)).await.is_none());
        assert!(pool.timeout_at(at(0), async {}).await.is_some());
    }
}
