//! The head of the caller's request, as it is kept for a resend.

use std::cell::RefCell;

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

thread_local! {
    /// The buffers of snapshots that are gone, for others.
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

impl Snapshot {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let buffer = BUFFERS.try_with(|buffers| buffers.borrow_mut().pop());
        Self { head: KeptHead::of_in(request, buffer.ok().flatten().unwrap_or_default()) }
    }

    /// It may be kept for long.
    pub(crate) fn shrink(&mut self) {
        self.head.shrink();
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

impl Drop for Snapshot {
    fn drop(&mut self) {
        let buffer = self.head.take_buffer();
        if !(1..=LARGEST).contains(&buffer.capacity()) {
            return;
        }
        // There is none while the thread ends.
        let _ = BUFFERS.try_with(|buffers| {
            let mut buffers = buffers.borrow_mut();
            if buffers.len() < MOST {
                buffers.push(buffer);
            }
        });
    }
}

/// So many buffers are kept for each thread, of so many bytes at most: 512 KiB in all.
const MOST: usize = 64;
const LARGEST: usize = 8 * 1024;
