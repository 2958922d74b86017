//! The answers of a key: whether a call was served or refused, for which reason, and which quotas are announced.

use std::sync::atomic::Ordering::Relaxed;

use super::{Context, KeyState, Previous, SentCall};
use crate::pace::Settlement;
use crate::pace::at_a_time::Disproof;
use crate::pace::constants::{MOST_TRIALS, PROBES_WITHOUT_HINT};
use crate::pace::evidence::{Announced, Evidence, Refusal, Scope, Unit};
use crate::pace::in_flight::InFlight;
use crate::pace::quota::Source;
use crate::pace::rate_controller::Refused;
use crate::pace::refusal_time::RefusalTime;
use crate::pace::wakers::Wakers;
use crate::{ClockReading, ResponseHead};

impl KeyState {
    /// Takes in the head of an answer.
    pub(in crate::pace) fn settle(
        &mut self,
        call: &SentCall,
        head: &ResponseHead<'_>,
        reading: ClockReading,
        context: Context<'_>,
        wakers: &mut Wakers,
    ) -> Settlement {
        let was_free = self.is_free();
        if was_free {
            self.refusal_time = RefusalTime::default();
            if let Some(traffic) = self.traffic.present_mut() {
                traffic.in_flight = InFlight::default();
            }
        }
        self.advance(context);
        self.count_settled(call, context.entry);
        let evidence = Evidence::read(head, reading.wall);
        self.note_beside(call.ordinal, evidence.refusal.is_some());
        // A late send left while the key was free, and is none of those that are watched.
        let is_news =
            call.is_late || self.known(call.ordinal) || call.ordinal < self.watched_from || was_free;
        self.hear_quotas(call, &evidence, context);
        let settlement = match evidence.refusal {
            None => {
                self.served(call, is_news, context);
                Settlement::default()
            }
            Some(refusal) => {
                if was_free {
                    self.control.passed_while_free(call.ordinal, self.watched_from);
                    self.watched_from = context.entry.sends.load(Relaxed);
                }
                let is_uncounted = self.refused(call, &refusal, &evidence.announced, is_news, context);
                Settlement { is_refused: true, is_uncounted }
            }
        };
        if self.is_free() {
            self.watched_from = context.entry.sends.load(Relaxed);
        }
        self.offer(context, wakers);
        settlement
    }

    /// Notes beside how many others a call was refused, or has passed.
    fn note_beside(&mut self, ordinal: u64, is_refused: bool) {
        let in_flight = self.traffic.present_mut().map(|traffic| &mut traffic.in_flight);
        if is_refused {
            let beside = in_flight.and_then(|in_flight| in_flight.refused_beside(ordinal));
            self.at_a_time.refused_beside(beside);
        } else {
            let beside = in_flight.and_then(|in_flight| in_flight.passed_beside(ordinal));
            self.at_a_time.passed_beside(ordinal, beside);
        }
    }

    fn served(&mut self, call: &SentCall, is_news: bool, context: Context<'_>) {
        self.by_attempt.served(call.attempts);
        if call.attempts > 0
            && self.traffic.present_mut().is_some_and(|traffic| traffic.suspects.served(call.first))
        {
            self.control.acquitted();
        }
        self.refusal_time.served_after(context.now.saturating_sub(call.sent_at));
        if is_news {
            self.note_served(call.ordinal, call.attempts > 0);
            self.pass(call.ordinal, context);
        }
        self.at_a_time.passed(call.others, call.sent_at, !self.traffic.queue.is_empty());
    }

    /// Takes in a refusal. Returns whether it does not count among the attempts of its request.
    fn refused(
        &mut self,
        call: &SentCall,
        refusal: &Refusal,
        announced: &[Announced],
        is_news: bool,
        context: Context<'_>,
    ) -> bool {
        let now = context.now;
        // A patience that was a guess may have been too short.
        let is_news = is_news || !self.refusal_time.is_known();
        self.refusal_time.refused_after(now.saturating_sub(call.sent_at));
        let hint = refusal.hint.filter(|hint| *hint <= context.settings.longest);
        let is_server = refusal.scope == Scope::Server;
        let SentCall { ordinal, sent_at, previous, .. } = *call;
        let previous = previous.map(Previous::ordinal);
        #[cfg(feature = "fleet")]
        let (others, burst_part) = (self.others_until(sent_at), self.refused_burst(sent_at, context));
        #[cfg(not(feature = "fleet"))]
        let (others, burst_part) = (0, None);
        let is_precise = refusal.is_precise;
        let refused = Refused { ordinal, sent_at, hint, is_precise, is_server, previous, others, burst_part };
        let moment = self.moment(context);
        let is_probe = self.control.stop_ref().is_some_and(|stop| Some(stop.number()) == call.probe);
        let depends_on_attempt = self.by_attempt.refused(call.attempts);
        if self.is_for_itself(call, &moment) {
            context.entry.refused.fetch_add(1, Relaxed);
            self.control.refused_for_itself();
            return false;
        }
        if is_probe {
            context.entry.refused.fetch_add(1, Relaxed);
            let is_uncounted = is_server || hint.is_some() || call.probes <= PROBES_WITHOUT_HINT;
            return self.control.probe_refused(&refused, &moment) && is_uncounted;
        }
        let is_at_fault = self.is_at_fault(call, context);
        if !is_at_fault {
            context.entry.refused.fetch_add(1, Relaxed);
        }
        if !is_news || refusal.scope == Scope::Request || depends_on_attempt || is_at_fault {
            self.control.refused_for_itself();
            return false;
        }
        if !is_server && self.traffic.quotas.is_known(now) {
            self.traffic.quotas.refused(hint, announced, now);
            self.control.refused_for_itself();
            return false;
        }
        if !is_server && self.refused_at_a_time(call, refusal, context) {
            self.control.refused_for_itself();
            return false;
        }
        let is_trial = call.attempts < MOST_TRIALS && self.is_trial(&refused);
        self.suspect(call, context);
        self.control.refused(&refused, &moment);
        is_trial
    }

    /// Returns whether a refused call was sent for others as well.
    fn is_trial(&self, refused: &Refused) -> bool {
        let Refused { sent_at, hint, is_server, previous, .. } = *refused;
        let others_wait = !self.traffic.queue.is_empty();
        let is_in_row = self.control.is_in_row(previous);
        if is_server && others_wait && is_in_row {
            // It asks whether the server serves again, as the probe of a stop does.
            return true;
        }
        // A send that tries for more than is known to be served does so for all who wait, for their own hint or for a slot. If
        // it is sent again and nothing was served in between, it asks whether the limit still refuses, as a probe does.
        let is_for_all = others_wait || !is_server && is_in_row;
        // After a pause the limit is full, so this tries for no more. The backoff of a request without a hint grows, so each
        // more attempt costs as much time as all before.
        let is_after_pause =
            hint.is_none() && self.traffic.queue.due_len() == 0 && self.control.was_full(sent_at);
        is_for_all && !is_after_pause && self.control.is_trial(sent_at)
    }

    /// Takes in a refusal that may mean too many at a time. Returns whether a limit of how many at a time explains it.
    fn refused_at_a_time(&mut self, call: &SentCall, refusal: &Refusal, context: Context<'_>) -> bool {
        let (now, in_flight) = (context.now, self.in_flight(context.entry));
        if self.at_a_time.is_known() {
            let disproof = self.at_a_time.refused(call.ordinal, call.others, in_flight, call.sent_at, now);
            let moment = self.moment(context);
            match disproof {
                Some(Disproof::Chance(share)) => self.control.dropped(share, &moment),
                Some(Disproof::AnotherLimit) => self.control.looks_for_limit(&moment),
                None => {}
            }
            return true;
        }
        self.at_a_time.note_refused(call.others, self.refusal_time.get(), now);
        let is_claim = refusal.hint.is_none()
            && !self.at_a_time.is_disproved()
            && self.control.limit().is_none()
            && self.control.nearly_means_limit(now);
        let is_plain = self.at_a_time.is_plain();
        if in_flight == 0 || !is_claim && !is_plain {
            return false;
        }
        if is_plain {
            self.control.forget_limit();
        }
        self.at_a_time.claim(in_flight, now + self.refusal_time.get() * 2, call.sent_at);
        self.control.explained();
        true
    }

    fn hear_quotas(&mut self, call: &SentCall, evidence: &Evidence, context: Context<'_>) {
        let (now, in_flight) = (context.now, self.in_flight(context.entry));
        // The quotas did not count a late send.
        if let Some(traffic) = self.traffic.present_mut().filter(|_| !call.is_late) {
            traffic.finish(call);
            match evidence.refusal {
                Some(_) => traffic.quotas.give_back(call.cost, now),
                None => traffic.quotas.settle(call.cost, None, now),
            }
        }
        for announced in &evidence.announced {
            let in_flight_after = match announced.unit {
                Unit::Requests => {
                    let later = context.entry.sends.load(Relaxed).saturating_sub(call.ordinal + 1);
                    in_flight.min(later) as f64
                }
                Unit::Units => 0.0,
            };
            let source = Source { order: call.ordinal, sent_at: call.sent_at, in_flight_after };
            self.traffic.quotas.hear(announced, source, context.settings.longest, now);
        }
    }

    /// Records that the outcome of a send is known. Returns `true` if nothing was known of it before.
    fn known(&mut self, ordinal: u64) -> bool {
        self.traffic.present_mut().is_some_and(|traffic| traffic.in_flight.known(ordinal))
    }

    /// Takes back a send that will have no answer.
    pub(in crate::pace) fn lose(&mut self, call: &SentCall, context: Context<'_>, wakers: &mut Wakers) {
        self.advance(context);
        context.entry.settled.fetch_add(1, Relaxed);
        let is_new = self.known(call.ordinal);
        if let Some(traffic) = self.traffic.present_mut() {
            traffic.finish(call);
            traffic.quotas.give_back(call.cost, context.now);
        }
        if call.probe.is_some()
            && self.control.stop_ref().is_some_and(|stop| Some(stop.number()) == call.probe)
        {
            self.control.probe_lost();
            #[cfg(feature = "fleet")]
            self.probe_lost_in_lease(context);
        } else if is_new {
            self.control.given_back();
            #[cfg(feature = "fleet")]
            self.give_back_to_lease(call.sent_at, context.now);
        }
        self.offer(context, wakers);
    }
}
