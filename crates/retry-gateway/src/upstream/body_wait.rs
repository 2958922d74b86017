//! The wait for the next frame of a client's body, and its bounds: a pause, and a rate.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::telemetry::request_log::BodyFailure;
use crate::time::pooled_timeout::{PooledTimeout, TimerPool};
use crate::time::request_clock::RequestClock;

/// The bounds on the wait for a client's body, and its timers.
#[derive(Debug)]
pub(crate) struct BodyLimits {
    pub(crate) timers: TimerPool,
    /// The longest wait for the next frame.
    pub(crate) timeout: Duration,
    /// The fewest bytes a second, over any 30 s of waiting.
    pub(crate) min_rate: Option<u32>,
}

/// The wait of one body. It stops the request's clock while it lasts.
#[derive(Debug)]
pub(crate) struct BodyWait {
    /// The start of the current wait, while the gateway waits.
    since: Option<Instant>,
    /// The end of the time that `rate` has counted.
    counted_until: Instant,
    timer: PooledTimeout,
    rate: ByteRate,
}

/// The bytes of the last 30 s of waiting, in slices.
#[derive(Debug, Default)]
struct ByteRate {
    slices: [u64; SLICES],
    /// The number of slices that have ended.
    ended: usize,
    /// The time that has passed in the current slice.
    elapsed: Duration,
}

impl BodyWait {
    pub(crate) fn new(limits: &BodyLimits) -> Self {
        let now = Instant::now();
        Self {
            since: None,
            counted_until: now,
            timer: limits.timers.sleep_until(now),
            rate: ByteRate::default(),
        }
    }

    /// Resolves if the client fails to send enough. It is polled while the body has no frame.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        limits: &BodyLimits,
        clock: &RequestClock,
    ) -> Poll<BodyFailure> {
        // The end of an attempt starts the clock. Until the next attempt reads the body, the gateway does not
        // wait for the client.
        let mut since = match self.since.filter(|_| clock.is_stopped()) {
            Some(since) => since,
            None => self.start(limits, clock),
        };
        loop {
            ready!(Pin::new(&mut self.timer).poll(cx));
            let now = Instant::now();
            if clock.is_responding() || !clock.is_stopped() {
                since = self.start(limits, clock);
                continue;
            }
            if now >= since + limits.timeout {
                return Poll::Ready(BodyFailure::Timeout);
            }
            if let Err(failure) = self.count(now, limits) {
                return Poll::Ready(failure);
            }
            self.arm(since, limits);
        }
    }

    /// Notes that a frame of so many bytes has arrived.
    ///
    /// # Errors
    ///
    /// Returns an error if the wait for it was too long for the rate.
    pub(crate) fn on_frame(
        &mut self,
        bytes: usize,
        limits: &BodyLimits,
        clock: &RequestClock,
    ) -> Result<(), BodyFailure> {
        let was_waiting = clock.is_stopped() && self.since.take().is_some() && !clock.is_responding();
        clock.start();
        if was_waiting {
            self.count(Instant::now(), limits)?;
        }
        self.rate.add_bytes(bytes);
        Ok(())
    }

    /// Starts a wait. While a response is under way, the client may be silent: the timer then looks again after the
    /// timeout, because the response may have ended by then and the upstream still wait for the body.
    fn start(&mut self, limits: &BodyLimits, clock: &RequestClock) -> Instant {
        let now = Instant::now();
        (self.since, self.counted_until) = (Some(now), now);
        if clock.is_responding() {
            clock.start();
            self.timer.reset(&limits.timers, now + limits.timeout);
        } else {
            clock.stop(now);
            self.arm(now, limits);
        }
        now
    }

    /// Sets the timer to the end of the pause or of the slice, whichever is earlier.
    fn arm(&mut self, since: Instant, limits: &BodyLimits) {
        let mut deadline = since + limits.timeout;
        if limits.min_rate.is_some() {
            deadline = deadline.min(self.counted_until + self.rate.slice_left());
        }
        self.timer.reset(&limits.timers, deadline);
    }

    fn count(&mut self, now: Instant, limits: &BodyLimits) -> Result<(), BodyFailure> {
        let waited = now.saturating_duration_since(self.counted_until);
        self.counted_until = now;
        let slowest = self.rate.add_wait(waited);
        let least = limits.min_rate.map(|rate| u64::from(rate) * WINDOW.as_secs());
        match slowest.zip(least) {
            Some((bytes, least)) if bytes < least => Err(BodyFailure::TooSlow),
            _ => Ok(()),
        }
    }
}

impl ByteRate {
    fn add_bytes(&mut self, bytes: usize) {
        self.slices[self.ended % SLICES] += bytes as u64;
    }

    /// Adds a time of waiting. Returns the fewest bytes of the windows that ended within it.
    fn add_wait(&mut self, wait: Duration) -> Option<u64> {
        self.elapsed += wait;
        let mut slowest: Option<u64> = None;
        while self.elapsed >= SLICE {
            self.elapsed -= SLICE;
            self.ended += 1;
            if self.ended >= SLICES {
                let bytes = self.slices.iter().sum();
                slowest = Some(slowest.map_or(bytes, |slowest| slowest.min(bytes)));
            }
            self.slices[self.ended % SLICES] = 0;
        }
        slowest
    }

    fn slice_left(&self) -> Duration {
        SLICE.saturating_sub(self.elapsed)
    }
}

/// The time of waiting over which `body_min_rate` counts.
const WINDOW: Duration = Duration::from_secs(30);
const SLICES: usize = 6;
const SLICE: Duration = Duration::from_secs(WINDOW.as_secs() / SLICES as u64);

#[cfg(test)]
mod tests;
