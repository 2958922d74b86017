//! The admission of a request, by its pace and by the inner service.
//!
//! # The order of the pace and the inner service
//!
//! A request that waits for the pace must not hold a permit of the inner service, such as a place in a concurrency limit.
//! And a request that holds a permit of the pace must not wait for the inner service, because others may wait for what comes
//! of that permit. So [`poll_admission`](PacedRequest::poll_admission) does this:
//!
//! 1. It polls the pace until the pace admits the request.
//! 2. It readies the inner service within the same poll. If the inner service is ready, the caller sends the request within
//!    this poll too.
//! 3. If the inner service is not ready, the permit of the pace goes back at once, and the request waits for the inner service
//!    alone. It is not in the queue of the pace then, and others pass. Its place in the queue is its order of arrival, which the
//!    ticket keeps.
//! 4. Once the inner service is ready, it polls the pace again within the same poll. If the request has to wait, a fresh clone
//!    replaces the readied instance, so that whatever that instance holds goes back, and the request continues with step 1.
//!
//! Before all that, a retry layer asks once whether the key is [free](crate::pace::Admitted), when it is called. Then no request waits, and
//! if the inner service is ready too, the request is sent within the call, as it is without a pace. If the inner service is not
//! ready, a fresh clone replaces it, because its waker is not that of the caller's task.
//!
//! A permit is therefore taken and sent, or taken and given back, within one poll or call. It cannot stay unsent, neither for the second
//! after which a pace takes a permit for lost, nor in a future that no task polls.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_retry::{Admission, PaceRejection, Why};
use tower_service::Service;

use super::PacedRequest;
use crate::bounds::CloneService;

/// The reason for which a request is not sent.
pub(crate) enum NotAdmitted<E> {
    /// The pace rejected it.
    Rejected(PaceRejection),
    /// The inner service was not ready before the deadline.
    NotReady,
    /// The inner service failed when it was readied.
    Failed(E),
}

impl PacedRequest {
    /// Polls the pace and the inner service, in the order that the [module](self) explains. Once this resolves without an error,
    /// the inner service is ready, the request has its permit, and it must be sent within this poll.
    pub(crate) fn poll_admission<S, R>(
        &mut self,
        inner: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NotAdmitted<S::Error>>>
    where
        S: Service<R> + CloneService,
    {
        loop {
            if self.is_readying {
                match inner.poll_ready(cx) {
                    Poll::Ready(Ok(())) => self.is_readying = false,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(NotAdmitted::Failed(error))),
                    Poll::Pending => return self.poll_deadline(cx).map(|()| Err(NotAdmitted::NotReady)),
                }
                let admitted = self.poll_pace(cx).map_err(NotAdmitted::Rejected)?;
                if admitted.is_pending() {
                    *inner = inner.clone();
                    return Poll::Pending;
                }
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_pace(cx)).map_err(NotAdmitted::Rejected)?;
            match inner.poll_ready(cx) {
                Poll::Ready(Ok(())) if self.is_still_admitted() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => {
                    // All requests were stopped meanwhile.
                    self.give_back();
                    *inner = inner.clone();
                }
                Poll::Ready(Err(error)) => {
                    self.give_back();
                    return Poll::Ready(Err(NotAdmitted::Failed(error)));
                }
                Poll::Pending => {
                    self.give_back();
                    self.is_readying = true;
                    return self.poll_deadline(cx).map(|()| Err(NotAdmitted::NotReady));
                }
            }
        }
    }

    /// Polls the pace. Once this resolves without an error, the request has its permit.
    fn poll_pace(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PaceRejection>> {
        let result = loop {
            let now = self.now();
            if self.deadline.is_some_and(|deadline| deadline < now) {
                self.leave(now);
                break Err(PaceRejection::TooLong);
            }
            let (until, why) = match self.pace.pace.poll(&mut self.ticket, now, Some(cx.waker())) {
                Admission::Go(permit) if now < self.not_before => {
                    // No request goes before its own hint, also where the table of keys is full and it goes without a pace.
                    self.pace.pace.give_back(&mut self.ticket, permit, now);
                    (self.not_before, Why::OwnHint)
                }
                Admission::Go(permit) => {
                    (self.permit, self.admitted_at) = (Some(permit), now);
                    self.waits.end(now);
                    break Ok(());
                }
                Admission::Rejected(rejection) => break Err(rejection),
                Admission::Wait { until, why } => {
                    self.is_waiting = true;
                    (until, why)
                }
            };
            self.waits.note(why, now);
            if self.deadline == Some(now) {
                self.leave(now);
                break Err(PaceRejection::TooLong);
            }
            self.waits.trace(why, until.saturating_sub(now));
            if until <= now {
                // The pace wants another poll at once. The other tasks of the runtime run before it.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let until = self.deadline.map_or(until, |deadline| deadline.min(until));
            ready!(self.poll_sleep(until, now, cx));
        };
        (self.is_waiting, self.sleep) = (false, None);
        Poll::Ready(result)
    }

    /// Resolves at the deadline, if there is one.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        loop {
            let now = self.now();
            if deadline <= now {
                return Poll::Ready(());
            }
            ready!(self.poll_sleep(deadline, now, cx));
        }
    }

    /// Resolves at `until`, or earlier where the timer is set for an earlier time: then the caller asks again. A pace moves
    /// `until` to and fro, and setting the timer costs more than a poll.
    fn poll_sleep(&mut self, until: Duration, now: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let (_, sleep) = match &mut self.sleep {
            Some(sleep) if now < sleep.0 && sleep.0 <= until => sleep,
            sleep => sleep.insert((until, self.timer.sleep(until.saturating_sub(now)))),
        };
        ready!(sleep.as_mut().poll(cx));
        self.sleep = None;
        Poll::Ready(())
    }

    fn is_still_admitted(&self) -> bool {
        self.permit.as_ref().is_some_and(|permit| self.pace.pace.still_valid(permit, self.admitted_at))
    }

    /// Gives back a permit that was taken in this poll.
    fn give_back(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.pace.pace.give_back(&mut self.ticket, permit, self.admitted_at);
        }
    }
}
