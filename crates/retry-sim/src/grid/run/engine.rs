//! The discrete-event engine: it takes one event after the other, and lets callers act.

mod attempt;
mod queue;

use std::collections::VecDeque;
use std::time::Duration;

use http_retry::{ClockReading, RequestHead};

use self::attempt::RequestHeads;
use super::LONGEST_RUN;
use super::caller::{Caller, Stage};
use super::events::{Agenda, Event};
use super::hold::HeldSpans;
use crate::grid::draws::Draws;
use crate::grid::driver::Driver;
use crate::grid::load::{ArrivingRequest, RequestSource};
use crate::grid::network::{Network, wall_at_start};
use crate::grid::server::Server;
use crate::grid::{Outcome, Scenario};

/// The state of a run.
#[derive(Debug)]
pub(super) struct Engine<'a> {
    scenario: &'a Scenario,
    now: Duration,
    agenda: Agenda,
    /// The number of events and wakes until now.
    events: u64,
    source: RequestSource<'a>,
    /// The requests that come next, in the order of time.
    arriving: VecDeque<ArrivingRequest>,
    callers: Vec<Caller>,
    heads: RequestHeads,
    network: Network,
    server: Server<'a>,
    draws: Draws,
    driver: Option<Driver>,
    held: HeldSpans,
    stop_rule: Option<StopRule>,
    /// The time at which the first refusal was heard.
    refused_at: Option<Duration>,
    /// The number of served calls since then.
    served_after_refusal: u32,
    /// `true` if one of them left after the refusal was heard.
    was_tried_again: bool,
    /// `true` if requests end with the answers to the calls that are in flight.
    is_stopping: bool,
    is_traced: bool,
    outcome: Outcome,
}

/// The moment at which a run stops before its load is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct StopRule {
    /// The run stops after the first refusal and so many served calls, once one of them left after the refusal was heard. Those
    /// that were in flight then are no answer to it.
    pub(super) served_after_refusal: u32,
    /// The run stops at this time at the latest.
    pub(super) no_later_than: Duration,
}

impl<'a> Engine<'a> {
    /// Creates a run of a scenario by callers with this pace, or without one.
    pub(super) fn new(scenario: &'a Scenario, driver: Option<Driver>, seed: u64) -> Self {
        let draws = Draws::new(seed);
        let origin = driver.as_ref().map_or(Duration::ZERO, Driver::origin);
        Self {
            scenario,
            now: Duration::ZERO,
            agenda: Agenda::default(),
            events: 0,
            source: RequestSource::new(scenario, draws),
            arriving: VecDeque::new(),
            callers: Vec::new(),
            heads: RequestHeads::default(),
            network: Network::new(scenario, draws),
            server: Server::new(&scenario.server, scenario.keys(), wall_at_start() + origin, draws),
            draws,
            driver,
            held: HeldSpans::default(),
            stop_rule: None,
            refused_at: None,
            served_after_refusal: 0,
            was_tried_again: false,
            is_stopping: false,
            is_traced: false,
            outcome: Outcome::default(),
        }
    }

    /// Records the states of the pace.
    pub(super) fn traced(self, is_traced: bool) -> Self {
        Self { is_traced, ..self }
    }

    /// Stops the run early.
    pub(super) fn stopping(self, rule: StopRule) -> Self {
        Self { stop_rule: Some(rule), ..self }
    }

    /// Plays the run to its end, and returns the pace as it is then.
    pub(super) fn play(mut self) -> (Outcome, Option<Driver>) {
        self.begin();
        while let Some(at) = self.next_time() {
            if at > LONGEST_RUN || self.events > MAX_EVENTS {
                self.outcome.is_cut_short = true;
                break;
            }
            self.now = at;
            self.events += 1;
            self.advance();
            self.wake();
            self.stop_by_rule();
        }
        self.end()
    }

    fn begin(&mut self) {
        self.arriving = self.source.first().into();
    }

    /// Returns the time of the next arrival or event.
    fn next_time(&self) -> Option<Duration> {
        let arrival = self.arriving.front().map(|request| request.arrived);
        arrival.into_iter().chain(self.agenda.next_time()).min()
    }

    /// Takes what happens now: an arrival, or otherwise an event.
    fn advance(&mut self) {
        if let Some(request) = self.arriving.pop_front_if(|request| request.arrived <= self.now) {
            return self.arrive(request);
        }
        if let Some((caller, event)) = self.agenda.pop() {
            self.handle(caller, event);
        }
    }

    fn handle(&mut self, caller: usize, event: Event) {
        match event {
            Event::Timer => self.ring(caller),
            Event::Reach => self.reach(caller),
            Event::Answer => self.receive(caller),
            Event::Drop => self.drop_caller(caller),
        }
    }

    /// Creates the caller of a request that comes.
    fn arrive(&mut self, request: ArrivingRequest) {
        if self.is_stopping {
            return;
        }
        let index = self.callers.len();
        let head = self.heads.of(request.tenant, request.cost);
        let caller = Caller::new(self.scenario, request, head, self.origin(), self.driver.is_some());
        if let Some(at) = request.dropped_at {
            self.agenda.schedule(at, index, Event::Drop);
        }
        if let Some(driver) = &mut self.driver {
            driver.enter(index, &RequestHead::from(&*caller.head), self.scenario.deadline(&request));
        }
        self.callers.push(caller);
        self.prepare(index);
    }

    fn ring(&mut self, caller: usize) {
        let Caller { timer, stage, .. } = &mut self.callers[caller];
        // A timer that was set again rings only at its last time.
        if *timer != Some(self.now) {
            return;
        }
        *timer = None;
        match *stage {
            Stage::Backoff => self.send(caller),
            Stage::Queued => self.poll(caller),
            Stage::Abandoned | Stage::InFlight | Stage::Done => {}
        }
    }

    /// Sets the timer of a caller, or cancels it.
    fn set_timer(&mut self, caller: usize, at: Option<Duration>) {
        // A timer that rings at once would let a pace that asks for it hold the time still.
        let at = at.map(|at| at.max(self.now + SHORTEST_TIMER));
        if self.callers[caller].timer == at {
            return;
        }
        self.callers[caller].timer = at;
        if let Some(at) = at {
            self.agenda.schedule(at, caller, Event::Timer);
        }
    }

    /// Ends a request, after which the worker of a closed loop takes the next one.
    fn finish(&mut self, caller: usize) {
        let caller = &mut self.callers[caller];
        caller.stage = Stage::Done;
        caller.outcome.finished = self.now;
        let tenant = caller.request.tenant;
        if let Some(request) = self.source.next(tenant, self.now) {
            // It comes now, so no other request comes before it.
            self.arriving.push_front(request);
        }
    }

    fn stop_by_rule(&mut self) {
        let Some(rule) = self.stop_rule.filter(|_| !self.is_stopping) else {
            return;
        };
        let is_met = self.was_tried_again && self.served_after_refusal >= rule.served_after_refusal;
        if !is_met && self.now < rule.no_later_than {
            return;
        }
        self.is_stopping = true;
        for caller in 0..self.callers.len() {
            match self.callers[caller].stage {
                Stage::Queued | Stage::Abandoned => self.leave(caller),
                Stage::Backoff => {}
                Stage::InFlight | Stage::Done => continue,
            }
            self.finish(caller);
        }
    }

    /// Ends the requests that are still open, and returns the outcome.
    fn end(mut self) -> (Outcome, Option<Driver>) {
        for caller in self.callers.iter_mut().filter(|caller| caller.is_open()) {
            if caller.stage == Stage::Abandoned {
                continue;
            }
            caller.outcome.finished = self.now;
            if caller.stage == Stage::Queued {
                self.held.add(caller.ready_at, self.now);
                // It would wait for ever.
                caller.note_overrun(self.scenario, LONGEST_RUN);
            }
        }
        self.outcome.requests = self.callers.iter().map(|caller| caller.outcome).collect();
        self.outcome.held = self.held.total();
        (self.outcome, self.driver)
    }

    /// Reads the clocks, which run on where the warm-up ended.
    fn reading(&self) -> ClockReading {
        let now = self.origin() + self.now;
        ClockReading::new(now, wall_at_start() + now)
    }

    fn origin(&self) -> Duration {
        self.driver.as_ref().map_or(Duration::ZERO, Driver::origin)
    }
}

/// The largest number of events and wakes of a run.
const MAX_EVENTS: u64 = 20_000_000;
/// The shortest time after which a timer rings.
const SHORTEST_TIMER: Duration = Duration::from_micros(1);

#[cfg(test)]
mod tests;
