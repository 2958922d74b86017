//! What is done with and can be used again, for the thread that did it.

use std::cell::RefCell;
use std::thread::LocalKey;

pub(crate) type Spares<T> = RefCell<Vec<T>>;

/// One that is spare, if there is one.
#[inline]
pub(crate) fn take<T>(spares: &'static LocalKey<Spares<T>>) -> Option<T> {
    spares.try_with(|spares| spares.borrow_mut().pop()).ok().flatten()
}

/// Keeps one for others, if there are not many.
#[inline]
pub(crate) fn give<T>(spares: &'static LocalKey<Spares<T>>, one: T) {
    // There are none while the thread ends.
    let _ = spares.try_with(|spares| {
        let mut spares = spares.borrow_mut();
        if spares.len() < MOST {
            spares.push(one);
        }
    });
}

/// So many are spare for each thread.
const MOST: usize = 64;
