//! Callers, a server, and the network between them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use http::Request;
use http_retry::{
    Attempt, Moment, Pace, Pass, RequestHead, ResponseHead, RetryAfterFirst, Session, Step, Ticket, Turn,
};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::bucket::{Bucket, Server};

/// Callers who all want one request served at the same moment.
#[derive(Debug)]
pub struct World {
    bucket: Bucket,
    requests: u32,
    attempts: u32,
    latency_ms: RangeInclusive<u64>,
    pace: Option<Pace>,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// Every call, in the order in which they were sent.
    pub calls: Vec<Call>,
    /// How many requests were served.
    pub served: u32,
    /// When the last caller had its answer.
    pub time: Duration,
}

/// One call, as the server saw it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// When it came in.
    pub at: Duration,
    /// Whether it was served.
    pub served: bool,
}

impl World {
    /// So many requests at once, each through a session of its own with the default policy.
    pub fn new(bucket: Bucket, requests: u32) -> Self {
        Self { bucket, requests, attempts: Session::ATTEMPTS, latency_ms: 1..=200, pace: None }
    }

    /// Sets how often a request may be sent.
    pub fn attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// Sets how long a call takes there and back, in milliseconds; each draws its own.
    pub fn latency_ms(self, latency_ms: RangeInclusive<u64>) -> Self {
        Self { latency_ms, ..self }
    }

    /// Lets the callers wait for each other.
    pub fn pace(self, pace: Pace) -> Self {
        Self { pace: Some(pace), ..self }
    }

    /// Lets time pass until every caller has an answer.
    pub fn run(self, seed: u64) -> Report {
        let mut run = Run {
            now: Duration::ZERO,
            events: BinaryHeap::new(),
            scheduled: 0,
            server: Server::new(self.bucket),
            latency_ms: self.latency_ms,
            pace: self.pace,
            callers: Vec::new(),
            holders: HashMap::new(),
            request: Request::get("http://api.example/").body(()).unwrap_or_default(),
            rng: SmallRng::seed_from_u64(seed),
            report: Report { calls: Vec::new(), served: 0, time: Duration::ZERO },
        };
        let session = || Session::new().attempts(self.attempts).deadline(None).started(Duration::ZERO);
        for caller in 0..self.requests as usize {
            let session = if run.pace.is_some() { session().paced() } else { session() };
            run.callers.push(Caller { session, ticket: None, pass: None });
            run.schedule(Duration::ZERO, caller, Event::Send);
        }
        while let Some(Reverse((at, _, caller, event))) = run.events.pop() {
            run.now = at;
            run.happens(caller, event);
        }
        run.report
    }
}

struct Run {
    now: Duration,
    /// When, which of those at the same time first, to whom, what.
    events: BinaryHeap<Reverse<(Duration, u64, usize, Event)>>,
    scheduled: u64,
    server: Server,
    latency_ms: RangeInclusive<u64>,
    pace: Option<Pace>,
    callers: Vec<Caller>,
    holders: HashMap<Ticket, usize>,
    request: Request<()>,
    rng: SmallRng,
    report: Report,
}

struct Caller {
    session: Session,
    /// Its place in line, once it has one.
    ticket: Option<Ticket>,
    /// While its call is under way.
    pass: Option<Pass>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The caller wants to send.
    Send,
    /// The clock that the caller watches.
    Alarm,
    /// Its call reaches the server. The answer takes as long for the way back.
    Arrive { way: Duration },
    /// The answer is there.
    Answer { served: bool },
}

impl Run {
    fn schedule(&mut self, at: Duration, caller: usize, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((at, self.scheduled, caller, event)));
    }

    fn happens(&mut self, caller: usize, event: Event) {
        match event {
            Event::Send => self.enter(caller, Duration::ZERO),
            Event::Alarm => self.poll(caller),
            Event::Arrive { way } => {
                let served = self.server.serves(self.now);
                self.report.calls.push(Call { at: self.now, served });
                self.schedule(self.now + way, caller, Event::Answer { served });
            }
            Event::Answer { served } => self.answered(caller, served),
        }
        while let Some(ticket) = self.pace.as_mut().and_then(Pace::wake) {
            if let Some(&caller) = self.holders.get(&ticket) {
                self.poll(caller);
            }
        }
    }

    /// The caller takes a ticket, if there are any, and waits for its turn.
    fn enter(&mut self, caller: usize, not_before: Duration) {
        let Some(pace) = &mut self.pace else {
            return self.send(caller);
        };
        let head = RequestHead::from(&self.request);
        let ticket = self.callers[caller].ticket.unwrap_or_else(|| pace.enter(&head)).not_before(not_before);
        self.callers[caller].ticket = Some(ticket);
        self.holders.insert(ticket, caller);
        self.poll(caller);
    }

    fn poll(&mut self, caller: usize) {
        let (Some(pace), Some(ticket)) = (&mut self.pace, self.callers[caller].ticket) else {
            return;
        };
        if !self.holders.contains_key(&ticket) {
            return;
        }
        match pace.poll(&ticket, self.now) {
            Turn::Wait(None) => {}
            Turn::Wait(Some(until)) => self.schedule(until, caller, Event::Alarm),
            Turn::Go(pass) => {
                self.callers[caller].pass = Some(pass);
                self.holders.remove(&ticket);
                self.send(caller);
            }
            Turn::Refused(refusal) => unreachable!("nobody has a deadline, and there is room: {refusal}"),
        }
    }

    fn send(&mut self, caller: usize) {
        let way = Duration::from_micros(self.rng.random_range(self.latency_ms.clone()) * 500);
        self.schedule(self.now + way, caller, Event::Arrive { way });
    }

    fn answered(&mut self, caller: usize, served: bool) {
        let response = Server::answer(served);
        let head = ResponseHead::from(&response);
        let now = Moment::new(self.now, SystemTime::UNIX_EPOCH);
        let state = &mut self.callers[caller];
        if let (Some(pace), Some(pass)) = (&mut self.pace, state.pass.take()) {
            pace.observe(pass, &head, now);
        }
        let attempt = Attempt::new(state.session.number(), &self.request, head);
        let step = state.session.decide(&RetryAfterFirst::default(), &attempt, None, || now, &mut self.rng);
        match step {
            Step::Accept | Step::GiveUp(_) => {
                self.report.served += u32::from(served);
                self.report.time = self.now;
            }
            Step::Wait(delay) => {
                state.session.resend();
                match self.pace {
                    Some(_) => self.enter(caller, self.now + delay),
                    None => self.schedule(self.now + delay, caller, Event::Send),
                }
            }
        }
    }
}
