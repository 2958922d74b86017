//! Closes the idle connections that no request takes.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A pool with idle connections.
pub(super) trait Sweep: Send + Sync + 'static {
    /// Closes the connections that are too old or not usable. Returns the time of the next look, or `None` if no
    /// connection is left.
    fn sweep(&self) -> Option<Instant>;
}

/// Starts a task that sweeps a pool until it has no connections, for the first time when `first_expiry` has come.
pub(super) fn start<P: Sweep>(pool: &Arc<P>, first_expiry: Instant) {
    tokio::spawn(run(Arc::downgrade(pool), first_expiry));
}

async fn run<P: Sweep>(pool: Weak<P>, mut next: Instant) {
    loop {
        let now = Instant::now();
        sleep_until(next.clamp(now + MIN_INTERVAL, now + MAX_INTERVAL)).await;
        match pool.upgrade().and_then(|pool| pool.sweep()) {
            Some(expiry) => next = expiry,
            None => return,
        }
    }
}

/// The bounds of the time between two looks at the idle connections. A connection whose server has closed it is removed
/// by the next look.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
const MAX_INTERVAL: Duration = Duration::from_secs(5);
