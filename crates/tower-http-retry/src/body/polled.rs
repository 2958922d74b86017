//! A flag that tells whether an attempt polled its body, for bodies that are complete from the start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::recycle::{self, LocalPool};

/// The session's half of the flag, which reads it. The attempt's [`PolledReader`] sets it once.
pub(crate) struct PolledFlag(Option<Arc<AtomicBool>>);

/// The attempt's half of the flag, which sets it.
pub(crate) struct PolledReader(Arc<AtomicBool>);

thread_local! {
    /// Flags that no attempt shares any more, for later sessions of this thread.
    static POOL: LocalPool<Arc<AtomicBool>> = const { LocalPool::new(Vec::new()) };
}

impl PolledFlag {
    pub(super) fn new() -> Self {
        Self(Some(recycle::acquire(&POOL).unwrap_or_default()))
    }

    /// Clears the flag, and returns the half for the next attempt.
    pub(super) fn reader(&self) -> Option<PolledReader> {
        let flag = self.0.as_ref()?;
        flag.store(false, Ordering::Relaxed);
        Some(PolledReader(Arc::clone(flag)))
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.as_ref().is_some_and(|flag| flag.load(Ordering::Acquire))
    }
}

impl PolledReader {
    /// Sets the flag, unless this attempt has set it before.
    pub(super) fn mark(reader: &mut Option<Self>) {
        if let Some(Self(flag)) = reader.take() {
            flag.store(true, Ordering::Release);
        }
    }
}

impl Drop for PolledFlag {
    fn drop(&mut self) {
        let Some(mut flag) = self.0.take() else { return };
        if Arc::get_mut(&mut flag).is_some() {
            recycle::release(&POOL, flag);
        }
    }
}
