//! The counters of the slots and probes of a member.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::fleet::SlotCounts;
use crate::fleet::entry::LeaseAnswer;

/// The ground on which a send went: a slot, or the reason for which it needed no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pace) enum Send {
    Slot,
    Debt,
    Alone,
    /// No slot was needed: it was a probe, or no rate is known.
    Free,
}

/// The counters of all shared keys of a pace.
#[derive(Default)]
pub(in crate::pace) struct Counts {
    leased: AtomicU64,
    spent: AtomicU64,
    returned: AtomicU64,
    debt: AtomicU64,
    alone: AtomicU64,
    pub(in crate::pace) probes_served: AtomicU64,
    pub(in crate::pace) probes_refused: AtomicU64,
    pub(in crate::pace) probes_lost: AtomicU64,
}

impl Counts {
    pub(in crate::pace) fn sent(&self, send: Send) {
        let counter = match send {
            Send::Slot => &self.spent,
            Send::Debt => &self.debt,
            Send::Alone => &self.alone,
            Send::Free => return,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(in crate::pace) fn leased(&self, answer: &LeaseAnswer) {
        if answer.state == LeaseAnswer::PACED {
            self.leased.fetch_add(u64::try_from(answer.count).unwrap_or(0), Relaxed);
        }
    }

    pub(in crate::pace) fn returned(&self, slots: i64) {
        self.returned.fetch_add(u64::try_from(slots).unwrap_or(0), Relaxed);
    }

    pub(in crate::pace) fn read(&self) -> SlotCounts {
        SlotCounts {
            leased: self.leased.load(Relaxed),
            spent: self.spent.load(Relaxed),
            returned: self.returned.load(Relaxed),
            debt: self.debt.load(Relaxed),
            alone: self.alone.load(Relaxed),
            probes_served: self.probes_served.load(Relaxed),
            probes_refused: self.probes_refused.load(Relaxed),
            probes_lost: self.probes_lost.load(Relaxed),
        }
    }
}
