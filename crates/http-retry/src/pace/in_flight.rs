//! The sends that are under way, and what silence says about them.

use std::collections::VecDeque;
use std::time::Duration;

/// The sends of a key since it was last free, in the order in which they left.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    sends: VecDeque<Sent>,
    /// The number of sends whose outcome is not known yet.
    unknown: usize,
}

/// One send.
#[derive(Clone, Copy, Debug)]
struct Sent {
    ordinal: u64,
    at: Duration,
    /// `true` once its outcome is known, or silence has acquitted it.
    is_known: bool,
    /// The other calls in flight when it left, if the server was known to have taken all of them.
    beside: Option<u32>,
}

impl InFlight {
    pub(super) const fn new() -> Self {
        Self { sends: VecDeque::new(), unknown: 0 }
    }

    /// Returns whether nothing is known of any send.
    pub(super) fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    /// Adds a send beside so many other calls in flight.
    pub(super) fn sent(&mut self, ordinal: u64, at: Duration, others: u32) {
        let beside = (self.unknown == 0).then_some(others);
        self.sends.push_back(Sent { ordinal, at, is_known: false, beside });
        self.unknown += 1;
    }

    /// Returns beside how many other calls a send left, if nothing was known of it before, and if the server was known to
    /// have taken all of the others.
    pub(super) fn beside(&self, ordinal: u64) -> Option<u32> {
        let index = self.sends.partition_point(|sent| sent.ordinal < ordinal);
        let sent = self.sends.get(index).filter(|sent| sent.ordinal == ordinal && !sent.is_known);
        sent.and_then(|sent| sent.beside)
    }

    /// Records that the outcome of a send is known. Returns `true` if nothing was known of it before.
    pub(super) fn known(&mut self, ordinal: u64) -> bool {
        let index = self.sends.partition_point(|sent| sent.ordinal < ordinal);
        if index == self.sends.len() {
            return false;
        }
        let sent = self.sends.get_mut(index).filter(|sent| sent.ordinal == ordinal && !sent.is_known);
        let is_new = sent.is_some();
        if let Some(sent) = sent {
            sent.is_known = true;
            self.unknown -= 1;
        }
        self.trim();
        is_new
    }

    /// Returns a send that silence acquits at this time: no refusal has come within the patience, which is four times as long
    /// as refusals take. Call it until it returns `None`. The second value is that of [`beside`](Self::beside).
    pub(super) fn next_acquitted(&mut self, patience: Duration, now: Duration) -> Option<(u64, Option<u32>)> {
        self.trim();
        let sent = self.sends.front_mut().filter(|sent| sent.at.saturating_add(patience) <= now)?;
        sent.is_known = true;
        self.unknown -= 1;
        let acquitted = (sent.ordinal, sent.beside);
        self.trim();
        Some(acquitted)
    }

    /// Returns the number of sends whose outcome is not known yet.
    pub(super) fn unknown(&self) -> usize {
        self.unknown
    }

    /// Forgets the sends whose outcome is known, from the oldest on.
    fn trim(&mut self) {
        while self.sends.front().is_some_and(|sent| sent.is_known) {
            self.sends.pop_front();
        }
        if self.sends.capacity() > 64 {
            self.release();
        }
    }

    /// Frees the memory that is not in use.
    pub(super) fn release(&mut self) {
        if self.sends.is_empty() {
            self.sends = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests;
