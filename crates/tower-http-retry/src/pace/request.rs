//! One request at its pace: it waits, is admitted, and reports its answer.

mod admission;

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use http_retry::{Admission, PaceRejection, Permit, ResponseHead, Settlement, Ticket, Why};

pub(crate) use self::admission::NotAdmitted;
use super::wait::WaitLog;
use super::{PaceWait, SharedPace};
use crate::timer::{self, Sleep, Timer};

/// A request at its pace. Dropping this leaves the queue, or loses the permit of a call in flight.
pub(crate) struct PacedRequest {
    pace: SharedPace,
    timer: Arc<dyn Timer>,
    ticket: Ticket,
    /// The time before which the request is not sent: the end of its own hint or backoff.
    not_before: Duration,
    /// The time after which the request is not sent.
    deadline: Option<Duration>,
    /// The request's own timer, and the time for which it is set.
    sleep: Option<(Duration, Sleep)>,
    permit: Option<Permit>,
    /// The time at which the permit was taken.
    admitted_at: Duration,
    /// The waits until now, and the start of the one that lasts.
    waits: WaitLog,
    /// The meaning of the last answer.
    settlement: Settlement,
    is_waiting: bool,
    /// True if the pace admitted the request, and the inner service was not ready.
    is_readying: bool,
}

impl PacedRequest {
    /// Creates the state of a request with a ticket that is not in the queue.
    pub(crate) fn new(
        pace: SharedPace,
        timer: Arc<dyn Timer>,
        mut ticket: Ticket,
        deadline: Option<Duration>,
    ) -> Self {
        ticket.deadline(deadline);
        Self {
            pace,
            timer,
            ticket,
            not_before: Duration::ZERO,
            deadline,
            sleep: None,
            permit: None,
            admitted_at: Duration::ZERO,
            waits: WaitLog::default(),
            settlement: Settlement::default(),
            is_waiting: false,
            is_readying: false,
        }
    }

    /// Joins the queue for a resend that is not sent before `not_before`, unless the pace rejects it at once.
    ///
    /// The deadline is a later one than before if a part of the time since then does not count. The caller learns of a
    /// rejection while it still has the whole failed response.
    pub(crate) fn join(
        &mut self,
        not_before: Duration,
        deadline: Option<Duration>,
    ) -> Result<(), PaceRejection> {
        let now = self.now();
        self.is_readying = false;
        (self.not_before, self.deadline) = (not_before, deadline);
        self.ticket.not_before(not_before);
        self.ticket.deadline(deadline);
        match self.pace.pace.poll(&mut self.ticket, now, None) {
            // The resend yields first, and no permit is held meanwhile.
            Admission::Go(permit) => self.pace.pace.give_back(&mut self.ticket, permit, now),
            Admission::Wait { why, .. } => {
                self.is_waiting = true;
                self.waits.note(why, now);
            }
            Admission::Rejected(rejection) => return Err(rejection),
        }
        Ok(())
    }

    /// Returns whether the request's key is not fully known.
    pub(crate) fn is_late(&self) -> bool {
        self.ticket.is_late()
    }

    /// Gives the request the key of another ticket of it. It must not be in the queue.
    pub(crate) fn name(&mut self, named: &Ticket) {
        self.pace.pace.name(&mut self.ticket, named);
    }

    /// Returns whether the request waits for the inner service, which was not ready when the pace admitted the request.
    pub(crate) fn is_readying(&self) -> bool {
        self.is_readying
    }

    /// Returns whether the call in flight is a probe on behalf of all requests that wait.
    pub(crate) fn is_probe(&self) -> bool {
        self.permit.as_ref().is_some_and(Permit::is_probe)
    }

    /// Reports the answer to the call in flight.
    pub(crate) fn settle(&mut self, head: &ResponseHead<'_>) {
        if let Some(permit) = self.permit.take() {
            let timer = &*self.timer;
            self.settlement = self.pace.pace.settle(permit, head, || timer::clock_reading(timer));
        }
    }

    /// Reports that no answer to the call in flight will come.
    pub(crate) fn lose(&mut self) {
        self.settlement = Settlement::default();
        if let Some(permit) = self.permit.take() {
            self.pace.pace.lose(permit, self.now());
        }
    }

    /// Returns whether the last attempt was a probe that was refused, so that it does not count among the request's own.
    pub(crate) fn is_uncounted(&self) -> bool {
        self.settlement.is_uncounted
    }

    /// Returns the time until the key opens, as it was known when the pace last rejected the request.
    pub(crate) fn opens_in(&self) -> Option<Duration> {
        self.ticket.opens_at().map(|time| time.saturating_sub(self.now()))
    }

    /// Leaves the queue.
    fn leave(&mut self, now: Duration) {
        if mem::take(&mut self.is_waiting) {
            self.pace.pace.leave(&mut self.ticket, now);
        }
    }

    /// Returns why and for how long the request waited, if it did.
    pub(crate) fn wait(&self) -> Option<PaceWait> {
        self.waits.wait()
    }

    /// Returns the same for a request that may still wait, with the time until now.
    pub(crate) fn wait_so_far(&self) -> Option<PaceWait> {
        self.waits.wait_until(self.now())
    }

    /// Returns why the request waits now, if it does.
    pub(crate) fn why(&self) -> Option<Why> {
        self.waits.why()
    }

    fn now(&self) -> Duration {
        timer::monotonic(&*self.timer)
    }
}

impl Drop for PacedRequest {
    fn drop(&mut self) {
        if self.permit.is_some() {
            self.lose();
        }
        if self.is_waiting {
            self.leave(self.now());
        }
    }
}
