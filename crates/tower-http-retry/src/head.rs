//! The head of the caller's request, as it is kept for a resend.

use http::{Request, header};
use http_retry::{KeptHead, RequestHead};

use crate::{AttemptHeader, AttemptNumber};

/// A snapshot of the caller's request head.
///
/// Taken before the first attempt, because what is below may rewrite the head in place: hyper sets `Host`
/// and turns the URI into its origin form. Each attempt starts from it, and nothing leaks back.
pub(crate) struct Snapshot {
    head: KeptHead,
}

impl Snapshot {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        Self { head: KeptHead::of(request) }
    }

    pub(crate) fn head(&self) -> RequestHead<'_> {
        self.head.head()
    }

    /// The next attempt goes out without `Expect` (RFC 9110 section 10.1.1).
    pub(crate) fn expect_nothing(&mut self) {
        self.head.remove(header::EXPECT.as_str());
    }

    /// The request of a resend.
    pub(crate) fn request<B>(&self, number: u32, header: Option<&AttemptHeader>, body: B) -> Request<B> {
        let mut parts = self.head.restore();
        parts.extensions.insert(AttemptNumber::new(number));
        if let Some(header) = header {
            header.set(number, &mut parts.headers);
        }
        Request::from_parts(parts, body)
    }
}
