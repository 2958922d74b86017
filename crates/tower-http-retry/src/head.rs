//! The saved head of the caller's request, from which each resend is made.

use http::{Extensions, Request, header};
use http_retry::{HeadSnapshot, RequestHead};

use crate::AttemptNumber;
use crate::recycle::{self, LocalPool};

/// A [`HeadSnapshot`] of the caller's request, whose memory comes from a pool of the thread.
///
/// It is taken before the first attempt, because a service below may rewrite the head in place: hyper sets
/// `Host` and turns the URI into its origin form. Each resend starts from the snapshot, and no change of an
/// attempt leaks into it.
pub(crate) struct PooledSnapshot {
    /// `None` while it is dropped.
    head: Option<Box<HeadSnapshot>>,
}

thread_local! {
    /// Snapshots whose memory is used again. They are boxed, because a snapshot moves from here into a future
    /// and back, and is large.
    static POOL: LocalPool<Box<HeadSnapshot>> = const { LocalPool::new(Vec::new()) };
}

impl PooledSnapshot {
    pub(crate) fn new<B>(request: &Request<B>) -> Self {
        let mut head = recycle::acquire(&POOL).unwrap_or_default();
        head.replace(request);
        Self { head: Some(head) }
    }

    /// Returns memory that the snapshot does not need. The layer calls it before a wait, which may be long.
    pub(crate) fn shrink(&mut self) {
        self.snapshot_mut().shrink();
    }

    #[inline]
    pub(crate) fn head(&self) -> RequestHead<'_> {
        self.snapshot().head()
    }

    /// Adds extensions to the head, and so to every resend.
    pub(crate) fn extend(&mut self, extensions: Extensions) {
        self.snapshot_mut().extend(extensions);
    }

    /// Removes `Expect`, without which the next attempt must be sent (RFC 9110 section 10.1.1).
    pub(crate) fn remove_expect(&mut self) {
        self.snapshot_mut().remove(header::EXPECT.as_str());
    }

    /// Creates the request of a resend.
    pub(crate) fn request<B>(&self, number: u32, body: B) -> Request<B> {
        let mut parts = self.snapshot().restore();
        parts.extensions.insert(AttemptNumber::new(number));
        Request::from_parts(parts, body)
    }

    #[inline]
    fn snapshot(&self) -> &HeadSnapshot {
        self.head.as_ref().expect(NOT_DROPPED)
    }

    fn snapshot_mut(&mut self) -> &mut HeadSnapshot {
        self.head.as_mut().expect(NOT_DROPPED)
    }
}

const NOT_DROPPED: &str = "the snapshot is there until it is dropped";

impl Drop for PooledSnapshot {
    fn drop(&mut self) {
        let Some(mut head) = self.head.take().filter(|head| head.capacity() <= MAX_POOLED_BYTES) else {
            return;
        };
        head.clear();
        recycle::release(&POOL, head);
    }
}

/// The largest snapshot that goes back to the pool. With 64 of them, each thread holds at most 512 KiB.
const MAX_POOLED_BYTES: usize = 8 * 1024;
