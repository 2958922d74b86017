//! Timeouts that almost never pass.
//!
//! To put a timer into the runtime's wheel and to take it out again costs more than all else that a request's timeout
//! is about, so it is left in when its request is done, and the next one takes it over. It goes off too early for that
//! one, and only then is set to the right time: once in as long as the timeout is, and not once for each request.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep};

/// Alarms of one length or of similar ones, that take each other's timers over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarms(Arc<Mutex<Vec<Pin<Box<Sleep>>>>>);

/// Resolves at a time, and not before.
#[derive(Debug)]
pub(crate) struct Alarm {
    alarms: Alarms,
    at: Instant,
    /// `None` as long as nobody waits for it.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Alarms {
    pub(crate) fn at(&self, at: Instant) -> Alarm {
        Alarm { alarms: self.clone(), at, timer: None }
    }

    /// `future` in time, or `None`.
    pub(crate) async fn within<F: Future>(&self, at: Instant, future: F) -> Option<F::Output> {
        let mut alarm = self.at(at);
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Pin::new(&mut alarm).poll(cx).map(|()| None),
        })
        .await
    }

    fn timers(&self) -> MutexGuard<'_, Vec<Pin<Box<Sleep>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alarm {
    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    /// Resolves at another time, with the timers of `alarms` from then on.
    pub(crate) fn set(&mut self, alarms: &Alarms, at: Instant) {
        if !Arc::ptr_eq(&self.alarms.0, &alarms.0) {
            *self = alarms.at(at);
        }
        self.at = at;
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { alarms, at, timer } = &mut *self;
        let timer = timer.get_or_insert_with(|| {
            let left_over = alarms.timers().pop();
            left_over.unwrap_or_else(|| Box::pin(tokio::time::sleep_until(*at)))
        });
        if timer.deadline() > *at {
            timer.as_mut().reset(*at);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= *at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(*at);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let Some(timer) = self.timer.take() else { return };
        let mut timers = self.alarms.timers();
        if timers.len() < MOST_SPARE {
            timers.push(timer);
        }
    }
}

/// As many timers are kept for others; each takes about a hundred bytes.
const MOST_SPARE: usize = 1_024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// How long an alarm takes, of which others were set before and let go of.
    #[track_caller]
    fn check(others: &[u64], wanted: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let (alarms, began) = (Alarms::default(), Instant::now());
            let after = |millis| alarms.at(began + Duration::from_millis(millis));
            for other in others {
                let mut other = after(*other);
                assert!(futures_poll(&mut other).await.is_pending());
            }
            after(wanted).await;
            // The runtime's timer has whole milliseconds, and rounds up.
            let took = began.elapsed();
            assert!((wanted..=wanted + 1).contains(&(took.as_millis() as u64)), "{others:?} {took:?}");
            assert_eq!(alarms.timers().len(), 1);
        });
    }

    async fn futures_poll(alarm: &mut Alarm) -> Poll<()> {
        std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *alarm).poll(cx))).await
    }

    #[test]
    fn an_alarm_goes_off_when_it_is_to_whatever_its_timer_was_set_to() {
        check(&[], 100);
        check(&[100], 100);
        check(&[50], 100);
        check(&[5_000], 100);
        check(&[50, 60, 5_000], 100);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_time_is_there_and_what_does_not_is_not() {
        let alarms = Alarms::default();
        let at = |millis| Instant::now() + Duration::from_millis(millis);
        let sleep = |millis| tokio::time::sleep(Duration::from_millis(millis));
        assert!(alarms.within(at(100), sleep(50)).await.is_some());
        assert!(alarms.within(at(100), sleep(200)).await.is_none());
        assert!(alarms.within(at(0), async {}).await.is_some());
    }
}
