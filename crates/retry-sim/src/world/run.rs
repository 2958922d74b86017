//! The events of a run, one after the other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use http::Request;
use http_retry::{Admission, Ticket};
use http_retry::{
    Attempt, ClockReading, Decision, Pace, Permit, RequestHead, ResponseHead, RetryAfterFirst, Session,
};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::bucket::{Bucket, Server};
use crate::report::{Call, Report};

/// A run that is under way.
pub(super) struct Run {
    now: Duration,
    /// When, which of those at the same time first, to whom, what.
    events: BinaryHeap<Reverse<(Duration, u64, usize, Event)>>,
    scheduled: u64,
    server: Server,
    latency_ms: RangeInclusive<u64>,
    pace: Option<Pace>,
    callers: Vec<Caller>,
    /// Who waits with which ticket.
    in_line: BTreeMap<Ticket, usize>,
    request: Request<()>,
    rng: Xoshiro256PlusPlus,
    report: Report,
}

/// Who has one request to send.
struct Caller {
    session: Session,
    /// Its place in line, once it has one.
    ticket: Option<Ticket>,
    /// When its alarm rings. It has but one, so that a caller whom the pace forgets to wake sleeps on.
    alarm: Option<Duration>,
    /// While its call is under way.
    pass: Option<Permit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The caller wants to send.
    Ready,
    /// The alarm that it had set rings, unless it has set another since.
    Alarm,
    /// Its call reaches the server. The answer takes as long for the way back.
    Reach { sent_at: Duration },
    /// The answer is there.
    Answer { served: bool },
}

impl Run {
    pub(super) fn new(
        bucket: Bucket,
        latency_ms: RangeInclusive<u64>,
        pace: Option<Pace>,
        sessions: Vec<Session>,
        seed: u64,
    ) -> Self {
        let caller = |session| Caller { session, ticket: None, alarm: None, pass: None };
        Self {
            now: Duration::ZERO,
            events: BinaryHeap::new(),
            scheduled: 0,
            server: Server::new(bucket),
            latency_ms,
            pace,
            callers: sessions.into_iter().map(caller).collect(),
            in_line: BTreeMap::new(),
            request: Request::new(()),
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            report: Report { calls: Vec::new(), served: 0, time: Duration::ZERO },
        }
    }

    /// Plays it to its end.
    pub(super) fn play(mut self) -> Report {
        for caller in 0..self.callers.len() {
            self.schedule(Duration::ZERO, caller, Event::Ready);
        }
        while let Some(Reverse((at, _, caller, event))) = self.events.pop() {
            self.now = at;
            self.happens(caller, event);
            self.wake();
        }
        self.report
    }

    fn schedule(&mut self, at: Duration, caller: usize, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((at, self.scheduled, caller, event)));
    }

    fn happens(&mut self, caller: usize, event: Event) {
        match event {
            Event::Ready => self.enter(caller, Duration::ZERO),
            Event::Alarm if self.callers[caller].alarm == Some(self.now) => self.poll(caller),
            Event::Alarm => {}
            Event::Reach { sent_at } => self.reach(caller, sent_at),
            Event::Answer { served } => self.hear(caller, served),
        }
    }

    /// Those whom the pace wants to poll again do so.
    fn wake(&mut self) {
        while let Some(ticket) = self.pace.as_mut().and_then(Pace::wake) {
            if let Some(&caller) = self.in_line.get(&ticket) {
                self.poll(caller);
            }
        }
    }

    /// The caller takes a ticket, if there are any, and waits for its turn.
    fn enter(&mut self, caller: usize, not_before: Duration) {
        let Some(pace) = &mut self.pace else {
            return self.send(caller);
        };
        let kept = self.callers[caller].ticket;
        let ticket = kept.unwrap_or_else(|| pace.enter(&RequestHead::from(&self.request)));
        let ticket = ticket.not_before(not_before);
        self.callers[caller].ticket = Some(ticket);
        self.in_line.insert(ticket, caller);
        self.poll(caller);
    }

    fn poll(&mut self, caller: usize) {
        let (Some(pace), Some(ticket)) = (&mut self.pace, self.callers[caller].ticket) else {
            return;
        };
        let turn = pace.poll(&ticket, self.now);
        let alarm = match &turn {
            Admission::Wait(until) => *until,
            Admission::Go(_) | Admission::Rejected(_) => None,
        };
        self.callers[caller].alarm = alarm;
        if let Some(at) = alarm {
            self.schedule(at, caller, Event::Alarm);
        }
        match turn {
            Admission::Wait(_) => {}
            Admission::Go(pass) => {
                self.callers[caller].pass = Some(pass);
                self.in_line.remove(&ticket);
                self.send(caller);
            }
            Admission::Rejected(_) => {
                self.in_line.remove(&ticket);
                self.report.time = self.now;
            }
        }
    }

    fn send(&mut self, caller: usize) {
        self.callers[caller].session.resend();
        let way = Duration::from_micros(self.rng.random_range(self.latency_ms.clone()) * 500);
        self.schedule(self.now + way, caller, Event::Reach { sent_at: self.now });
    }

    fn reach(&mut self, caller: usize, sent_at: Duration) {
        let served = self.server.serves(self.now);
        let attempt = self.callers[caller].session.number();
        self.report.calls.push(Call { request: caller, attempt, sent_at, reached_at: self.now, served });
        self.schedule(self.now + (self.now - sent_at), caller, Event::Answer { served });
    }

    /// The caller tells the others, and then decides for itself.
    fn hear(&mut self, caller: usize, served: bool) {
        let response = Server::answer(served);
        let head = ResponseHead::from(&response);
        let now = ClockReading::new(self.now, SystemTime::UNIX_EPOCH);
        let Caller { session, pass, .. } = &mut self.callers[caller];
        if let (Some(pace), Some(pass)) = (&mut self.pace, pass.take()) {
            pace.observe(pass, &head, now);
        }
        let attempt = Attempt::new(session.number(), &self.request, head);
        let step = session.decide(&RetryAfterFirst::default(), &attempt, None, || now, &mut self.rng);
        match step {
            Decision::Accept | Decision::GiveUp(_) => {
                self.report.served += u32::from(served);
                self.report.time = self.now;
            }
            Decision::Wait(delay) if self.pace.is_some() => self.enter(caller, self.now + delay),
            Decision::Wait(delay) => self.schedule(self.now + delay, caller, Event::Ready),
        }
    }
}
