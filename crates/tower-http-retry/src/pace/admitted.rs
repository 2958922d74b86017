//! A first attempt that its pace admitted at the call, as it does unless others wait.

use std::time::Duration;

use http_retry::{Pace, Permit, RequestHead, ResponseHead, Ticket};

use crate::recycle::{self, LocalPool};
use crate::timer::{self, Timer};

/// A first attempt that was admitted when the layer was called. It holds no handle of the pace, because its owner has one, and
/// counting references is dear where several threads do it. So the owner must [settle](Self::settle) or [lose](Self::lose) it.
///
/// Its memory comes from a pool of the thread.
pub(crate) struct Admitted {
    /// `None` while it is dropped.
    attempt: Option<Box<Attempt>>,
}

struct Attempt {
    ticket: Ticket,
    /// `None` once the attempt is settled or lost.
    permit: Option<Permit>,
}

thread_local! {
    /// Memory that is used again. It holds no permits.
    static POOL: LocalPool<Box<Attempt>> = const { LocalPool::new(Vec::new()) };
}

impl Admitted {
    /// Asks the pace to admit a request at once.
    ///
    /// # Errors
    ///
    /// Returns the ticket if the request may have to wait. It is not in the queue then.
    #[inline]
    pub(crate) fn new(
        pace: &Pace,
        head: &RequestHead<'_>,
        deadline: Option<Duration>,
        now: Duration,
    ) -> Result<Self, Ticket> {
        let ticket = pace.free_ticket(head, now);
        // The ticket and the permit are made in their place, because they are large.
        let mut attempt = match recycle::acquire(&POOL) {
            Some(mut pooled) => {
                pooled.ticket = ticket;
                pooled
            }
            None => Box::new(Attempt { ticket, permit: None }),
        };
        attempt.ticket.deadline(deadline);
        attempt.permit = pace.admit_free(&mut attempt.ticket, now);
        if attempt.permit.is_none() {
            return Err(whole(attempt.ticket, pace, head));
        }
        Ok(Self { attempt: Some(attempt) })
    }

    /// Gives the permit back, because the inner service is not ready, and returns the ticket for the wait.
    pub(crate) fn give_back(self, pace: &Pace, head: &RequestHead<'_>, now: Duration) -> Ticket {
        let mut attempt = self.into_attempt();
        if let Some(permit) = attempt.permit.take() {
            pace.give_back(&mut attempt.ticket, permit, now);
        }
        whole(attempt.ticket, pace, head)
    }

    /// Reports the answer. It is called once. `name` returns another ticket of the request, if its key was not known before.
    pub(crate) fn settle(
        &mut self,
        pace: &Pace,
        head: &ResponseHead<'_>,
        name: impl FnOnce() -> Ticket,
        timer: &dyn Timer,
    ) {
        let Some(Attempt { ticket, permit }) = self.attempt.as_deref_mut() else {
            return;
        };
        if let Some(permit) = permit.take() {
            pace.settle_late(ticket, permit, head, name, || timer::clock_reading(timer));
        }
    }

    /// Reports that no answer will come, unless there was one.
    pub(crate) fn lose(&mut self, pace: &Pace, timer: &dyn Timer) {
        if let Some(permit) = self.take_permit() {
            pace.lose(permit, timer::monotonic(timer));
        }
    }

    /// Returns the ticket, for a resend.
    pub(crate) fn into_ticket(self) -> Ticket {
        self.into_attempt().ticket
    }

    fn into_attempt(mut self) -> Box<Attempt> {
        self.attempt.take().expect("it is there until this is dropped")
    }

    fn take_permit(&mut self) -> Option<Permit> {
        self.attempt.as_mut()?.permit.take()
    }
}

/// Returns a ticket of the same request that is whole as far as the head tells.
fn whole(ticket: Ticket, pace: &Pace, head: &RequestHead<'_>) -> Ticket {
    if ticket.is_late() { pace.ticket(head) } else { ticket }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            recycle::release(&POOL, attempt);
        }
    }
}
