//! Time: what floor 0 takes as an argument.

use std::fmt;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use http_retry::ClockReading;

/// A sleep that is under way, of a [`Timer`].
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Tells the time and sleeps, for whatever runtime the layer runs on.
///
/// Shaped like hyper's `Timer`, from which it differs in that it also tells the wall clock, by which dates in
/// `Retry-After` are read. [`TokioTimer`] is the default.
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
    /// A future that resolves when `duration` has passed. It must not resolve earlier.
    fn sleep(&self, duration: Duration) -> Sleep;

    /// The monotonic clock that `sleep` goes by.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// The wall clock.
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

/// A time on the process-wide scale of [`ClockReading::monotonic`].
pub(crate) fn monotonic(timer: &dyn Timer) -> Duration {
    on_scale(timer.now())
}

/// The same for a time that was read before.
pub(crate) fn on_scale(now: Instant) -> Duration {
    now.saturating_duration_since(*ORIGIN)
}

/// Resolves at the deadline, if there is one. `sleep` is made at the first poll, and kept for the next.
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

pub(crate) fn moment(timer: &dyn Timer) -> ClockReading {
    ClockReading::new(monotonic(timer), timer.wall())
}

/// Where [`ClockReading::monotonic`] counts from: one moment for all layers, because they may share a budget. It
/// lies an hour back, so that a timer whose clock was paused a while ago is not before it.
static ORIGIN: LazyLock<Instant> = LazyLock::new(|| {
    let now = Instant::now();
    now.checked_sub(Duration::from_secs(3_600)).unwrap_or(now)
});

impl fmt::Debug for dyn Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Timer")
    }
}
