//! What a request takes along once an attempt has failed.

use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Response, header};
use http_body::Body;
use http_retry::Ticket;
use tracing::Span;

use super::drain::{Drain, Drained};
use super::pause::Pause;
use crate::pace::Passage;
use crate::timer::{self, Sleep, Timer};

/// What a request takes along once an attempt has failed, which few do: apart from the rest, so that it is small for those
/// that are sent once.
pub(super) struct Detour<T, E> {
    /// The outcome before a wait, which is returned if no attempt can follow: an error, or a response whose
    /// body was read to its end. Any other response is dropped, since it would hold its connection.
    pub(super) outcome: Option<Result<T, E>>,
    /// How that body is read.
    pub(super) drain: Option<Drain>,
    pub(super) pause: Option<Pause>,
    /// When the last wait for a turn began.
    pub(super) paused_at: Option<Duration>,
    /// Its place in line, where there is a pace.
    pub(super) ticket: Option<Ticket>,
    /// Its turn, from when it came until the outcome of the attempt.
    pub(super) passage: Option<Passage>,
    /// While the inner service is being readied: the sleep ends with the deadline.
    pub(super) deadline: Option<Sleep>,
    /// Open from the first retry on.
    pub(super) span: Span,
    /// Open while the resend is under way.
    pub(super) resend: Span,
}

impl<T, E> Default for Detour<T, E> {
    fn default() -> Self {
        Self {
            outcome: None,
            drain: None,
            pause: None,
            paused_at: None,
            ticket: None,
            passage: None,
            deadline: None,
            span: Span::none(),
            resend: Span::none(),
        }
    }
}

impl<R, E> Detour<Response<R>, E> {
    /// Reads the failed response to its end, or drops it where that is too much.
    pub(super) fn poll_drain(&mut self, timer: &dyn Timer, cx: &mut Context<'_>)
    where
        R: Body + Unpin,
    {
        let (Some(drain), Some(Ok(response))) = (&mut self.drain, &mut self.outcome) else {
            return;
        };
        match drain.poll(response.body_mut(), timer, cx) {
            Poll::Pending => {}
            Poll::Ready(Drained::Ended { was_empty }) => {
                if !was_empty {
                    describe_no_content(response.headers_mut());
                }
                self.drain = None;
            }
            Poll::Ready(Drained::Unfinished) => self.end_drain(),
        }
    }

    /// Drops a response that was not read to its end.
    pub(super) fn end_drain(&mut self) {
        if self.drain.take().is_some() {
            self.outcome = None;
        }
    }

    /// Resolves when the deadline passes while there is an outcome to return.
    pub(super) fn poll_deadline(
        &mut self,
        ends_at: Option<Duration>,
        timer: &dyn Timer,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let ends_at = ends_at.filter(|_| self.outcome.is_some());
        timer::poll_deadline(ends_at, &mut self.deadline, timer, cx)
    }
}

/// The content of this response was read here, and so is not there any more.
fn describe_no_content(headers: &mut HeaderMap) {
    for name in [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
}
