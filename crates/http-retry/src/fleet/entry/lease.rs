//! The script `lease`: a member reports what it sent, and gets slots, or the time at which it may ask for some.

use super::{
    MAX_AHEAD, MAX_BURST, MAX_COUNT, MAX_DEMAND, MAX_DEMAND_OF_ALL, MAX_GAP, MAX_GROW, MAX_LEASE, MAX_QUIET,
    MAX_SERIAL, MILLION, PROBE, PaceEntry, SECOND, THOUSAND, YOUNG, bound, div, numbers,
};

numbers! {
    /// A question for slots of a key, with the member's report since its last question.
    LeaseQuestion {
        /// The slots that the member wants.
        want,
        /// The sends that the member made without a slot.
        debt,
        /// The slots that the member gives back, because it does not use them.
        back,
        /// The time, from now, of the latest slot that comes back.
        back_in,
        /// 1 if the member asks for slots before it has requests for them, or 0.
        ahead,
        /// The sends per second that the member wants, in thousandths.
        demand,
        /// The time since the member's last question, in microseconds. A second stands for any longer time.
        elapsed,
        /// The sends that were served since the member's last question.
        served,
        /// The length of a lease in microseconds, at most 2 s.
        lease,
        /// The serial that the member knows, or 0.
        serial,
        /// The gap that the member knows, or 0.
        gap,
        /// The burst that the member knows, in thousandths, or 0.
        burst,
        /// The time, from now, before which the member knows that no member sends. It is at least 1 while a probe is due after
        /// that time, and 0 if the member knows no such time.
        quiet,
        /// The sends that were served since the member's last question, also the sends that do not shorten the gap.
        passed,
    }
}

numbers! {
    /// The answer to a [`LeaseQuestion`].
    LeaseAnswer {
        /// [`FREE`](Self::FREE), [`PACED`](Self::PACED), [`QUIET`](Self::QUIET), [`PROBE`](Self::PROBE) or
        /// [`WAIT`](Self::WAIT).
        state,
        /// The slots that the member gets.
        count,
        /// The time of the first slot, from now. Each further slot is a gap later. Without slots: the time of the next free
        /// slot, or the time at which it is worth to ask again.
        first,
        /// The distance of two slots, or 0 if no rate is known.
        gap,
        /// The time, from now, before which no member sends, or 0.
        quiet,
        /// The serial of the entry. Slots of another serial are void.
        serial,
        /// The member's share of the demand, in thousandths.
        share,
        /// The time at which the entry was made, or 0 if there is no entry.
        born,
        /// The slots that may be taken at once, in thousandths.
        burst,
        /// The sends that were served since the key was opened.
        passed,
        /// The time from that opening to its first refusal, or 0.
        passed_in,
        /// The sends of all members that were served since the entry was made.
        sum,
    }
}

impl LeaseAnswer {
    /// The state of a key without a known rate or a known quiet. The member goes by its own rule.
    pub const FREE: i64 = 0;
    /// The state of a key whose sends need a slot.
    pub const PACED: i64 = 1;
    /// The state of a key to which no member sends before [`quiet`](Self::quiet).
    pub const QUIET: i64 = 2;
    /// The quiet is over, and this member sends the probe.
    pub const PROBE: i64 = 3;
    /// The quiet is over, and another member probes. This one asks again at [`first`](Self::first).
    pub const WAIT: i64 = 4;
}

impl LeaseQuestion {
    fn bounded(&self) -> Self {
        let gap = bound(self.gap, 0, MAX_GAP);
        Self {
            want: bound(self.want, 0, MAX_COUNT),
            debt: bound(self.debt, 0, MAX_COUNT),
            back: bound(self.back, 0, MAX_COUNT),
            back_in: bound(self.back_in, 0, MAX_AHEAD),
            ahead: self.ahead,
            demand: bound(self.demand, 0, MAX_DEMAND),
            elapsed: bound(self.elapsed, 0, SECOND),
            served: bound(self.served, 0, MAX_COUNT),
            lease: bound(self.lease, 1, MAX_LEASE),
            serial: bound(self.serial, 0, MAX_SERIAL),
            gap,
            burst: bound(self.burst, THOUSAND, MAX_BURST),
            quiet: bound(self.quiet, 0, MAX_QUIET),
            passed: bound(self.passed, 0, MAX_COUNT),
        }
    }
}

/// Takes in a member's report, and gives it slots.
///
/// 1. Without an entry, one is made of what the member knows: if it knows a gap or a quiet, or had sends served while it looks
///    for a limit. In its first second, the widest gap and the latest quiet of the members that do not know its serial win. A
///    member that knows a later serial has seen a later entry, so all slots are void.
/// 2. Slots lapse that the burst does not hold. Debts take slots. Slots that come back are spare slots if later ones are out,
///    and lower the time of the next slot otherwise. They count only for the serial of the entry, and
///    not if the whole burst was free meanwhile.
/// 3. The demand is aged, and the member's demand is added.
/// 4. In quiet, no slot is given. After it, the first member that wants a slot gets the probe.
/// 5. Otherwise the member gets spare slots, or else its share of two leases, at least one slot, also in the future.
/// 6. What was served is counted, and shortens the gap.
pub fn lease(slot: &mut Option<PaceEntry>, now: i64, member: i64, question: &LeaseQuestion) -> LeaseAnswer {
    let question = question.bounded();
    let entry = match slot {
        Some(entry) => {
            entry.move_to(now);
            entry.learn(now, &question);
            entry
        }
        None if question.gap == 0 && question.quiet == 0 && question.passed == 0 => {
            return LeaseAnswer::default();
        }
        None => {
            let made = PaceEntry::new(now, question.gap, question.burst, question.serial + 1);
            let entry = slot.insert(made);
            entry.hear_quiet(now, question.quiet);
            entry
        }
    };
    entry.take_report(now, &question);
    let share = entry.take_demand(now, &question);
    let answer = entry.give(now, member, &question);
    entry.count_served(&question);
    let passed_in = if entry.refused_at > 0 { entry.refused_at - entry.opened } else { 0 };
    LeaseAnswer {
        gap: entry.gap,
        quiet: if entry.quiet > now { entry.quiet - now } else { 0 },
        serial: entry.serial,
        share,
        born: entry.born,
        burst: entry.burst,
        passed: entry.passed,
        passed_in,
        sum: entry.sum,
        ..answer
    }
}

impl PaceEntry {
    /// Takes in what a member knows that has not seen this entry yet, or that has seen a later one.
    fn learn(&mut self, now: i64, question: &LeaseQuestion) {
        if self.is_new_to(now, question) {
            if question.gap > self.gap {
                self.gap = question.gap;
                self.burst = question.burst;
            }
            self.hear_quiet(now, question.quiet);
        }
        if question.serial > self.serial {
            self.void(question.serial);
        }
    }

    /// Returns whether the entry is young, and the member has not seen it yet.
    fn is_new_to(&self, now: i64, question: &LeaseQuestion) -> bool {
        now >= self.born && now - self.born < YOUNG && question.serial != self.serial
    }

    fn hear_quiet(&mut self, now: i64, quiet: i64) {
        if quiet > 0 && now + quiet > self.quiet {
            if self.since == 0 {
                self.since = now;
            }
            self.quiet = now + quiet;
        }
    }

    fn take_report(&mut self, now: i64, question: &LeaseQuestion) {
        if self.gap == 0 {
            return;
        }
        if question.ahead == 1 {
            self.ahead = self.ahead.max(now + 2 * question.lease);
        }
        self.lapse(now);
        // Those from before the entry was made left while it had no slots.
        let debt = if self.is_new_to(now, question) { 0 } else { question.debt };
        // The sends of a member that was alone come back as debt. The slots that lapsed meanwhile were for them, so they leave
        // none that is free, and hold nobody for longer.
        let most = if debt > 1 { self.gap } else { MAX_AHEAD };
        self.tat = (self.tat + debt * self.gap).min(self.tat.max(now + most));
        // The server has had no room for slots that were in hand while the whole burst was free. They were given out at the
        // member's last question at the latest.
        let is_good = question.elapsed < SECOND && self.full_at <= now - question.elapsed;
        if question.serial == self.serial && question.back > 0 && is_good {
            if self.tat > now {
                self.spare += question.back;
                self.spare_at = self.spare_at.max(now + question.back_in);
            } else {
                self.tat -= question.back * self.gap;
            }
            self.lapse(now);
        }
    }

    /// Counts the demand of a member, and returns its share of the demand of all.
    fn take_demand(&mut self, now: i64, question: &LeaseQuestion) -> i64 {
        let age = bound(now - self.demand_at, 0, SECOND);
        let aged = self.demand - div(self.demand * age, SECOND);
        let own = div(question.demand * question.elapsed, SECOND);
        self.demand = (aged + own).max(question.demand).min(MAX_DEMAND_OF_ALL);
        self.demand_at = now;
        if self.demand == 0 { THOUSAND } else { div(question.demand * THOUSAND, self.demand) }
    }

    /// Returns the state, the slots and the time of the first of them.
    fn give(&mut self, now: i64, member: i64, question: &LeaseQuestion) -> LeaseAnswer {
        if self.quiet > now {
            return state(LeaseAnswer::QUIET, 0, self.quiet - now);
        }
        if self.quiet > 0 {
            return self.give_probe(now, member, question);
        }
        if self.gap == 0 {
            return state(LeaseAnswer::FREE, 0, 0);
        }
        let fair = if self.demand == 0 {
            1
        } else {
            div(2 * question.lease * question.demand, self.gap * self.demand).max(1)
        };
        // The others get theirs before this member's second ones, so that all ask again while they are heard of.
        let fair = fair.min((div(now + 2 * question.lease - self.tat, self.gap) + 1).max(1));
        let count = question.want.min(fair);
        if count > 0 && self.spare > 0 && self.spare_at <= now {
            let count = count.min(self.spare);
            self.spare -= count;
            // All of these are due, so the last one is due now.
            return state(LeaseAnswer::PACED, count, -(count - 1) * self.gap);
        }
        let most = bound(div(now + MAX_AHEAD - self.tat, self.gap) + 1, 0, MAX_COUNT);
        let count = count.min(most);
        let first = self.tat - now;
        self.tat += count * self.gap;
        if count > 0 && self.tat - self.gap > now {
            // A member that does not use these gives them back within a lease.
            self.ahead = self.ahead.max(self.tat + question.lease);
        }
        state(LeaseAnswer::PACED, count, first)
    }

    fn give_probe(&mut self, now: i64, member: i64, question: &LeaseQuestion) -> LeaseAnswer {
        let is_held = self.probe != 0 && self.probe != member && self.probe_ends > now;
        if is_held {
            return state(LeaseAnswer::WAIT, 0, self.probe_ends - now);
        }
        if question.want == 0 {
            return state(LeaseAnswer::WAIT, 0, 0);
        }
        self.probe = member;
        self.probe_ends = now + PROBE;
        state(LeaseAnswer::PROBE, 1, 0)
    }

    fn count_served(&mut self, question: &LeaseQuestion) {
        self.sum = (self.sum + question.passed).min(MILLION * MILLION);
        if question.serial != self.serial || self.quiet > 0 {
            return;
        }
        self.passed = (self.passed + question.served).min(MILLION * MILLION);
        if self.gap == 0 || self.grow == 0 {
            return;
        }
        // Below a million sends in one report, so that the product stays below 2^53.
        let served = question.served.min(100_000);
        let shorter = self.gap * self.grow.min(MAX_GROW) * served + self.carry;
        self.gap = (self.gap - div(shorter, MILLION)).max(1);
        self.carry = shorter - div(shorter, MILLION) * MILLION;
    }
}

fn state(state: i64, count: i64, first: i64) -> LeaseAnswer {
    LeaseAnswer { state, count, first, ..LeaseAnswer::default() }
}
