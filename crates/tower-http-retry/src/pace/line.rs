//! One caller: in line, and then on its way.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_retry::{Admission, PaceRejection, Permit, ResponseHead, Ticket};

use super::SharedPace;
use crate::timer::{self, Sleep, Timer};

/// A caller who waits for its turn. Dropping this leaves the line.
pub(crate) struct Line {
    pace: SharedPace,
    ticket: Ticket,
    timer: Arc<dyn Timer>,
    /// The caller's turn came before anybody polled.
    passage: Option<Passage>,
    /// Where the caller watches the clock for all: until when.
    alarm: Option<(Duration, Sleep)>,
    is_waiting: bool,
}

impl Line {
    /// Joins the line, unless it is known at once that it would be in vain.
    pub(crate) fn join(
        pace: SharedPace,
        ticket: Ticket,
        timer: Arc<dyn Timer>,
    ) -> Result<Self, PaceRejection> {
        let turn = pace.poll(&ticket, &*timer, None);
        let mut line = Self { pace, ticket, timer, passage: None, alarm: None, is_waiting: false };
        match turn {
            Admission::Go(pass) => line.passage = Some(line.passage(pass)),
            Admission::Wait(_) => line.is_waiting = true,
            Admission::Rejected(refusal) => return Err(refusal),
        }
        Ok(line)
    }

    /// Whether the caller's turn came at once.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Passage, PaceRejection>> {
        if let Some(passage) = self.passage.take() {
            return Poll::Ready(Ok(passage));
        }
        loop {
            match self.pace.poll(&self.ticket, &*self.timer, Some(cx.waker())) {
                Admission::Go(pass) => {
                    self.is_waiting = false;
                    return Poll::Ready(Ok(self.passage(pass)));
                }
                Admission::Rejected(refusal) => {
                    self.is_waiting = false;
                    return Poll::Ready(Err(refusal));
                }
                Admission::Wait(None) => {
                    self.alarm = None;
                    return Poll::Pending;
                }
                Admission::Wait(Some(until)) => ready!(self.poll_alarm(until, cx)),
            }
        }
    }

    fn poll_alarm(&mut self, until: Duration, cx: &mut Context<'_>) -> Poll<()> {
        if self.alarm.as_ref().is_none_or(|(set, _)| *set != until) {
            let delay = until.saturating_sub(timer::monotonic(&*self.timer));
            self.alarm = Some((until, self.timer.sleep(delay)));
        }
        let (_, sleep) = self.alarm.as_mut().expect("it was just set");
        ready!(sleep.as_mut().poll(cx));
        self.alarm = None;
        Poll::Ready(())
    }

    fn passage(&self, pass: Permit) -> Passage {
        Passage { pace: self.pace.clone(), pass: Some(pass) }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_waiting {
            self.pace.leave(&self.ticket);
        }
    }
}

/// A send that is under way. Dropping this tells the others that nothing will be heard of it.
pub(crate) struct Passage {
    pace: SharedPace,
    pass: Option<Permit>,
}

impl Passage {
    /// Whether the gate was not closed since the turn came.
    pub(crate) fn is_open(&self, timer: &dyn Timer) -> bool {
        self.pass.as_ref().is_some_and(|pass| self.pace.still_lets(pass, timer::monotonic(timer)))
    }

    /// Tells what came of it.
    pub(crate) fn observe(mut self, head: &ResponseHead<'_>, timer: &dyn Timer) {
        if let Some(pass) = self.pass.take() {
            self.pace.observe(pass, head, timer);
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.pace.lose(pass);
        }
    }
}
