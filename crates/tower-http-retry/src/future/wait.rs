//! What a request takes along once an attempt has failed.

use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use http_body::Body;
use http_retry::Ticket;
use tracing::Span;

use super::delay::Pause;
use super::drain::{Drain, Drained};
use crate::body::ResponseBody;
use crate::body::response_body::InnerResponse;
use crate::pace::Passage;
use crate::timer::{self, Sleep, Timer};

/// What a request takes along once an attempt has failed, which few do: apart from the rest, so that it is small for those
/// that are sent once.
pub(super) struct Detour<T: InnerResponse, E> {
    /// The outcome before a wait, which is returned if no attempt can follow: an error, or a response whose
    /// body was read to its end. Any other response is dropped, since it would hold its connection.
    pub(super) outcome: Option<Result<T, E>>,
    /// How the body of that response is read, and the frames that were read: the caller gets those with it.
    pub(super) drain: Option<Drain<T::Data>>,
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

impl<T: InnerResponse, E> Default for Detour<T, E> {
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

impl<R: Body, E> Detour<Response<R>, E> {
    /// Reads the failed response to its end, or drops it where that is too much.
    pub(super) fn poll_drain(&mut self, timer: &dyn Timer, cx: &mut Context<'_>)
    where
        R: Unpin,
    {
        let (Some(drain), Some(Ok(response))) = (&mut self.drain, &mut self.outcome) else {
            return;
        };
        match drain.poll(response.body_mut(), timer, cx) {
            Poll::Pending => {}
            Poll::Ready(Drained::Ended) if drain.is_whole() => {}
            Poll::Ready(Drained::Ended | Drained::Unfinished) => self.forget(),
        }
    }

    /// Drops a response that was not read to its end.
    pub(super) fn end_drain(&mut self) {
        if self.drain.as_ref().is_some_and(|drain| !drain.has_ended()) {
            self.forget();
        }
    }

    /// Drops the outcome, and what was read of it.
    pub(super) fn forget(&mut self) {
        (self.outcome, self.drain) = (None, None);
    }

    /// Hands back the outcome, with what was read of it.
    pub(super) fn take_outcome(&mut self) -> Option<Result<Response<ResponseBody<R>>, E>> {
        let drain = self.drain.take();
        let response = match self.outcome.take()? {
            Ok(response) => response,
            Err(error) => return Some(Err(error)),
        };
        match drain {
            None => Some(Ok(response.map(ResponseBody::unread))),
            Some(drain) if drain.is_whole() => {
                Some(Ok(response.map(|body| ResponseBody::read(body, drain.into_read()))))
            }
            // Frames are missing.
            Some(_) => None,
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
