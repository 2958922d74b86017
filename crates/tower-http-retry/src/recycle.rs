//! Pools of values that are used again by later requests of the same thread.

use std::cell::RefCell;
use std::thread::LocalKey;

/// A pool of values, for a thread-local static.
pub(crate) type LocalPool<T> = RefCell<Vec<T>>;

/// Takes a value from the pool, unless it is empty.
#[inline]
pub(crate) fn acquire<T>(pool: &'static LocalKey<LocalPool<T>>) -> Option<T> {
    pool.try_with(|pool| pool.borrow_mut().pop()).ok().flatten()
}

/// Returns a value to the pool, unless it is full.
#[inline]
pub(crate) fn release<T>(pool: &'static LocalKey<LocalPool<T>>, value: T) {
    // The pool is gone while the thread ends, and the value is dropped then.
    let _ = pool.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < MAX_POOLED {
            pool.push(value);
        }
    });
}

/// The largest number of values in a pool, for each thread.
const MAX_POOLED: usize = 64;
