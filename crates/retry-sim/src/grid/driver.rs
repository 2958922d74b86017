//! The one place that calls the pace.

use std::task::Waker;
use std::time::Duration;

use http::{HeaderName, Request};
use http_retry::{
    Admission, ClockReading, Pace, PaceReport, Permit, RequestHead, ResponseHead, Settlement, Ticket,
};

use super::Scenario;
use crate::wake_queue::WakeQueue;

/// Drives a pace for callers that are known by their index.
///
/// The clock of the pace runs on where the warm-up ended, while the clock of the scenario starts at 0.
#[derive(Debug)]
pub(super) struct Driver {
    pace: Pace,
    /// The time of the pace's clock at the scenario's time 0.
    origin: Duration,
    callers: Vec<Option<QueuedCaller>>,
    woken: WakeQueue,
}

/// What a caller holds.
#[derive(Debug)]
struct QueuedCaller {
    ticket: Ticket,
    permit: Option<Permit>,
    waker: Waker,
}

/// The pace's answer to a caller that wants to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It sends now.
    Send,
    /// It waits until this time at most, and polls again then or when it is woken.
    Wait(Duration),
    /// It is rejected, and is not in the queue any more.
    Rejected,
}

impl Driver {
    /// Creates the driver of a new pace for the callers of a scenario.
    pub(super) fn new(scenario: &Scenario, slow_start: bool) -> Self {
        let pace = scenario.pace(slow_start);
        Self { pace, origin: Duration::ZERO, callers: Vec::new(), woken: WakeQueue::default() }
    }

    /// Begins a scenario with the pace as it is. Its callers count from 0 again.
    pub(super) fn begin(&mut self, origin: Duration) {
        self.origin = origin;
        for caller in self.callers.drain(..).flatten() {
            let mut ticket = caller.ticket;
            self.pace.leave(&mut ticket, origin);
            if let Some(permit) = caller.permit {
                self.pace.lose(permit, origin);
            }
        }
        self.woken = WakeQueue::default();
    }

    /// Returns the time of the pace's clock at the scenario's time 0.
    pub(super) fn origin(&self) -> Duration {
        self.origin
    }

    /// Makes the ticket of a new caller's request.
    pub(super) fn enter(&mut self, caller: usize, head: &RequestHead<'_>, deadline: Option<Duration>) {
        let mut ticket = self.pace.ticket(head);
        ticket.deadline(deadline.map(|deadline| self.origin + deadline));
        let waker = self.woken.waker(caller);
        self.callers.resize_with(caller + 1, || None);
        self.callers[caller] = Some(QueuedCaller { ticket, permit: None, waker });
    }

    /// Sets the earliest time of the next attempt. The caller is not in the queue.
    pub(super) fn schedule(&mut self, caller: usize, not_before: Duration) {
        if let Some(caller) = &mut self.callers[caller] {
            caller.ticket.not_before(self.origin + not_before);
        }
    }

    /// Asks whether the caller may send.
    pub(super) fn poll(&mut self, caller: usize, now: Duration) -> Answer {
        let Some(caller) = &mut self.callers[caller] else {
            return Answer::Rejected;
        };
        match self.pace.poll(&mut caller.ticket, self.origin + now, Some(&caller.waker)) {
            Admission::Go(permit) => {
                caller.permit = Some(permit);
                Answer::Send
            }
            Admission::Wait { until, .. } => Answer::Wait(until.saturating_sub(self.origin)),
            Admission::Rejected(_) => Answer::Rejected,
        }
    }

    /// Reports the answer to a caller's send.
    pub(super) fn settle(
        &mut self,
        caller: usize,
        head: &ResponseHead<'_>,
        reading: ClockReading,
    ) -> Settlement {
        let permit = self.callers[caller].as_mut().and_then(|caller| caller.permit.take());
        permit.map_or(Settlement::default(), |permit| self.pace.settle(permit, head, || reading))
    }

    /// Reports that no answer to a caller's send will come.
    pub(super) fn lose(&mut self, caller: usize, now: Duration) {
        if let Some(permit) = self.callers[caller].as_mut().and_then(|caller| caller.permit.take()) {
            self.pace.lose(permit, self.origin + now);
        }
    }

    /// Takes a caller out of the queue.
    pub(super) fn leave(&mut self, caller: usize, now: Duration) {
        if let Some(caller) = &mut self.callers[caller] {
            self.pace.leave(&mut caller.ticket, self.origin + now);
        }
    }

    /// Returns the next caller that polls again at once.
    pub(super) fn next_wake(&mut self) -> Option<usize> {
        self.woken.pop()
    }

    /// Returns the state of the key with the longest queue, if anything is known of any key.
    pub(super) fn report(&self, now: Duration) -> Option<PaceReport> {
        self.pace.reports(self.origin + now, 1).pop()
    }
}

impl Scenario {
    /// Returns a pace for the callers of the scenario. They share a limit by tenant or all together, as the load says, and
    /// the tenants of a key share it fairly.
    pub fn pace(&self, slow_start: bool) -> Pace {
        let tenant = |head: &RequestHead<'_>| head.header(TENANT).map(str::to_owned);
        let pace = match self.load.key_per_tenant {
            true => Pace::per(tenant),
            false => Pace::per(|_| ()),
        };
        let cost = |head: &RequestHead<'_>| head.header(COST).and_then(|cost| cost.parse().ok()).unwrap_or(1);
        let pace = pace.fair_by(tenant).cost(cost).waiters(1_000_000).without_secret();
        if slow_start { pace.slow_start() } else { pace }
    }
}

/// Creates the head of a request, by which the pace knows its tenant and its cost.
pub(super) fn request_head(tenant: usize, cost: u32) -> Request<()> {
    let mut request = Request::new(());
    request.headers_mut().insert(HeaderName::from_static(TENANT), tenant.into());
    request.headers_mut().insert(HeaderName::from_static(COST), cost.into());
    request
}

/// The header by which the pace knows the tenant of a request.
const TENANT: &str = "x-tenant";
/// The header by which it knows the cost.
const COST: &str = "x-cost";
