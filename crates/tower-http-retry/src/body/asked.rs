//! Whether an attempt began with a body that is there from the start.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether an attempt asked for the body, as whoever keeps it may know. Told once, by the attempt's own [`Question`].
pub(crate) struct Asked(Option<Arc<AtomicBool>>);

/// The attempt's part of it.
pub(crate) struct Question(Arc<AtomicBool>);

thread_local! {
    /// Those that nobody shares any more, for others.
    static SPARE: RefCell<Vec<Arc<AtomicBool>>> = const { RefCell::new(Vec::new()) };
}

impl Asked {
    pub(super) fn new() -> Self {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        Self(Some(spare.ok().flatten().unwrap_or_default()))
    }

    /// For the next attempt, which has not asked yet.
    pub(super) fn question(&self) -> Option<Question> {
        let asked = self.0.as_ref()?;
        asked.store(false, Ordering::Relaxed);
        Some(Question(Arc::clone(asked)))
    }

    pub(super) fn is_asked(&self) -> bool {
        self.0.as_ref().is_some_and(|asked| asked.load(Ordering::Acquire))
    }
}

impl Question {
    /// It is asked.
    pub(super) fn ask(self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let Some(mut asked) = self.0.take() else { return };
        if Arc::get_mut(&mut asked).is_none() {
            return;
        }
        // There are none while the thread ends.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < MOST {
                spare.push(asked);
            }
        });
    }
}

/// So many are spare for each thread.
const MOST: usize = 64;
