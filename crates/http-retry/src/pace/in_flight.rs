//! The sends that are under way, and what silence says about them.

use std::collections::VecDeque;
use std::time::Duration;

/// The sends of a key since it was last free, in the order in which they left.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    sends: VecDeque<Sent>,
    /// The number of sends whose outcome is not known yet.
    unknown: usize,
    crowd: Crowd,
}

/// One send.
#[derive(Clone, Copy, Debug)]
struct Sent {
    ordinal: u64,
    at: Duration,
    /// `true` if its request was sent before.
    is_resend: bool,
    /// `true` once its outcome is known, or silence has acquitted it.
    is_known: bool,
}

/// A send that silence acquits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acquitted {
    pub(super) ordinal: u64,
    /// The value of [`InFlight::passed_beside`].
    pub(super) beside: Option<u32>,
    /// `true` if its request was sent before.
    pub(super) is_resend: bool,
}

/// The last sends that left at once while the server was known to have taken all other calls in flight.
#[derive(Clone, Copy, Debug, Default)]
struct Crowd {
    /// The first of them, and the one after the last.
    first: u64,
    end: u64,
    at: Duration,
    /// The other calls in flight when they left.
    others: u32,
    has_passed: bool,
}

impl InFlight {
    pub(super) const fn new() -> Self {
        let crowd = Crowd { first: 0, end: 0, at: Duration::ZERO, others: 0, has_passed: false };
        Self { sends: VecDeque::new(), unknown: 0, crowd }
    }

    /// Returns whether nothing is known of any send.
    pub(super) fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    /// Adds a send beside so many other calls in flight. Calls that leave within `spread` of each other may reach the server in
    /// another order.
    pub(super) fn sent(
        &mut self,
        ordinal: u64,
        at: Duration,
        is_resend: bool,
        others: u32,
        spread: Duration,
    ) {
        if self.unknown == 0 {
            self.crowd = Crowd { first: ordinal, end: ordinal + 1, at, others, has_passed: false };
        } else if at <= self.crowd.at.saturating_add(spread) {
            self.crowd.end = ordinal + 1;
        }
        self.sends.push_back(Sent { ordinal, at, is_resend, is_known: false });
        self.unknown += 1;
    }

    /// Returns beside how many other calls a send was refused, if nothing was known of it before, and if the server was known to
    /// have taken all of the others.
    pub(super) fn refused_beside(&self, ordinal: u64) -> Option<u32> {
        let Crowd { first, end, others, .. } = self.crowd;
        (ordinal == first && end == first + 1 && self.is_unknown(ordinal)).then_some(others)
    }

    /// Returns beside how many other calls, at least, a send has passed that left while the server was known to have taken all
    /// of the others. Sends that left at once are one case.
    pub(super) fn passed_beside(&mut self, ordinal: u64) -> Option<u32> {
        let is_case = self.crowd.contains(ordinal) && !self.crowd.has_passed && self.is_unknown(ordinal);
        self.crowd.has_passed |= is_case;
        is_case.then_some(self.crowd.others)
    }

    fn is_unknown(&self, ordinal: u64) -> bool {
        let index = self.sends.partition_point(|sent| sent.ordinal < ordinal);
        self.sends.get(index).is_some_and(|sent| sent.ordinal == ordinal && !sent.is_known)
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
    /// as refusals take. Call it until it returns `None`.
    pub(super) fn next_acquitted(&mut self, patience: Duration, now: Duration) -> Option<Acquitted> {
        self.trim();
        let sent = *self.sends.front().filter(|sent| sent.at.saturating_add(patience) <= now)?;
        let Sent { ordinal, is_resend, .. } = sent;
        let beside = self.passed_beside(ordinal);
        self.known(ordinal);
        Some(Acquitted { ordinal, beside, is_resend })
    }

    /// Returns the number of sends whose outcome is not known yet.
    pub(super) fn unknown(&self) -> usize {
        self.unknown
    }

    /// Returns the oldest send whose outcome is not known yet.
    pub(super) fn oldest_unknown(&self) -> Option<u64> {
        self.sends.iter().find(|sent| !sent.is_known).map(|sent| sent.ordinal)
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

impl Crowd {
    fn contains(&self, ordinal: u64) -> bool {
        (self.first..self.end).contains(&ordinal)
    }
}

#[cfg(test)]
mod tests;
