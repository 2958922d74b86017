//! The state of a request once an attempt has failed.

use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use http_body::Body;
use tracing::Span;

use super::delay::Delay;
use super::drain::{Drain, Drained};
use crate::body::ResponseBody;
use crate::body::response_body::InnerResponse;
use crate::pace::PacedRequest;
use crate::timer::{self, Sleep, Timer};

/// The state of a request once an attempt has failed. Few requests need it, so it is apart from the rest,
/// which stays small for a request that is sent once.
pub(super) struct WaitState<T: InnerResponse, E> {
    /// The outcome before the wait, which the caller gets if no attempt can follow. It is an error, or a
    /// response whose body was read to its end. Any other response is dropped before the resend, since it
    /// would hold its connection.
    pub(super) outcome: Option<Result<T, E>>,
    /// The reader of that response's body, with the frames that it has read. The caller gets those frames
    /// with the response.
    pub(super) drain: Option<Drain<T::Data>>,
    pub(super) delay: Option<Delay>,
    /// The start of the wait, where the pace decides its length.
    pub(super) wait_started_at: Option<Duration>,
    /// The state at the pace, if there is a pace: the place in its queue, or the permit of the attempt in flight.
    pub(super) paced: Option<PacedRequest>,
    /// A sleep that ends when the session gives up, while the layer readies the inner service.
    pub(super) deadline_sleep: Option<Sleep>,
    /// The span of the session, from the first retry on.
    pub(super) session_span: Span,
    /// The span of the resend, while it is in flight.
    pub(super) resend_span: Span,
}

impl<T: InnerResponse, E> Default for WaitState<T, E> {
    fn default() -> Self {
        Self {
            outcome: None,
            drain: None,
            delay: None,
            wait_started_at: None,
            paced: None,
            deadline_sleep: None,
            session_span: Span::none(),
            resend_span: Span::none(),
        }
    }
}

impl<R: Body, E> WaitState<Response<R>, E> {
    /// Reads the failed response to its end, or drops it if it exceeds the limit.
    pub(super) fn poll_drain(&mut self, timer: &dyn Timer, cx: &mut Context<'_>)
    where
        R: Unpin,
    {
        let (Some(drain), Some(Ok(response))) = (&mut self.drain, &mut self.outcome) else {
            return;
        };
        match drain.poll(response.body_mut(), timer, cx) {
            Poll::Pending => {}
            Poll::Ready(Drained::Ended) if drain.is_complete() => {}
            Poll::Ready(Drained::Ended | Drained::Unfinished) => self.discard_outcome(),
        }
    }

    /// Drops a response that was not read to its end.
    pub(super) fn stop_drain(&mut self) {
        if self.drain.as_ref().is_some_and(|drain| !drain.has_ended()) {
            self.discard_outcome();
        }
    }

    /// Drops the outcome, and the frames that were read of it.
    pub(super) fn discard_outcome(&mut self) {
        (self.outcome, self.drain) = (None, None);
    }

    /// Returns the outcome, with the frames that were read of it.
    pub(super) fn take_outcome(&mut self) -> Option<Result<Response<ResponseBody<R>>, E>> {
        let drain = self.drain.take();
        let response = match self.outcome.take()? {
            Ok(response) => response,
            Err(error) => return Some(Err(error)),
        };
        match drain {
            None => Some(Ok(response.map(ResponseBody::new))),
            Some(drain) if drain.is_complete() => {
                Some(Ok(response.map(|body| ResponseBody::with_frames(body, drain.into_frames()))))
            }
            // Frames are missing.
            Some(_) => None,
        }
    }

    /// Resolves when the session gives up, if there is an outcome to return.
    pub(super) fn poll_deadline(
        &mut self,
        gives_up_at: Option<Duration>,
        timer: &dyn Timer,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let gives_up_at = gives_up_at.filter(|_| self.outcome.is_some());
        timer::poll_deadline(gives_up_at, &mut self.deadline_sleep, timer, cx)
    }
}
