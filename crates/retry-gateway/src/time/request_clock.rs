//! The clock of a request's timeouts, which counts neither waits for the client's body nor the time in which an
//! endpoint takes it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Measures how long the gateway has waited for the client since the request arrived, or for an endpoint that took
/// the client's body.
///
/// One reader of the body stops and starts the clock; any task may read it. A reader that was replaced may
/// still start it, which is harmless: the current reader stops it again with its next poll.
#[derive(Debug)]
pub(crate) struct RequestClock {
    started_at: Instant,
    /// The nanoseconds from the start to the current stop, plus one. 0 if the clock runs.
    stopped_at: AtomicU64,
    /// The nanoseconds of all earlier stops, and those by which the clock was set back.
    stopped_for: AtomicU64,
    /// Set while the response of an attempt is under way. No timeout of the request runs then.
    is_responding: AtomicBool,
}

impl RequestClock {
    /// Creates a clock that runs from now on.
    pub(crate) fn new() -> Self {
        Self {
            started_at: Instant::now(),
            stopped_at: AtomicU64::new(0),
            stopped_for: AtomicU64::new(0),
            is_responding: AtomicBool::new(false),
        }
    }

    pub(crate) fn started_at(&self) -> Instant {
        self.started_at
    }

    /// Stops the clock, which may stand still already.
    pub(crate) fn stop(&self, now: Instant) {
        let since_start = self.since_start(now).saturating_add(1);
        let _ = self.stopped_at.compare_exchange(0, since_start, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Lets the clock run, as it may do already.
    pub(crate) fn start(&self) {
        if !self.is_stopped() {
            return;
        }
        let stopped_at = self.stopped_at.swap(0, Ordering::Relaxed);
        if stopped_at > 0 {
            let stop = self.since_start(Instant::now()).saturating_sub(stopped_at - 1);
            self.stopped_for.fetch_add(stop, Ordering::Relaxed);
        }
    }

    /// Notes that a response begins, or that it has ended or another attempt begins.
    pub(crate) fn set_responding(&self, is_responding: bool) {
        self.is_responding.store(is_responding, Ordering::Relaxed);
    }

    /// Returns whether a response is under way. Its client may then send its body at any time, as in a stream in
    /// both directions.
    pub(crate) fn is_responding(&self) -> bool {
        self.is_responding.load(Ordering::Relaxed)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped_at.load(Ordering::Relaxed) > 0
    }

    /// Returns what the clock shows now.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started_at.elapsed().saturating_sub(self.stopped_for())
    }

    /// Sets the clock back to what it showed earlier, by `max` at most. Returns by how much.
    pub(crate) fn set_back_to(&self, earlier: Duration, max: Duration) -> Duration {
        let excess = self.elapsed().saturating_sub(earlier).min(max);
        let nanos = u64::try_from(excess.as_nanos()).unwrap_or(u64::MAX);
        self.stopped_for.fetch_add(nanos, Ordering::Relaxed);
        excess
    }

    /// Returns how long the clock has stood still until now.
    pub(crate) fn stopped_for(&self) -> Duration {
        let current = match self.stopped_at.load(Ordering::Relaxed) {
            0 => 0,
            stopped_at => self.since_start(Instant::now()).saturating_sub(stopped_at - 1),
        };
        Duration::from_nanos(self.stopped_for.load(Ordering::Relaxed).saturating_add(current))
    }

    fn since_start(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started_at).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_stands_still_between_a_stop_and_a_start() {
        let clock = RequestClock::new();
        let wait = |millis| tokio::time::advance(Duration::from_millis(millis));
        let stopped = || u64::try_from(clock.stopped_for().as_millis()).unwrap();
        wait(10).await;
        clock.start();
        assert_eq!(stopped(), 0);
        clock.stop(Instant::now());
        wait(20).await;
        clock.stop(Instant::now());
        wait(5).await;
        assert!(clock.is_stopped());
        assert_eq!(stopped(), 25);
        clock.start();
        wait(40).await;
        assert_eq!((stopped(), clock.is_stopped()), (25, false));
        clock.stop(Instant::now());
        wait(1).await;
        clock.start();
        clock.start();
        assert_eq!(stopped(), 26);
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_can_be_set_back_also_while_it_stands_still() {
        let clock = RequestClock::new();
        let wait = |millis| tokio::time::advance(Duration::from_millis(millis));
        wait(10).await;
        let earlier = clock.elapsed();
        wait(20).await;
        assert_eq!(clock.elapsed(), Duration::from_millis(30));
        let second = Duration::from_secs(1);
        assert_eq!(clock.set_back_to(earlier, second), Duration::from_millis(20));
        assert_eq!(clock.elapsed(), earlier);
        clock.stop(Instant::now());
        wait(5).await;
        clock.set_back_to(earlier, second);
        wait(5).await;
        clock.start();
        assert_eq!((clock.elapsed(), clock.stopped_for()), (earlier, Duration::from_millis(30)));
        wait(4).await;
        clock.set_back_to(earlier, Duration::from_millis(3));
        assert_eq!(clock.elapsed(), Duration::from_millis(11));
    }
}
