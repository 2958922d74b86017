//! One key: who waits, and how fast they go.

use std::collections::VecDeque;
use std::time::Duration;

use super::flow::Flow;
use super::line::Line;
use super::news::News;
use super::{Admission, PaceRejection, Permit, Terms, Ticket};

/// The gate of one key.
#[derive(Debug)]
pub(super) struct Gate {
    line: Line,
    flow: Flow,
}

impl Gate {
    pub(super) fn new(terms: &Terms, now: Duration) -> Self {
        Self { line: Line::default(), flow: Flow::new(terms, now) }
    }

    pub(super) fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Whether the server does not want quiet.
    pub(super) fn is_open(&self, now: Duration) -> bool {
        self.flow.shut_until() <= now
    }

    /// Whether it can be forgotten without harm.
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        self.line.is_empty() && self.flow.is_idle(now)
    }

    /// When it was last used.
    pub(super) fn touched(&self) -> Duration {
        self.flow.touched()
    }

    /// `has_room` says whether one more may wait.
    pub(super) fn poll(
        &mut self,
        ticket: Ticket,
        now: Duration,
        has_room: bool,
        wakes: &mut VecDeque<Ticket>,
    ) -> Admission {
        let (watched, change) = (self.line.watch(), self.line.next_change());
        self.line.promote(now);
        self.turn_away(now, wakes);
        let turn = self.turn(ticket, now, has_room);
        let watch = self.line.watch();
        // Whoever watches the clock from now on, or has to look at it earlier than it knows, is told.
        let is_earlier =
            self.line.next_change().is_some_and(|next| change.is_none_or(|change| next < change));
        if (watch != watched || is_earlier) && watch != Some(ticket) {
            wakes.extend(watch);
        }
        turn
    }

    fn turn(&mut self, ticket: Ticket, now: Duration, has_room: bool) -> Admission {
        let opens_at = self.flow.opens_at(now).max(ticket.not_before);
        let earliest = now.max(ticket.not_before).max(self.flow.shut_until());
        if ticket.ends_at.is_some_and(|end| end < earliest) {
            self.line.leave(&ticket);
            return Admission::Rejected(PaceRejection::Deadline);
        }
        if opens_at <= now && self.line.is_first(&ticket) {
            self.line.leave(&ticket);
            return Admission::Go(self.flow.depart(ticket.key, now, !self.line.is_empty()));
        }
        if !self.line.contains(&ticket) {
            if !has_room {
                return Admission::Rejected(PaceRejection::Waiters);
            }
            self.line.join(ticket, now);
        }
        if self.line.watch() != Some(ticket) {
            return Admission::Wait(None);
        }
        Admission::Wait(Some(self.line.next_change().map_or(opens_at, |change| change.min(opens_at))))
    }

    pub(super) fn leave(&mut self, ticket: &Ticket, wakes: &mut VecDeque<Ticket>) {
        let watched = self.line.watch() == Some(*ticket);
        if self.line.leave(ticket) && watched {
            wakes.extend(self.line.watch());
        }
    }

    pub(super) fn hear(
        &mut self,
        pass: &Permit,
        news: &News,
        terms: &Terms,
        now: Duration,
        wakes: &mut VecDeque<Ticket>,
    ) {
        self.flow.hear(pass, news, terms, now);
        self.turn_away(now, wakes);
        wakes.extend(self.line.watch());
    }

    pub(super) fn lose(&mut self, pass: &Permit, wakes: &mut VecDeque<Ticket>) {
        self.flow.lose(pass.number);
        wakes.extend(self.line.watch());
    }

    /// Those who cannot go in time need not wait for it.
    fn turn_away(&mut self, now: Duration, wakes: &mut VecDeque<Ticket>) {
        let opening = self.flow.shut_until().max(now);
        while let Some(ticket) = self.line.pop_late(opening) {
            wakes.push_back(ticket);
        }
    }
}
