//! A millisecond of a fleet: answers arrive, members hear the store, and callers poll.

use super::*;

impl World {
    /// Lets a millisecond pass.
    pub(super) fn tick(&mut self) {
        self.now += TICK;
        self.memory.advance(self.now);
        self.others.iter().for_each(|store| store.advance(self.now));
        for index in 0..self.members.len() {
            if !self.members[index].is_dead && !self.members[index].is_paused {
                self.answer(index);
                self.turn(index);
            }
        }
    }

    /// Hands the answers of calls to a member.
    fn answer(&mut self, index: usize) {
        let now = self.now;
        let mut rest = VecDeque::new();
        while let Some(call) = self.flight.pop_front() {
            if call.member != index || call.at > now {
                rest.push_back(call);
                continue;
            }
            let member = &mut self.members[index];
            let mut caller = call.caller;
            let head = response(call.status, (call.status != 200 && !caller.is_bad).then_some(1));
            let settlement = settle(&member.pace, call.permit, &head, now);
            if call.status == 200 {
                member.served.push(Served { at: now, took: now - caller.arrived, refused: caller.attempts });
                continue;
            }
            member.refused += 1;
            caller.attempts += u32::from(!settlement.is_uncounted);
            if caller.is_bad {
                if caller.attempts < self.attempts_of_bad {
                    let window =
                        ms(500).saturating_mul(1 << caller.attempts.saturating_sub(1).min(8)).min(secs(10));
                    let part = (member.refused + self.salt * 7919).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
                    caller.ticket.not_before(now + window.mul_f64(part as f64 / 1_024.0));
                    caller.until = now;
                    member.waiting.push(caller);
                }
                continue;
            }
            // The hint is rounded up to whole seconds, and the session spreads behind it.
            let spread = ms(37 * (u64::from(caller.attempts) * 7 + member.refused) % 250);
            caller.ticket.not_before(now + secs(1) + spread);
            caller.until = now;
            member.waiting.push(caller);
        }
        self.flight = rest;
    }

    /// Lets a member hear its store, send its requests and ask the store.
    fn turn(&mut self, index: usize) {
        let now = self.now;
        let member = &mut self.members[index];
        while let Some(event) = member.store.next_event() {
            member.pace.on_store_event(&event, now);
        }
        if member.joined_at.is_none_or(|at| now >= at + secs(2)) {
            member.joined_at = Some(now);
            let question = JoinQuestion { layout: 1, leaves: 0 };
            member.store.send(StoreRequest::new(u64::MAX, Id::new(0), StoreCommand::Join(question)));
        }
        let mut waiting = std::mem::take(&mut member.waiting);
        let mut sent = true;
        while std::mem::take(&mut sent) {
            let mut rest = Vec::new();
            for mut caller in waiting {
                if caller.until > now && !caller.flag.take() {
                    rest.push(caller);
                    continue;
                }
                let waker = Waker::from(Arc::clone(&caller.flag));
                match member.pace.poll(&mut caller.ticket, now, Some(&waker)) {
                    Admission::Go(permit) => {
                        member.probes += u64::from(permit.is_probe());
                        let status = if caller.is_bad { 429 } else { self.server.take(now + LATENCY / 2) };
                        let at = now + LATENCY;
                        self.flight.push_back(Call { member: index, at, status, permit, caller });
                        sent = true;
                    }
                    Admission::Wait { until, .. } => {
                        caller.until = until;
                        rest.push(caller);
                    }
                    Admission::Rejected(rejection) => panic!("{rejection:?}"),
                }
            }
            waiting = rest;
        }
        member.waiting = waiting;
        while let Some(request) = member.pace.next_store_request(now) {
            member.asks += 1;
            member.store.send(request);
        }
    }
}

const TICK: Duration = Duration::from_millis(1);
/// The time from a call to its answer.
const LATENCY: Duration = Duration::from_millis(20);
