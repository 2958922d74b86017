//! One attempt: the call, the server's answer, and the decision on it.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use http::Request;
use http_retry::{Attempt, Decision, ResponseHead, RetryAfterFirst, Settlement};

use super::{Engine, Event, Stage};
use crate::grid::draws::Purpose;
use crate::grid::driver::request_head;
use crate::grid::{CallOutcome, PaceSample, RequestOutcome};

impl Engine<'_> {
    /// Sends the request of a caller.
    pub(super) fn send(&mut self, caller: usize) {
        let (scenario, now) = (self.scenario, self.now);
        let state = &mut self.callers[caller];
        state.note_overrun(scenario, now);
        state.session.resend();
        state.outcome.calls += 1;
        state.sent_at = now;
        state.stage = Stage::InFlight;
        state.timer = None;
        let transit = self.network.to_server(state.request.identity, state.outcome.calls);
        self.agenda.schedule(now + transit, caller, Event::Reach);
    }

    /// Lets the server answer. It does so for a dropped caller too, because it does not know of that.
    pub(super) fn reach(&mut self, caller: usize) {
        let state = &mut self.callers[caller];
        let call = state.call();
        let reply = self.server.arrive(self.now, &call);
        state.outcome.refused += u32::from(!reply.is_served);
        self.outcome.calls.push(CallOutcome {
            request: caller,
            attempt: call.attempt,
            sent_at: state.sent_at,
            reached_at: self.now,
            is_served: reply.is_served,
            early: state.hint_ends.map_or(Duration::ZERO, |ends| ends.saturating_sub(state.sent_at)),
        });
        let transit = self.network.to_caller(call.request, call.attempt);
        let answered_at = self.now.saturating_add(reply.service).saturating_add(transit);
        state.reply = Some(reply);
        self.agenda.schedule(answered_at, caller, Event::Answer);
    }

    /// Receives the head of an answer, which comes at the end of the service time. The caller reports it to the others,
    /// and then decides for itself.
    pub(super) fn receive(&mut self, caller: usize) {
        let (reading, now) = (self.reading(), self.now);
        let state = &mut self.callers[caller];
        let sent_at = state.sent_at;
        let Some(reply) = state.reply.take().filter(|_| state.stage == Stage::InFlight) else {
            return;
        };
        let head = ResponseHead::from(&*reply.response);
        let driver = self.driver.as_mut();
        let settlement = driver.map_or(Settlement::default(), |driver| driver.settle(caller, &head, reading));
        if settlement.is_uncounted {
            state.session.leave_uncounted();
        }
        let attempt = Attempt::new(state.session.number(), &*state.head, head);
        let mut rng = self.draws.rng(Purpose::Policy, state.request.identity, state.outcome.calls);
        let policy = RetryAfterFirst::default();
        let decision = state.session.decide(&policy, &attempt, None, || reading, &mut rng);
        state.outcome.is_served = reply.is_served;
        state.outcome.service = reply.service;
        state.hint_ends = reply.hint.map(|hint| now.saturating_add(hint));
        let text = match (reply.is_served, &decision, settlement.is_uncounted) {
            (true, _, _) => "served",
            (false, Decision::Wait(_), false) => "refused",
            (false, Decision::Wait(_), true) => "refused, which does not count",
            (false, ..) => "refused, and given up",
        };
        match decision {
            Decision::Wait(delay) if !self.is_stopping => {
                state.ready_at = now.saturating_add(delay);
                self.prepare(caller);
            }
            Decision::Wait(_) | Decision::Accept | Decision::GiveUp(_) => self.finish(caller),
        }
        self.count(reply.is_served, sent_at);
        self.trace(caller, text);
    }

    fn count(&mut self, is_served: bool, sent_at: Duration) {
        match self.refused_at {
            Some(refused_at) => {
                self.served_after_refusal += u32::from(is_served);
                self.was_tried_again |= is_served && sent_at > refused_at;
            }
            None if !is_served => self.refused_at = Some(self.now),
            None => {}
        }
    }

    /// Records the state of the pace after what has become of a request.
    pub(super) fn trace(&mut self, caller: usize, text: &str) {
        let Some(driver) = self.driver.as_ref().filter(|_| self.is_traced) else {
            return;
        };
        let report = driver.report(self.now);
        let state = report.as_ref().map_or_else(|| "free".to_owned(), ToString::to_string);
        let RequestOutcome { tenant, calls, .. } = self.callers[caller].outcome;
        let request = format!("request {caller} of tenant {tenant}, call {calls}: {text}");
        self.outcome.trace.push(format!("{:9.3} {state} ({request})", self.now.as_secs_f64()));
        self.outcome.samples.push(PaceSample {
            at: self.now,
            rate: report.as_ref().and_then(|report| report.rate),
            waiting: report.map_or(0, |report| report.waiting),
        });
    }
}

/// The heads of requests. Few differ, and each request needs one.
#[derive(Debug, Default)]
pub(super) struct RequestHeads(HashMap<(usize, u32), Rc<Request<()>>>);

impl RequestHeads {
    /// Returns the head of a request.
    pub(super) fn of(&mut self, tenant: usize, cost: u32) -> Rc<Request<()>> {
        let head = self.0.entry((tenant, cost)).or_insert_with(|| Rc::new(request_head(tenant, cost)));
        Rc::clone(head)
    }
}
