//! The span in which the next attempt may start.

use std::time::Duration;

use rand::{Rng, RngExt};

/// The span in which the next attempt may start, counted from the outcome.
///
/// A session draws one delay from it, uniformly, with both ends included. A window whose `latest` lies before its
/// `earliest` closes at the time at which it opens.
///
/// ```
/// use std::time::Duration;
/// use http_retry::Window;
/// use rand::{SeedableRng, rngs::SmallRng};
///
/// let window = Window::up_to(Duration::from_secs(1)).opening_at(Duration::from_secs(3));
/// assert_eq!(window, Window::between(Duration::from_secs(3), Duration::from_secs(4)));
///
/// let delay = window.draw(&mut SmallRng::seed_from_u64(1));
/// assert!((window.earliest..=window.latest).contains(&delay));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The shortest delay.
    pub earliest: Duration,
    /// The longest delay.
    pub latest: Duration,
}

impl Window {
    /// Creates a window between `earliest` and `latest`.
    pub const fn between(earliest: Duration, latest: Duration) -> Self {
        Self { earliest, latest }
    }

    /// Creates a window between now and `latest`.
    pub const fn up_to(latest: Duration) -> Self {
        Self::between(Duration::ZERO, latest)
    }

    /// Creates a window with the one delay `delay`.
    pub const fn exactly(delay: Duration) -> Self {
        Self::between(delay, delay)
    }

    /// Returns the time between `earliest` and `latest`, or zero if `latest` comes first.
    pub fn width(&self) -> Duration {
        self.latest.saturating_sub(self.earliest)
    }

    /// Returns the window moved so that it opens no earlier than `opening`. Its width stays.
    pub fn opening_at(self, opening: Duration) -> Self {
        if self.earliest >= opening {
            return self;
        }
        Self::between(opening, opening.saturating_add(self.width()))
    }

    /// Draws one delay, uniformly, to the nanosecond.
    pub fn draw<R: Rng + ?Sized>(&self, rng: &mut R) -> Duration {
        let width = u64::try_from(self.width().as_nanos()).unwrap_or(u64::MAX);
        if width == 0 {
            return self.earliest;
        }
        self.earliest.saturating_add(Duration::from_nanos(rng.random_range(0..=width)))
    }
}
