//! The wait of a caller before an attempt: for its own hint or backoff, and for the pace.

use super::{Caller, Engine, MAX_EVENTS, Stage};
use crate::grid::driver::Answer;

impl Engine<'_> {
    /// Lets a caller wait until it may send: first for its own time, and with a pace for the others too.
    pub(super) fn prepare(&mut self, caller: usize) {
        let Caller { ready_at, stage, .. } = &mut self.callers[caller];
        let ready_at = *ready_at;
        match &mut self.driver {
            Some(driver) => {
                *stage = Stage::Queued;
                driver.schedule(caller, ready_at);
                self.poll(caller);
            }
            None if ready_at <= self.now => self.send(caller),
            None => {
                *stage = Stage::Backoff;
                self.set_timer(caller, Some(ready_at));
            }
        }
    }

    /// Asks the pace whether a caller may send.
    pub(super) fn poll(&mut self, caller: usize) {
        let Some(driver) = &mut self.driver else {
            return;
        };
        match driver.poll(caller, self.now) {
            Answer::Send => {
                self.record_wait(caller);
                self.send(caller);
            }
            Answer::Wait(_) if self.callers[caller].request.is_unpolled => self.abandon(caller),
            Answer::Wait(until) => self.set_timer(caller, Some(until)),
            Answer::Rejected => {
                self.record_wait(caller);
                let (scenario, now) = (self.scenario, self.now);
                let caller_state = &mut self.callers[caller];
                caller_state.outcome.is_rejected = caller_state.outcome.calls == 0;
                caller_state.note_overrun(scenario, now);
                self.finish(caller);
                self.trace(caller, "rejected");
            }
        }
    }

    /// Lets the callers poll again that the pace wakes.
    pub(super) fn wake(&mut self) {
        while let Some(caller) = self.driver.as_mut().and_then(|driver| driver.next_wake()) {
            self.events += 1;
            if self.events > MAX_EVENTS {
                return;
            }
            if self.callers[caller].stage == Stage::Queued {
                self.poll(caller);
            }
        }
    }

    /// Takes a caller out of the queue.
    pub(super) fn leave(&mut self, caller: usize) {
        self.record_wait(caller);
        if let Some(driver) = &mut self.driver {
            driver.leave(caller, self.now);
        }
    }

    /// Drops the future of a caller, whatever it does.
    pub(super) fn drop_caller(&mut self, caller: usize) {
        match self.callers[caller].stage {
            Stage::Done => return,
            Stage::Abandoned => {
                // Its worker has long gone on.
                self.callers[caller].stage = Stage::Done;
                return self.leave(caller);
            }
            Stage::Queued => self.leave(caller),
            Stage::InFlight => {
                if let Some(driver) = &mut self.driver {
                    driver.lose(caller, self.now);
                }
            }
            Stage::Backoff => {}
        }
        self.callers[caller].outcome.is_faulty = true;
        self.finish(caller);
    }

    /// Never polls a caller again. Its worker goes on, as a task does that has lost interest in one of its futures.
    fn abandon(&mut self, caller: usize) {
        self.finish(caller);
        self.callers[caller].stage = Stage::Abandoned;
        self.callers[caller].outcome.is_faulty = true;
    }

    /// Counts the wait for the pace that ends now.
    fn record_wait(&mut self, caller: usize) {
        let Caller { stage, ready_at, .. } = self.callers[caller];
        if stage == Stage::Queued {
            self.held.add(ready_at, self.now);
        }
    }
}
