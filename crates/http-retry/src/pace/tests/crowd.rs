//! Callers who do as they are told, and a clock that moves from one event to the next.

use std::collections::BTreeMap;

use super::*;

/// Callers who poll when they are woken or when their clock says so, and at no other time.
///
/// What must hold at any time is asserted with each step.
pub(super) struct Crowd {
    pub(super) pace: Pace,
    pub(super) now: Duration,
    /// Those who wait, and until when.
    pub(super) line: BTreeMap<Ticket, Option<Duration>>,
    /// The sends that the server has not seen yet.
    pub(super) under_way: Vec<(Ticket, Permit)>,
    pub(super) sends: Vec<Send>,
    pub(super) refusals: Vec<(Ticket, PaceRejection)>,
    /// The tickets of those who were served, in that order.
    pub(super) served: Vec<u64>,
    /// When what was sent is heard of, and what will be.
    flights: BTreeMap<(Duration, usize), (Ticket, Permit, Response<()>)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Send {
    pub(super) at: Duration,
    pub(super) number: u64,
    pub(super) status: u16,
}

impl Crowd {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            now: Duration::ZERO,
            line: BTreeMap::new(),
            under_way: Vec::new(),
            sends: Vec::new(),
            refusals: Vec::new(),
            served: Vec::new(),
            flights: BTreeMap::new(),
        }
    }

    pub(super) fn enter(&mut self) -> Ticket {
        self.pace.enter(&(&request("https://api.example/")).into())
    }

    pub(super) fn arrive(&mut self, callers: usize) {
        for _ in 0..callers {
            let ticket = self.enter();
            self.poll(&ticket);
        }
    }

    /// One poll, and then all that it leads to.
    pub(super) fn poll(&mut self, ticket: &Ticket) {
        self.poll_once(ticket);
        self.settle();
    }

    fn poll_once(&mut self, ticket: &Ticket) {
        self.line.remove(ticket);
        match self.pace.poll(ticket, self.now) {
            Admission::Go(pass) => {
                self.assert_may_go(ticket);
                self.under_way.push((*ticket, pass));
            }
            Admission::Wait(until) => {
                assert!(until.is_none_or(|until| until > self.now), "to wait until {until:?} is not to wait");
                self.line.insert(*ticket, until);
            }
            Admission::Rejected(refusal) => self.refusals.push((*ticket, refusal)),
        }
    }

    fn assert_may_go(&self, ticket: &Ticket) {
        assert!(ticket.not_before <= self.now, "before its time: {ticket:?} at {:?}", self.now);
        assert!(ticket.ends_at.is_none_or(|end| self.now <= end), "too late: {ticket:?} at {:?}", self.now);
        let is_due =
            |other: &&Ticket| other.not_before <= self.now && other.ends_at.is_none_or(|end| self.now <= end);
        let mut before = self.line.range(..*ticket).map(|(other, _)| other);
        let passed_over = before.find(|other| other.key == ticket.key && is_due(other));
        assert!(passed_over.is_none(), "{ticket:?} went before {passed_over:?}");
    }

    /// Those who are woken poll.
    pub(super) fn settle(&mut self) {
        let patience = 1_000 + 10 * self.line.len();
        for _ in 0..patience {
            let Some(woken) = self.pace.wake() else {
                assert_eq!(self.pace.waiting(), self.line.len(), "at {:?}", self.now);
                return;
            };
            if self.line.contains_key(&woken) {
                self.poll_once(&woken);
            }
        }
        panic!("they wake each other without end");
    }

    /// Moves the clock, and lets those poll whose moment comes.
    pub(super) fn advance_to(&mut self, moment: Duration) {
        while let Some((until, ticket)) = self.next_alarm().filter(|(until, _)| *until <= moment) {
            self.now = until;
            self.poll(&ticket);
        }
        self.now = moment;
    }

    fn next_alarm(&self) -> Option<(Duration, Ticket)> {
        self.line.iter().filter_map(|(ticket, until)| Some(((*until)?, *ticket))).min()
    }

    /// Runs until nothing is under way and nobody has a moment to wait for. Of each send, `server` says what it
    /// is answered with and after which time. Those who are not served send again.
    pub(super) fn run(&mut self, mut server: impl FnMut(Duration) -> (Response<()>, Duration)) {
        self.run_to(Duration::MAX, &mut server);
        assert!(self.line.is_empty(), "forgotten: {:?}", self.line);
    }

    pub(super) fn run_to(
        &mut self,
        end: Duration,
        server: &mut impl FnMut(Duration) -> (Response<()>, Duration),
    ) {
        loop {
            for (ticket, pass) in std::mem::take(&mut self.under_way) {
                let (response, latency) = server(self.now);
                let status = response.status().as_u16();
                let arrival = (self.now + latency, self.sends.len());
                self.sends.push(Send { at: self.now, number: ticket.number, status });
                self.flights.insert(arrival, (ticket, pass, response));
            }
            let arrival = self.flights.keys().next().copied();
            let alarm = self.next_alarm();
            match (arrival, alarm) {
                (Some((at, _)), alarm) if at <= end && alarm.is_none_or(|(until, _)| at <= until) => {
                    self.now = at;
                    self.land();
                }
                (_, Some((until, ticket))) if until <= end => {
                    self.now = until;
                    self.poll(&ticket);
                }
                _ => return,
            }
        }
    }

    /// The next answer arrives.
    fn land(&mut self) {
        let (_, (ticket, pass, response)) = self.flights.pop_first().unwrap();
        self.pace.observe(pass, &(&response).into(), moment(self.now));
        self.settle();
        match response.status().is_success() {
            true => self.served.push(ticket.number),
            false => self.poll(&ticket),
        }
    }

    /// How many sends were refused since then.
    pub(super) fn refused_since(&self, moment: Duration) -> usize {
        self.sends.iter().filter(|send| send.at >= moment && send.status != 200).count()
    }
}
