//! The bound on the bytes that all requests in flight save for a resend.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bounds the bytes that all requests in flight together save for a resend. Clones of the handle share the
/// bound.
///
/// A request that finds no room left is sent once, as if its body were over its own limit.
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
    pool: Arc<MemoryPool>,
}

struct MemoryPool {
    capacity: usize,
    used: AtomicUsize,
}

impl ReplayMemory {
    /// Creates a bound of this many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { pool: Arc::new(MemoryPool { capacity: bytes, used: AtomicUsize::new(0) }) }
    }

    /// Returns a lease of none of these bytes, which can [grow](MemoryLease::grow) up to `limit`. It is for bytes of a
    /// request that are saved before a layer gets it.
    pub fn lease(&self, limit: usize) -> MemoryLease {
        MemoryLease::new(limit, Some(self.clone()))
    }

    /// Returns the number of bytes that are saved now. A frame may pin memory beyond its own bytes, such as
    /// the rest of the read buffer that it is a slice of; that memory is not counted.
    pub fn used(&self) -> usize {
        self.pool.used.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for ReplayMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayMemory")
            .field("bytes", &self.pool.capacity)
            .field("used", &self.used())
            .finish()
    }
}

/// The memory that one request holds, and its limit. Dropping it returns the memory to the pool.
#[derive(Debug)]
pub struct MemoryLease {
    memory: Option<ReplayMemory>,
    limit: usize,
    held: usize,
}

impl MemoryLease {
    pub(super) fn new(limit: usize, memory: Option<ReplayMemory>) -> Self {
        Self { memory, limit, held: 0 }
    }

    /// Returns the number of frames that may be saved. A frame costs about a hundred bytes of memory beyond
    /// its data, so many small frames must not count as almost nothing.
    pub(super) fn max_frames(&self) -> usize {
        self.limit / 256 + 1_024
    }

    /// Takes `bytes` more, and returns true, if there is room for them.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let fits = |held: usize, limit| held.checked_add(bytes).filter(|&sum| sum <= limit);
        let Some(held) = fits(self.held, self.limit) else {
            return false;
        };
        if let Some(ReplayMemory { pool }) = &self.memory {
            let grow = |used| fits(used, pool.capacity);
            if pool.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow).is_err() {
                return false;
            }
        }
        self.held = held;
        true
    }

    /// Returns `bytes` to the pool.
    pub(super) fn shrink(&mut self, bytes: usize) {
        self.held -= bytes;
        if let Some(ReplayMemory { pool }) = &self.memory {
            pool.used.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        self.shrink(self.held);
    }
}
