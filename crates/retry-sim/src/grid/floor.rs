//! The clairvoyant: the shortest time that any callers could need.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::draws::Draws;
use super::load::{ArrivingRequest, RequestSource};
use super::network::{Network, wall_at_start};
use super::run::LONGEST_RUN;
use super::server::{Call, Reply, Server};
use super::{CallOutcome, Outcome, RequestOutcome, Scenario};

/// Plays a scenario for callers that know the server's limits. The requests for a key go in order, each so that it
/// reaches the server at the first moment at which the server serves it.
///
/// Refusals that no time avoids happen to them too. They obey the hint of such a refusal, and then send at once.
/// Callers that are never polled again do not occur, because the clairvoyant has no queue.
pub fn floor(scenario: &Scenario, seed: u64) -> Outcome {
    Clairvoyant::new(scenario, Draws::new(seed)).play()
}

/// The state of a run of the clairvoyant.
struct Clairvoyant<'a> {
    scenario: &'a Scenario,
    source: RequestSource<'a>,
    network: Network,
    server: Server<'a>,
    /// The attempts by the time at which they reach the server if they do not wait for it. Requests have an index here
    /// in the order in which they were created.
    attempts: BinaryHeap<Reverse<(Duration, usize)>>,
    requests: Vec<PlannedRequest>,
    /// The time of the last served call of each key. None overtakes it.
    last_served: Vec<Duration>,
    calls: Vec<CallOutcome>,
}

/// A request, and its state.
struct PlannedRequest {
    request: ArrivingRequest,
    /// The time that the call of its next attempt takes to the server.
    transit: Duration,
    outcome: RequestOutcome,
}

impl<'a> Clairvoyant<'a> {
    fn new(scenario: &'a Scenario, draws: Draws) -> Self {
        let keys = scenario.keys();
        Self {
            scenario,
            source: RequestSource::new(scenario, draws),
            network: Network::new(scenario, draws),
            server: Server::new(&scenario.server, keys, wall_at_start(), draws),
            attempts: BinaryHeap::new(),
            requests: Vec::new(),
            last_served: vec![Duration::ZERO; keys],
            calls: Vec::new(),
        }
    }

    fn play(mut self) -> Outcome {
        for request in self.source.first() {
            self.add(request);
        }
        self.play_added()
    }

    /// Plays the requests that were added, and those that follow them.
    fn play_added(mut self) -> Outcome {
        while let Some(Reverse((reach, index))) = self.attempts.pop() {
            self.attempt(index, reach);
        }
        self.outcome()
    }

    fn add(&mut self, request: ArrivingRequest) {
        let (index, outcome) = (self.requests.len(), RequestOutcome::from(&request));
        self.requests.push(PlannedRequest { request, transit: Duration::ZERO, outcome });
        self.plan(index, request.arrived);
    }

    /// Plans the next attempt for a caller that may send from `ready_at` on.
    fn plan(&mut self, index: usize, ready_at: Duration) {
        let planned = &mut self.requests[index];
        planned.transit = self.network.to_server(planned.request.identity, planned.outcome.calls + 1);
        self.attempts.push(Reverse((ready_at.saturating_add(planned.transit), index)));
    }

    /// Makes an attempt, which reaches the server at `reach` if it does not wait for it.
    fn attempt(&mut self, index: usize, reach: Duration) {
        let call = self.requests[index].call();
        let is_refused = self.server.is_refused_anyway(&call);
        let at = match is_refused {
            true => self.server.out_of_outage(reach),
            false => self.server.first_served(reach.max(self.last_served[call.key]), &call),
        };
        let planned = &self.requests[index];
        // A call that is never served is sent at the end of all time.
        let sent_at = if at < Duration::MAX { at.saturating_sub(planned.transit) } else { at };
        if let Some(end) = planned.end_without_send(sent_at, self.scenario) {
            return self.finish(index, end);
        }
        if !is_refused {
            self.last_served[call.key] = at;
        }
        let reply = self.server.arrive(at, &call);
        self.calls.push(CallOutcome {
            request: index,
            attempt: call.attempt,
            sent_at,
            reached_at: at,
            is_served: reply.is_served,
            early: Duration::ZERO,
        });
        self.receive(index, at, &reply);
    }

    fn receive(&mut self, index: usize, at: Duration, reply: &Reply) {
        let planned = &mut self.requests[index];
        let RequestOutcome { calls, refused, .. } = &mut planned.outcome;
        *calls += 1;
        *refused += u32::from(!reply.is_served);
        let is_last = *calls >= self.scenario.max_attempts.max(1);
        let transit = self.network.to_caller(planned.request.identity, *calls);
        let answered_at = at.saturating_add(reply.service).saturating_add(transit);
        if let Some(dropped_at) = planned.request.dropped_at.filter(|at| *at < answered_at) {
            return self.finish(index, dropped_at);
        }
        planned.outcome.finished = answered_at;
        let hint = reply.hint.unwrap_or_default();
        if reply.is_served || is_last || hint > LONGEST_HINT {
            planned.outcome.is_served = reply.is_served;
            planned.outcome.service = reply.service;
            return self.finish(index, answered_at);
        }
        self.plan(index, answered_at.saturating_add(hint));
    }

    fn finish(&mut self, index: usize, at: Duration) {
        let PlannedRequest { outcome, request, .. } = &mut self.requests[index];
        outcome.finished = at;
        outcome.is_faulty = request.dropped_at.is_some_and(|dropped_at| dropped_at <= at);
        let tenant = request.tenant;
        if let Some(next) = self.source.next(tenant, at) {
            self.add(next);
        }
    }

    /// Returns the outcome, with requests and calls in order.
    fn outcome(mut self) -> Outcome {
        let mut order: Vec<usize> = (0..self.requests.len()).collect();
        order.sort_by_key(|index| self.requests[*index].request.arrived);
        let mut places = vec![0; order.len()];
        for (place, index) in order.iter().enumerate() {
            places[*index] = place;
        }
        for call in &mut self.calls {
            call.request = places[call.request];
        }
        self.calls.sort_by_key(|call| call.reached_at);
        let requests = order.iter().map(|index| self.requests[*index].outcome).collect();
        Outcome { requests, calls: self.calls, ..Outcome::default() }
    }
}

impl PlannedRequest {
    /// Returns the next call.
    fn call(&self) -> Call {
        Call {
            request: self.request.identity,
            attempt: self.outcome.calls + 1,
            key: self.request.key,
            cost: self.request.cost,
            is_poison: self.request.is_poison,
        }
    }

    /// Returns when the request ends if its next attempt is not sent, because `sent_at` is too late.
    fn end_without_send(&self, sent_at: Duration, scenario: &Scenario) -> Option<Duration> {
        let latest = scenario.deadline(&self.request).unwrap_or(LONGEST_RUN);
        match self.request.dropped_at.filter(|dropped_at| *dropped_at < sent_at) {
            Some(dropped_at) => Some(dropped_at),
            // The caller learns at once that it would wait in vain.
            None => (latest < sent_at).then_some(self.outcome.finished),
        }
    }
}

/// The longest hint for which the default policy waits.
const LONGEST_HINT: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests;
