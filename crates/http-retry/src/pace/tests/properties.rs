//! The promises that hold in any order of events.

mod events;

use std::collections::BTreeMap;

use proptest::prelude::*;

use self::events::{Answer, BACK, Event, Hint, events};
use super::*;

const KEYS: [&str; 3] = ["a", "b", "c"];
const TENANTS: [&str; 3] = ["x", "y", "z"];
const LONGEST: Duration = Duration::from_secs(20);
/// The longest gap between two slots, beside a stop.
const SLOT: Duration = Duration::from_secs(120);

struct Waiting {
    key: usize,
    ticket: Ticket,
    not_before: Duration,
    deadline: Option<Duration>,
    until: Duration,
}

struct InFlight {
    request: Waiting,
    permit: Permit,
}

/// A pace, and what must be true of it.
struct Model {
    pace: Pace,
    now: Duration,
    /// The latest time that was told to the pace.
    latest: Duration,
    waiting: Vec<Waiting>,
    in_flight: Vec<InFlight>,
}

impl Model {
    fn new(slow_start: bool) -> Self {
        let pace = fair(Pace::per_authority()).longest(LONGEST);
        let pace = if slow_start { pace.slow_start() } else { pace };
        Self { pace, now: START, latest: START, waiting: Vec::new(), in_flight: Vec::new() }
    }

    fn come(&mut self, key: usize, tenant: usize, deadline: Option<u64>) {
        let deadline = deadline.map(|millis| self.now + ms(millis));
        let mut ticket = ticket(&self.pace, KEYS[key], TENANTS[tenant]);
        ticket.deadline(deadline);
        let (not_before, until) = (Duration::ZERO, Duration::ZERO);
        self.poll(Waiting { key, ticket, not_before, deadline, until });
    }

    fn poll(&mut self, mut request: Waiting) {
        let now = self.now;
        match self.pace.poll(&mut request.ticket, now, Some(Waker::noop())) {
            Admission::Go(permit) => {
                assert!(now >= request.not_before, "{:?} before the own hint", request.not_before - now);
                assert!(request.deadline.is_none_or(|deadline| now <= deadline), "after the deadline");
                self.in_flight.push(InFlight { request, permit });
            }
            Admission::Wait { until, .. } => {
                let own = request.not_before.max(self.latest);
                let longest = own.saturating_add(LONGEST.max(SLOT) + secs(2));
                assert!(until > now, "a wait that is over");
                assert!(until <= longest, "a wait until {until:?} at {now:?}");
                let deadline = request.deadline.map(|deadline| deadline.max(now) + ms(1));
                assert!(deadline.is_none_or(|deadline| until <= deadline), "a wait beyond the deadline");
                self.waiting.push(Waiting { until, ..request });
            }
            Admission::Rejected(PaceRejection::TooLong) => assert!(request.deadline.is_some()),
            Admission::Rejected(other) => panic!("{other}"),
        }
    }

    fn settle(&mut self, InFlight { mut request, permit }: InFlight, answer: Answer) {
        let head = Response::builder().status(answer.status);
        let (head, hint) = match answer.hint {
            Hint::None => (head, None),
            Hint::Millis(millis) => (head.header("retry-after-ms", millis), Some(ms(millis))),
            Hint::Seconds(seconds) => (head.header("retry-after", seconds), Some(secs(seconds))),
            Hint::Century => (head.header("retry-after", 3_155_760_000_u64), Some(secs(3_155_760_000))),
        };
        let settlement = settle(&self.pace, permit, &head.body(()).unwrap(), self.now);
        assert_eq!(settlement.is_refused, answer.status != 200);
        if settlement.is_refused && answer.comes_again {
            request.not_before = self.now + hint.unwrap_or(ms(500));
            request.ticket.not_before(request.not_before);
            self.poll(request);
        }
    }

    fn take_waiting(&mut self, index: usize) -> Option<Waiting> {
        let len = self.waiting.len();
        (len > 0).then(|| self.waiting.swap_remove(index % len))
    }

    fn take_in_flight(&mut self, index: usize) -> Option<InFlight> {
        let len = self.in_flight.len();
        (len > 0).then(|| self.in_flight.swap_remove(index % len))
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Come { key, tenant, deadline } => self.come(key, tenant, deadline),
            Event::Burst { key, count } => (0..count).for_each(|index| self.come(key, index % 2, None)),
            Event::Poll(index) => {
                if let Some(request) = self.take_waiting(index) {
                    self.poll(request);
                }
            }
            Event::Settle(index, answer) => {
                if let Some(sent) = self.take_in_flight(index) {
                    self.settle(sent, answer);
                }
            }
            Event::SettleAll(answer) => {
                for sent in std::mem::take(&mut self.in_flight) {
                    self.settle(sent, answer);
                }
            }
            Event::Lose(index) => {
                if let Some(sent) = self.take_in_flight(index) {
                    self.pace.lose(sent.permit, self.now);
                }
            }
            Event::GiveBack(index) => {
                if let Some(InFlight { mut request, permit }) = self.take_in_flight(index) {
                    self.pace.give_back(&mut request.ticket, permit, self.now);
                    self.poll(request);
                }
            }
            Event::Leave(index) => {
                if let Some(mut request) = self.take_waiting(index) {
                    self.pace.leave(&mut request.ticket, self.now);
                }
            }
            Event::Step(millis) => self.now += ms(millis),
            Event::Jump(seconds) => self.now += secs(seconds),
            Event::Back(millis) => {
                self.now = (self.now - ms(millis)).max(self.latest.saturating_sub(ms(BACK)))
            }
        }
        self.latest = self.latest.max(self.now);
        self.check_counts();
    }

    fn check_counts(&self) {
        assert_eq!(self.pace.waiting(), self.waiting.len());
        let mut counts = BTreeMap::new();
        for request in &self.waiting {
            counts.entry(request.key).or_insert((0, 0)).0 += 1;
        }
        for sent in &self.in_flight {
            counts.entry(sent.request.key).or_insert((0, 0)).1 += 1;
        }
        for (index, key) in KEYS.iter().enumerate() {
            let report = self.pace.report(&ticket(&self.pace, key, ""), self.now);
            let counted = (report.waiting, report.in_flight);
            assert_eq!(counted, counts.get(&index).copied().unwrap_or_default(), "key {key}");
        }
    }

    /// The server serves each call within 20 ms, and each request polls at its own time only. Requests that wait for a century
    /// give up.
    fn serve_all(&mut self) {
        self.now = self.latest;
        let served = Answer { status: 200, hint: Hint::None, comes_again: false };
        let begin = self.now;
        let mut polls = 0_u64;
        let far = self.now + secs(3_600);
        for mut request in std::mem::take(&mut self.waiting) {
            match request.not_before > far {
                true => self.pace.leave(&mut request.ticket, self.now),
                false => self.waiting.push(request),
            }
        }
        loop {
            for sent in std::mem::take(&mut self.in_flight) {
                self.settle(sent, served);
            }
            let Some(next) = self.waiting.iter().map(|request| request.until).min() else {
                return;
            };
            self.now = self.now.max(next);
            self.latest = self.now;
            let (due, waiting) =
                std::mem::take(&mut self.waiting).into_iter().partition(|request| request.until <= self.now);
            self.waiting = waiting;
            polls += due.len() as u64;
            due.into_iter().for_each(|request| self.poll(request));
            if !self.in_flight.is_empty() {
                self.now += ms(20);
                self.latest = self.now;
            }
            let (left, took) = (self.waiting.len(), self.now - begin);
            assert!(took < secs(1_800), "{left} still wait after {took:?}");
            assert!(polls < 100_000, "{left} still wait after {polls} polls");
        }
    }

    /// All give up, and no answer comes.
    fn end_all(&mut self) {
        for mut request in std::mem::take(&mut self.waiting) {
            self.pace.leave(&mut request.ticket, self.now);
        }
        for sent in std::mem::take(&mut self.in_flight) {
            self.pace.lose(sent.permit, self.now);
        }
        self.check_counts();
    }

    /// A key of which nothing was heard for long is free again, after a few calls.
    fn check_free(&mut self) {
        self.now = self.latest + secs(900);
        for key in KEYS {
            for _ in 0..100 {
                let permit = go(&self.pace, &mut ticket(&self.pace, key, "x"), self.now);
                self.now += ms(20);
                settle(&self.pace, permit, &response(200, None), self.now);
            }
            let report = self.pace.report(&ticket(&self.pace, key, ""), self.now);
            assert_eq!(report.why, None, "{report}");
        }
        assert_eq!(self.pace.reports(self.now, 10), []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn all_are_served_once_the_server_serves(events in events(), slow_start in any::<bool>()) {
        let mut model = Model::new(slow_start);
        events.into_iter().for_each(|event| model.apply(event));
        model.serve_all();
        model.check_counts();
        model.check_free();
    }

    #[test]
    fn nothing_is_left_when_all_give_up(events in events(), slow_start in any::<bool>()) {
        let mut model = Model::new(slow_start);
        events.into_iter().for_each(|event| model.apply(event));
        model.end_all();
        model.check_free();
    }
}
