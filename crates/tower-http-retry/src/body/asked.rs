//! Whether an attempt began with a body that is there from the start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::spare::{self, Spares};

/// Whether an attempt asked for the body, as whoever keeps it may know. Told once, by the attempt's own [`Question`].
pub(crate) struct Asked(Option<Arc<AtomicBool>>);

/// The attempt's part of it.
pub(crate) struct Question(Arc<AtomicBool>);

thread_local! {
    /// Those that nobody shares any more, for others.
    static SPARE: Spares<Arc<AtomicBool>> = const { Spares::new(Vec::new()) };
}

impl Asked {
    pub(super) fn new() -> Self {
        Self(Some(spare::take(&SPARE).unwrap_or_default()))
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
    /// Asks it, unless it was.
    pub(super) fn ask(question: &mut Option<Self>) {
        if let Some(Self(asked)) = question.take() {
            asked.store(true, Ordering::Release);
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let Some(mut asked) = self.0.take() else { return };
        if Arc::get_mut(&mut asked).is_some() {
            spare::give(&SPARE, asked);
        }
    }
}
