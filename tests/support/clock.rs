//! Timers whose sleeps can be read, and whose wall clock is wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tower_http_retry::timer::{Sleep, Timer, TokioTimer};

/// Tokio's clock, with a wall clock of its own, and a list of the sleeps that were asked for.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    wall: SystemTime,
    sleeps: Arc<Mutex<Vec<Duration>>>,
    reads: Arc<AtomicUsize>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self::at(SystemTime::UNIX_EPOCH)
    }

    /// Whose wall clock stands still at this time.
    pub(crate) fn at(wall: SystemTime) -> Self {
        Self { wall, sleeps: Arc::default(), reads: Arc::default() }
    }

    /// The sleeps that were asked for.
    pub(crate) fn sleeps(&self) -> Vec<Duration> {
        self.sleeps.lock().unwrap().clone()
    }

    /// How often either clock was read.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Timer for Watch {
    fn sleep(&self, duration: Duration) -> Sleep {
        self.sleeps.lock().unwrap().push(duration);
        TokioTimer.sleep(duration)
    }

    fn now(&self) -> Instant {
        self.reads.fetch_add(1, Ordering::SeqCst);
        TokioTimer.now()
    }

    fn wall(&self) -> SystemTime {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.wall
    }
}
