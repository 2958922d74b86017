//! Access to shared state.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, and ignores that another thread may have panicked while it held the lock. One failed
/// request must not fail all later ones.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
