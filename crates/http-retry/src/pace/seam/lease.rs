//! One shared key: the slots in hand, the news for others, and what the store knows of it.

mod answers;
mod heard;
mod lone_search;
mod others;
mod questions;
mod report;
mod share;
mod told;

use std::time::Duration;

pub(in crate::pace) use self::heard::{Heard, Scale};
use self::lone_search::LoneSearch;
use self::others::Others;
use super::counts::Send;
use super::slots::Slots;
use crate::fleet::Id;

/// The state of one shared key.
#[derive(Debug)]
pub(in crate::pace) struct LeaseState {
    /// The id of the key, or `None` until a request of the key came in the fleet that the pace moved to.
    pub(in crate::pace) id: Option<Id>,
    slots: Slots,
    serial: i64,
    /// The gap and the burst of the entry, or 0 if the fleet knows none.
    gap: i64,
    burst: i64,
    /// This member's share of the demand, in thousandths, or 0 if it is not known.
    share: i64,
    /// The sends of this member that had no slot.
    debt: u32,
    /// `true` if the last answer left so much room that one send may go in debt.
    has_room: bool,
    /// The slots that were left in the store at the last answer, beside one that falls due then.
    saved: i64,
    saved_at: Duration,
    /// `true` if the free slots of the last answer were in the future.
    is_ahead: bool,
    /// `true` if the last answer said that sends need a slot.
    is_paced: bool,
    /// `true` since the store stopped answering, until an answer is there.
    is_alone: bool,
    /// The sends per second, by a sliding second.
    rate: f64,
    rate_at: Duration,
    /// The time of the last question, and the counters of the key then.
    asked_at: Option<Duration>,
    served: u64,
    /// The sends of the other members.
    others: Others,
    /// `false` while members may send that are not counted, because they have met no refusal.
    all_search: bool,
    /// The time before which the key does not ask for slots.
    ask_at: Duration,
    /// The request in flight, and when it was made.
    open: Option<u64>,
    opened_at: Duration,
    /// The news that this member has for the others.
    pub(super) quiet: Option<Duration>,
    opened: Option<f64>,
    /// The search for the rate after the last quiet that this member ended.
    lone_search: Option<LoneSearch>,
    announced: Option<bool>,
    /// `true` if this member found that refusals do not depend on the rate.
    dropped: bool,
    announced_at: Duration,
    /// `true` while another member looks for the rate, and this one waits for it.
    waits_for_rate: bool,
    /// The time since which the rate of all holds.
    rate_changed_at: Duration,
    /// The end of the quiet that the fleet knows, while it goes on.
    pub(in crate::pace) quiet_until: Option<Duration>,
    /// The rate of this member that the fleet knows, in sends per second, or 0.
    pub(in crate::pace) own_rate: f64,
    pub(in crate::pace) own_burst: f64,
    /// The right to send the probe ends then.
    probe_until: Option<Duration>,
    /// The time at which the probe in flight was sent, and the time at which the store last heard of it.
    probing: Option<(Duration, Duration)>,
    voided_at: Duration,
    /// `true` once the member gives all slots back.
    is_leaving: bool,
}

/// The knowledge of a key when it asks.
#[derive(Clone, Copy, Debug)]
pub(in crate::pace) struct Moment {
    pub(in crate::pace) now: Duration,
    pub(in crate::pace) lease: Duration,
    pub(in crate::pace) members: u32,
    /// The requests that wait and whose own hint is over.
    pub(in crate::pace) waiting: usize,
    /// The sends of the key that were served.
    pub(in crate::pace) served: u64,
    /// The end of the key's stop.
    pub(in crate::pace) stopped_until: Option<Duration>,
    pub(in crate::pace) is_reachable: bool,
    /// `true` while the key looks for the rate of its limit.
    pub(in crate::pace) is_searching: bool,
    /// `true` if the refusals of the key are not the fault of the refused requests.
    pub(in crate::pace) is_plain: bool,
}

impl LeaseState {
    pub(in crate::pace) fn new(id: Id, is_reachable: bool, now: Duration) -> Self {
        Self {
            id: Some(id),
            slots: Slots::default(),
            serial: 0,
            gap: 0,
            burst: 0,
            share: 0,
            debt: 0,
            has_room: false,
            saved: 0,
            saved_at: Duration::ZERO,
            is_ahead: false,
            is_paced: false,
            is_alone: !is_reachable,
            rate: 0.0,
            rate_at: now,
            asked_at: None,
            served: 0,
            others: Others::default(),
            all_search: false,
            ask_at: Duration::ZERO,
            open: None,
            opened_at: Duration::ZERO,
            quiet: None,
            opened: None,
            lone_search: None,
            announced: None,
            dropped: false,
            announced_at: Duration::ZERO,
            waits_for_rate: false,
            rate_changed_at: now,
            quiet_until: None,
            own_rate: 0.0,
            own_burst: 0.0,
            probe_until: None,
            probing: None,
            voided_at: Duration::ZERO,
            is_leaving: false,
        }
    }

    /// Returns whether the store's answers decide, and not the member alone.
    pub(in crate::pace) fn is_joined(&self) -> bool {
        !self.is_alone
    }

    /// Returns when the next send may go, if slots decide that. `by_rule` is when the member's own rule lets it go.
    pub(in crate::pace) fn slot_at(&self, by_rule: Duration, longest: Duration, now: Duration) -> Duration {
        if self.is_alone {
            return self.slots.first().map_or(by_rule, |slot| slot.min(by_rule));
        }
        if !self.is_paced {
            return by_rule;
        }
        match self.slots.first() {
            Some(slot) => slot,
            None if self.may_owe() => now,
            None => now.saturating_add(longest),
        }
    }

    /// Returns whether slots decide, and no slot is due.
    pub(in crate::pace) fn is_short(&self, now: Duration) -> bool {
        self.is_paced && self.is_joined() && self.slots.due(now) == 0
    }

    fn may_owe(&self) -> bool {
        self.has_room && self.debt == 0 && self.open.is_none()
    }

    /// Returns whether this member may send the probe after a quiet.
    pub(in crate::pace) fn may_probe(&self, now: Duration) -> bool {
        self.is_alone || self.probe_until.is_some_and(|until| now < until)
    }

    /// Records a send.
    pub(in crate::pace) fn sent(&mut self, is_probe: bool, now: Duration) -> Send {
        self.age_rate(now);
        self.rate += 1.0;
        if is_probe {
            self.probe_until = None;
            self.probing = Some((now, now));
            return Send::Free;
        }
        if self.slots.take(now) {
            return Send::Slot;
        }
        if !self.is_paced && !self.is_alone {
            return Send::Free;
        }
        self.debt = self.debt.saturating_add(1);
        if self.is_alone { Send::Alone } else { Send::Debt }
    }

    /// Takes back a send that never left.
    pub(in crate::pace) fn given_back(&mut self, sent_at: Duration, now: Duration) {
        if self.is_paced && self.voided_at <= sent_at {
            self.slots.put_back(now);
        }
    }

    fn age_rate(&mut self, now: Duration) {
        let age = now.saturating_sub(self.rate_at).as_secs_f64();
        self.rate *= (1.0 - age).max(0.0);
        self.rate_at = self.rate_at.max(now);
    }

    /// Gives up slots that this member may not keep.
    pub(in crate::pace) fn tidy(&mut self, moment: &Moment) {
        // A driver that loses a request must not hold the key.
        if let Some(number) = self.open.filter(|_| moment.now > self.opened_at.saturating_add(LONGEST_ASK)) {
            self.hear_failed(number, moment.now);
        }
        self.slots.tidy(self.most_kept(), moment.lease, moment.now);
    }

    /// Half of the burst is for slots in hand.
    fn most_kept(&self) -> usize {
        usize::try_from(self.burst * self.share / 2_000_000).unwrap_or(0).max(1)
    }

    fn void(&mut self, now: Duration) {
        self.slots.void();
        self.has_room = false;
        self.ask_at = Duration::ZERO;
        self.voided_at = self.voided_at.max(now);
    }

    /// Gives all slots back, because this member leaves.
    pub(in crate::pace) fn leave(&mut self) {
        self.slots.give_all_back();
        self.ask_at = Duration::ZERO;
        self.is_leaving = true;
    }

    /// The store does not answer.
    pub(in crate::pace) fn unreachable(&mut self) {
        self.is_alone = true;
        // One request goes at a time.
        self.own_burst = 1.0;
        (self.open, self.lone_search) = (None, None);
        self.probe_until = None;
    }

    /// The pace has moved to another fleet, which knows neither the slots nor the debts of this member. The member is alone until
    /// the store has answered, which makes its entry of what the members know.
    pub(in crate::pace) fn move_to_fleet(&mut self) {
        self.id = None;
        self.void(Duration::ZERO);
        (self.serial, self.debt, self.asked_at) = (0, 0, None);
        (self.others, self.opened, self.dropped) = (Others::default(), None, false);
        (self.probing, self.waits_for_rate, self.is_leaving) = (None, false, false);
    }

    /// The store answers again. Until the first answer, the member goes on alone.
    pub(in crate::pace) fn reachable(&mut self, stopped_until: Option<Duration>, now: Duration) {
        self.ask_at = Duration::ZERO;
        if let Some(until) = stopped_until.filter(|until| *until > now) {
            self.quiet = Some(until);
        }
    }
}

/// The longest time in which the driver answers a request or finds the store unreachable.
const LONGEST_ASK: Duration = Duration::from_secs(2);
const MAX_GAP: i64 = 1_000_000;
const MAX_BURST: i64 = 1_000_000_000;
