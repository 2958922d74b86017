//! The idle connections to all endpoints. Where no file descriptor is left for another connection to an upstream, one of
//! them makes room.

use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::connection::descriptors::DESCRIPTORS;
use crate::connection::limit::Permit;
use crate::sync::lock;

/// The idle connections to one endpoint.
pub(crate) trait IdleConnections: Debug + Send + Sync {
    /// Returns the time at which the first of them would be closed.
    fn first_expiry(&self) -> Option<Instant>;

    /// Closes that one.
    fn close_first(&self);
}

/// The connections of all pools of the process.
static POOLS: Mutex<Vec<Weak<dyn IdleConnections>>> = Mutex::new(Vec::new());

/// Adds the connections of an endpoint.
pub(crate) fn register(pool: Weak<dyn IdleConnections>) {
    let mut pools = lock(&POOLS);
    // Pools that have gone make room before the list grows.
    if pools.len() == pools.capacity() {
        pools.retain(|pool| pool.strong_count() > 0);
    }
    pools.push(pool);
}

/// Returns a permit for one connection to an upstream. Idle connections are closed if none is left.
///
/// # Errors
///
/// Returns the error of the system for a process that has no descriptor left, if no connection is idle either.
pub(crate) async fn connect_upstream() -> io::Result<Permit> {
    let mut permit = DESCRIPTORS.connect_upstream();
    for _ in 0..MAX_CLOSED {
        if permit.is_ok() || !close_one() {
            break;
        }
        // The task of the connection closes the socket, and returns its permit.
        for _ in 0..CHECKS {
            sleep(CHECK_INTERVAL).await;
            permit = DESCRIPTORS.connect_upstream();
            if permit.is_ok() {
                break;
            }
        }
    }
    permit
}

/// Closes the idle connection that would be closed first. Returns false if no connection is idle.
fn close_one() -> bool {
    let pools: Vec<_> = lock(&POOLS).iter().filter_map(Weak::upgrade).collect();
    let expiry = |pool: &Arc<dyn IdleConnections>| Some((pool.first_expiry()?, Arc::clone(pool)));
    let first = pools.iter().filter_map(expiry).min_by_key(|(expires_at, _)| *expires_at);
    first.map(|(_, pool)| pool.close_first()).is_some()
}

/// The most connections that are closed for another one, whose descriptor others may take meanwhile.
const MAX_CLOSED: usize = 4;
const CHECKS: u32 = 50;
const CHECK_INTERVAL: Duration = Duration::from_millis(1);
