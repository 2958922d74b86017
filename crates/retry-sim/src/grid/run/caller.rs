//! A caller with one request.

use std::rc::Rc;
use std::time::Duration;

use http::Request;
use http_retry::Session;

use crate::grid::load::ArrivingRequest;
use crate::grid::server::{Call, Reply};
use crate::grid::{RequestOutcome, Scenario};

/// A caller, and the state of its request.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) request: ArrivingRequest,
    /// The head as the pace and the policy see it.
    pub(super) head: Rc<Request<()>>,
    pub(super) session: Session,
    pub(super) stage: Stage,
    /// The time at which its timer rings. It has one timer only, so that a caller which the pace forgets to wake sleeps
    /// on.
    pub(super) timer: Option<Duration>,
    /// The time at which it would send without a pace: at its arrival, or after its hint or backoff.
    pub(super) ready_at: Duration,
    /// The time that its last refusal named.
    pub(super) hint_ends: Option<Duration>,
    /// The time at which its last call left.
    pub(super) sent_at: Duration,
    /// The server's answer to the call, on its path to the caller.
    pub(super) reply: Option<Reply>,
    pub(super) outcome: RequestOutcome,
}

/// The stage of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for its own timer, without a pace.
    Backoff,
    /// It waits for the pace.
    Queued,
    /// It has a place in the queue, and is never polled again.
    Abandoned,
    /// A call is in flight.
    InFlight,
    /// Its request is over.
    Done,
}

impl Caller {
    /// Creates a caller whose request comes now. The sessions and the pace count from the same `origin`.
    pub(super) fn new(
        scenario: &Scenario,
        request: ArrivingRequest,
        head: Rc<Request<()>>,
        origin: Duration,
        is_paced: bool,
    ) -> Self {
        let session = Session::new().max_attempts(scenario.max_attempts).max_elapsed(scenario.max_elapsed);
        let session = session.started(origin + request.arrived);
        Self {
            outcome: RequestOutcome::from(&request),
            ready_at: request.arrived,
            request,
            head,
            session: if is_paced { session.paced() } else { session },
            stage: Stage::Backoff,
            timer: None,
            hint_ends: None,
            sent_at: Duration::ZERO,
            reply: None,
        }
    }

    /// Returns the call that is in flight.
    pub(super) fn call(&self) -> Call {
        Call {
            request: self.request.identity,
            attempt: self.outcome.calls,
            key: self.request.key,
            cost: self.request.cost,
            is_poison: self.request.is_poison,
        }
    }

    /// Records how long the request has waited beyond its deadline.
    pub(super) fn note_overrun(&mut self, scenario: &Scenario, now: Duration) {
        if let Some(deadline) = scenario.deadline(&self.request) {
            self.outcome.overrun = self.outcome.overrun.max(now.saturating_sub(deadline));
        }
    }

    /// Returns whether its request is not over yet.
    pub(super) fn is_open(&self) -> bool {
        self.stage != Stage::Done
    }
}
