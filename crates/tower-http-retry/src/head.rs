//! The head of the caller's request, as it is kept for a resend.

use http::{Request, header};
use http_retry::{HeadSnapshot, RequestHead};

use crate::AttemptNumber;
use crate::spare::{self, Spares};

/// A snapshot of the caller's request head.
///
/// Taken before the first attempt, because what is below may rewrite the head in place: hyper sets `Host`
/// and turns the URI into its origin form. Each attempt starts from it, and nothing leaks back.
pub(crate) struct Snapshot {
    /// `None` once it is dropped.
    head: Option<Box<HeadSnapshot>>,
}

thread_local! {
    /// Those of snapshots that are gone, for others: their memory is what is of use. In boxes, because a head goes from here
    /// into a future and back, and is large.
    static SPARE: Spares<Box<HeadSnapshot>> = const { Spares::new(Vec::new()) };
}

impl Snapshot {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let mut head = spare::take(&SPARE).unwrap_or_default();
        head.replace(request);
        Self { head: Some(head) }
    }

    /// It may be kept for long.
    pub(crate) fn shrink(&mut self) {
        self.kept_mut().shrink();
    }

    #[inline]
    pub(crate) fn head(&self) -> RequestHead<'_> {
        self.kept().head()
    }

    /// The next attempt goes out without `Expect` (RFC 9110 section 10.1.1).
    pub(crate) fn expect_nothing(&mut self) {
        self.kept_mut().remove(header::EXPECT.as_str());
    }

    /// The request of a resend.
    pub(crate) fn request<B>(&self, number: u32, body: B) -> Request<B> {
        let mut parts = self.kept().restore();
        parts.extensions.insert(AttemptNumber::new(number));
        Request::from_parts(parts, body)
    }

    #[inline]
    fn kept(&self) -> &HeadSnapshot {
        self.head.as_ref().expect(THERE)
    }

    fn kept_mut(&mut self) -> &mut HeadSnapshot {
        self.head.as_mut().expect(THERE)
    }
}

const THERE: &str = "it is there until it is dropped";

impl Drop for Snapshot {
    fn drop(&mut self) {
        let Some(mut head) = self.head.take().filter(|head| head.capacity() <= LARGEST) else { return };
        head.clear();
        spare::give(&SPARE, head);
    }
}

/// So many bytes has one that is spare at most: 512 KiB in all for each thread.
const LARGEST: usize = 8 * 1024;
