//! How much all requests in flight may keep together.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound on the bytes that are kept for replay across all requests in flight, shared by all clones of the
/// handle.
///
/// A request for which there is no room any more is sent once, as if its body were over its own limit.
///
/// ```
/// use tower_http_retry::RetryLayer;
/// use tower_http_retry::body::ReplayMemory;
///
/// let memory = ReplayMemory::new(64 * 1024 * 1024);
/// let layer = RetryLayer::default().replay_memory(memory.clone());
/// assert_eq!(memory.used(), 0);
/// # let _: RetryLayer<_> = layer;
/// ```
#[derive(Clone)]
pub struct ReplayMemory {
    shared: Arc<Shared>,
}

struct Shared {
    bytes: usize,
    used: AtomicUsize,
}

impl ReplayMemory {
    /// Room for this many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { shared: Arc::new(Shared { bytes, used: AtomicUsize::new(0) }) }
    }

    /// The bytes that are kept now. What a frame pins beyond its own bytes, such as the rest of a read buffer
    /// that it is a slice of, is not counted.
    pub fn used(&self) -> usize {
        self.shared.used.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for ReplayMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayMemory").field("bytes", &self.shared.bytes).field("used", &self.used()).finish()
    }
}

/// What one request may keep, and what it keeps. Dropped, it gives that back.
pub(crate) struct Share {
    memory: Option<ReplayMemory>,
    limit: usize,
    held: usize,
}

impl Share {
    pub(super) fn new(limit: usize, memory: Option<ReplayMemory>) -> Self {
        Self { memory, limit, held: 0 }
    }

    /// How many frames may be held. A frame costs memory beyond its bytes, about a hundred of them, so that many
    /// small ones must not pass for little.
    pub(super) fn frames(&self) -> usize {
        self.limit / 256 + 1_024
    }

    /// Holds so many bytes more, if there is room for them.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let fits = |held: usize, limit| held.checked_add(bytes).filter(|&sum| sum <= limit);
        let Some(held) = fits(self.held, self.limit) else {
            return false;
        };
        if let Some(ReplayMemory { shared }) = &self.memory {
            let grow = |used| fits(used, shared.bytes);
            if shared.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow).is_err() {
                return false;
            }
        }
        self.held = held;
        true
    }

    /// Holds so many bytes less.
    pub(super) fn shrink(&mut self, bytes: usize) {
        self.held -= bytes;
        if let Some(ReplayMemory { shared }) = &self.memory {
            shared.used.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(self.held);
    }
}
