//! Who waits for one key, and in which order.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Ticket;

/// The callers who wait for one key. The tickets' own order is that in which they came.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// May go as soon as the gate lets them.
    due: BTreeSet<Ticket>,
    /// May not go yet, whatever the gate says; by the moment from which they may.
    early: BTreeSet<(Duration, Ticket)>,
    /// All who have a deadline, by that.
    hurried: BTreeSet<(Duration, Ticket)>,
}

impl Line {
    pub(super) fn len(&self) -> usize {
        self.due.len() + self.early.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nobody who is due came before this one.
    pub(super) fn is_first(&self, ticket: &Ticket) -> bool {
        self.due.first().is_none_or(|first| ticket <= first)
    }

    /// Who watches the clock for all: the first who is due, or else the next who will be.
    pub(super) fn watch(&self) -> Option<Ticket> {
        let next = || self.early.first().map(|(_, ticket)| ticket);
        self.due.first().or_else(next).copied()
    }

    /// The first moment at which somebody becomes due or comes too late.
    pub(super) fn next_change(&self) -> Option<Duration> {
        let start = self.early.first().map(|(start, _)| *start);
        let end = self.hurried.first().map(|(end, _)| end.saturating_add(INSTANT));
        start.into_iter().chain(end).min()
    }

    pub(super) fn contains(&self, ticket: &Ticket) -> bool {
        self.due.contains(ticket) || self.early.contains(&(ticket.not_before, *ticket))
    }

    pub(super) fn join(&mut self, ticket: Ticket, now: Duration) {
        match ticket.not_before > now {
            true => self.early.insert((ticket.not_before, ticket)),
            false => self.due.insert(ticket),
        };
        if let Some(end) = ticket.ends_at {
            self.hurried.insert((end, ticket));
        }
    }

    /// Whether the ticket was here.
    pub(super) fn leave(&mut self, ticket: &Ticket) -> bool {
        if let Some(end) = ticket.ends_at {
            self.hurried.remove(&(end, *ticket));
        }
        self.due.remove(ticket) || self.early.remove(&(ticket.not_before, *ticket))
    }

    /// Lets those whose time has come take their place among the others.
    pub(super) fn promote(&mut self, now: Duration) {
        while let Some((_, ticket)) = self.early.first().filter(|(start, _)| *start <= now).copied() {
            self.early.pop_first();
            self.due.insert(ticket);
        }
    }

    /// Takes out one who comes too late if nobody goes before `opening`.
    pub(super) fn pop_late(&mut self, opening: Duration) -> Option<Ticket> {
        let (_, ticket) = self.hurried.first().filter(|(end, _)| *end < opening).copied()?;
        self.leave(&ticket);
        Some(ticket)
    }
}

/// At its deadline a request may still go.
const INSTANT: Duration = Duration::from_nanos(1);
