//! Clocks and sleeps: the [`Timer`] of a layer. The crate `http_retry` takes the time as an argument.

use std::fmt;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use http_retry::ClockReading;

/// A sleep in progress, as a [`Timer`] returns it.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Reads the clocks and sleeps, on any runtime.
///
/// It is shaped like hyper's `Timer`, and also reads the wall clock, which the dates in `Retry-After` need.
/// [`TokioTimer`] is the default.
///
/// ```
/// use std::time::{Duration, Instant, SystemTime};
/// use tower_http_retry::RetryLayer;
/// use tower_http_retry::timer::{Sleep, Timer, TokioTimer};
///
/// /// Tokio's clock, on a machine whose wall clock is known to be slow.
/// struct Slow(Duration);
///
/// impl Timer for Slow {
///     fn sleep(&self, duration: Duration) -> Sleep {
///         TokioTimer.sleep(duration)
///     }
///
///     fn now(&self) -> Instant {
///         TokioTimer.now()
///     }
///
///     fn wall(&self) -> SystemTime {
///         SystemTime::now() + self.0
///     }
/// }
///
/// let layer = RetryLayer::default().timer(Slow(Duration::from_secs(90)));
/// # let _: RetryLayer<_> = layer;
/// ```
pub trait Timer: Send + Sync {
    /// Returns a future that resolves once `duration` has passed. It must not resolve earlier.
    fn sleep(&self, duration: Duration) -> Sleep;

    /// Reads the monotonic clock by which `sleep` measures time.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Reads the wall clock.
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// The [`Timer`] of tokio, whose clock can be paused in tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioTimer;

impl Timer for TokioTimer {
    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// The time of one request that does not count towards [`max_elapsed`](crate::RetryLayer::max_elapsed).
///
/// A gateway that reads a request's body from its client waits for that client now and then, and not for the
/// server. [`Retry::paused_time`](crate::Retry::paused_time) takes it.
pub trait PausedTime: Send + Sync {
    /// Returns the sum of such times since the request was sent to the layer. It never decreases.
    fn paused(&self) -> Duration;
}

/// Reads the monotonic clock, as the time since the origin that the whole process shares; see
/// [`ClockReading::monotonic`].
pub(crate) fn monotonic(timer: &dyn Timer) -> Duration {
    since_origin(timer.now())
}

/// Converts a time that was read before into the time since that origin.
pub(crate) fn since_origin(now: Instant) -> Duration {
    now.saturating_duration_since(*ORIGIN)
}

/// Resolves at the deadline, if there is one. The first poll creates `sleep`, and later polls use it again.
pub(crate) fn poll_deadline(
    ends_at: Option<Duration>,
    sleep: &mut Option<Sleep>,
    timer: &dyn Timer,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let Some(ends_at) = ends_at else {
        return Poll::Pending;
    };
    let sleep = sleep.get_or_insert_with(|| timer.sleep(ends_at.saturating_sub(monotonic(timer))));
    sleep.as_mut().poll(cx)
}

/// Reads both clocks.
pub(crate) fn clock_reading(timer: &dyn Timer) -> ClockReading {
    ClockReading::new(monotonic(timer), timer.wall())
}

/// The origin from which [`ClockReading::monotonic`] counts. All layers share it, because they may share a
/// budget. It lies an hour in the past, so that a timer whose clock was paused a while ago is not before it.
static ORIGIN: LazyLock<Instant> = LazyLock::new(|| {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(3_600)).unwrap_or(now)
});

impl fmt::Debug for dyn PausedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PausedTime")
    }
}

impl fmt::Debug for dyn Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Timer")
    }
}
