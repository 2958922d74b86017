//! The one place that calls the pace.

use std::collections::HashMap;
use std::time::Duration;

use http_retry::{Admission, ClockReading, Pace, Permit, RequestHead, ResponseHead, Ticket};

use super::Scenario;

/// Drives a pace for callers that are known by their index.
///
/// The clock of the pace runs on where the warm-up ended, while the clock of the scenario starts at 0.
#[derive(Debug)]
pub(super) struct Driver {
    pace: Pace,
    /// The time of the pace's clock at the scenario's time 0.
    origin: Duration,
    tickets: Vec<Option<Ticket>>,
    permits: Vec<Option<Permit>>,
    /// The callers in the queue.
    callers: HashMap<Ticket, usize>,
}

/// The pace's answer to a caller that wants to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It sends now.
    Send,
    /// It waits until this moment at most, if there is one, and polls again then or when it is woken.
    Wait(Option<Duration>),
    /// It is rejected, and is not in the queue any more.
    Rejected,
}

impl Driver {
    /// Creates a pace for the callers of a scenario. They share a limit by tenant or all together, as the load says.
    pub(super) fn new(scenario: &Scenario, slow_start: bool) -> Self {
        let pace = match scenario.load.key_per_tenant {
            true => Pace::per(|head| head.header(TENANT).map(str::to_owned)),
            false => Pace::per(|_| ()),
        };
        let pace = if slow_start { pace.slow_start() } else { pace };
        let (tickets, permits, callers) = (Vec::new(), Vec::new(), HashMap::new());
        Self { pace, origin: Duration::ZERO, tickets, permits, callers }
    }

    /// Begins a scenario with the pace as it is. Its callers count from 0 again.
    pub(super) fn begin(&mut self, origin: Duration) {
        self.origin = origin;
        self.tickets.clear();
        self.permits.clear();
        self.callers.clear();
    }

    /// Returns the time of the pace's clock at the scenario's time 0.
    pub(super) fn origin(&self) -> Duration {
        self.origin
    }

    /// Takes a ticket for the request of a new caller, which has the next index.
    pub(super) fn enter(&mut self, caller: usize, head: &RequestHead<'_>, deadline: Option<Duration>) {
        let deadline = deadline.map(|deadline| self.origin + deadline);
        self.tickets.resize_with(caller + 1, || None);
        self.permits.resize_with(caller + 1, || None);
        self.tickets[caller] = Some(self.pace.enter(head).ends_at(deadline));
    }

    /// Sets the earliest time of the next attempt, of which there were `attempts` before. The caller is not in the
    /// queue.
    pub(super) fn schedule(&mut self, caller: usize, not_before: Duration, _attempts: u32) {
        let not_before = self.origin + not_before;
        self.tickets[caller] = self.tickets[caller].map(|ticket| ticket.not_before(not_before));
    }

    /// Asks whether the caller may send.
    pub(super) fn poll(&mut self, caller: usize, now: Duration) -> Answer {
        let Some(ticket) = self.tickets[caller] else {
            return Answer::Rejected;
        };
        match self.pace.poll(&ticket, self.origin + now) {
            Admission::Go(permit) => {
                self.permits[caller] = Some(permit);
                self.callers.remove(&ticket);
                Answer::Send
            }
            Admission::Wait(until) => {
                self.callers.insert(ticket, caller);
                Answer::Wait(until.map(|until| until.saturating_sub(self.origin)))
            }
            Admission::Rejected(_) => {
                self.callers.remove(&ticket);
                Answer::Rejected
            }
        }
    }

    /// Reports the answer to a caller's send.
    pub(super) fn settle(&mut self, caller: usize, head: &ResponseHead<'_>, reading: ClockReading) {
        if let Some(permit) = self.permits[caller].take() {
            self.pace.observe(permit, head, reading);
        }
    }

    /// Reports that no answer to a caller's send will come.
    pub(super) fn lose(&mut self, caller: usize) {
        if let Some(permit) = self.permits[caller].take() {
            self.pace.lose(permit);
        }
    }

    /// Takes a caller out of the queue.
    pub(super) fn leave(&mut self, caller: usize) {
        if let Some(ticket) = self.tickets[caller] {
            self.callers.remove(&ticket);
            self.pace.leave(&ticket);
        }
    }

    /// Returns the next caller that polls again at once.
    pub(super) fn next_wake(&mut self) -> Option<usize> {
        // A ticket that has left the queue since is not polled.
        std::iter::from_fn(|| self.pace.wake()).find_map(|ticket| self.callers.get(&ticket).copied())
    }

    /// Returns the state of the pace as text, if it tells.
    pub(super) fn explain(&self, _now: Duration) -> Option<String> {
        None
    }
}

/// The header by which the pace knows the tenant of a request.
pub(super) const TENANT: &str = "x-tenant";
/// The header by which it knows the cost.
pub(super) const COST: &str = "x-cost";
