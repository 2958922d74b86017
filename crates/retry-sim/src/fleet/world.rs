//! The members, the store between them and the server, event by event.

mod callers;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use http_retry::fleet::{Memory, UnreachableReason};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use self::callers::FleetCaller;
use super::member::{JOINS, Member};
use super::scenario::{Fault, FleetLoad, FleetScenario};
use super::server::FleetServer;

/// What a run cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct FleetFigures {
    /// The requests that came.
    pub requests: u64,
    /// The calls of the server, and those that it refused.
    pub calls: u64,
    /// The refused calls.
    pub refused: u64,
    /// The requests that were not served.
    pub unserved: u64,
    /// The time of the whole run, in seconds.
    pub time: f64,
    /// The longest time of a request but for one in a hundred, in seconds.
    pub p99: f64,
    /// The requests to the store for a thousand requests.
    pub asks: f64,
    /// Jain's index of what the members were served.
    pub jain: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FleetEvent {
    Arrival,
    Poll { caller: usize, polls: u32 },
    Answer { caller: usize },
    Fault { begins: bool },
}

pub(super) struct World<'a> {
    scenario: &'a FleetScenario,
    memory: Memory,
    members: Vec<Member>,
    server: FleetServer,
    callers: Vec<Option<FleetCaller>>,
    open: usize,
    events: BinaryHeap<Reverse<(Duration, u64, FleetEvent)>>,
    order: u64,
    now: Duration,
    /// The time until which requests come, and at which rate.
    arrivals: (Duration, f64),
    arrives_at: Option<Duration>,
    began: Duration,
    took: Vec<f64>,
    requests: u64,
    rng: SmallRng,
}

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a FleetScenario, members: usize, seed: u64) -> Self {
        let memory = Memory::new();
        memory.set_trip(scenario.trip);
        let members = (0..members).map(|_| Member::new(&memory, scenario.shares)).collect();
        Self {
            scenario,
            memory,
            members,
            server: FleetServer::new(scenario.rate, scenario.burst),
            callers: Vec::new(),
            open: 0,
            events: BinaryHeap::new(),
            order: 0,
            now: Duration::ZERO,
            arrivals: (Duration::ZERO, 0.0),
            arrives_at: None,
            began: Duration::ZERO,
            took: Vec::new(),
            requests: 0,
            rng: SmallRng::seed_from_u64(seed),
        }
    }

    /// Lets the members join. The first ones hear how many they are when they join again.
    pub(super) fn join(&mut self) {
        self.turn(true);
        self.now = JOINS;
        self.memory.advance(self.now);
        self.turn(true);
        self.now += self.scenario.trip;
        self.memory.advance(self.now);
        self.turn(true);
        self.began = self.now;
    }

    /// Lets the members meet the limit, and rest.
    pub(super) fn warm_up(&mut self) {
        let rate = 1.5 * self.scenario.rate;
        // Long enough for the limit to be found, and not so long that thousands wait.
        let seconds = (WARM_UP_REQUESTS / rate).clamp(0.3, 12.0);
        self.arrivals = (Duration::from_secs_f64(seconds), rate);
        self.begin_arrivals();
        self.play();
        self.now += Duration::from_secs(2);
        self.members.iter_mut().for_each(|member| (member.asks, member.served) = (0, 0));
        (self.server.calls, self.server.refused, self.requests) = (0, 0, 0);
        self.took.clear();
        self.began = self.now;
    }

    /// Plays the scenario itself.
    pub(super) fn run(&mut self) {
        let (time, rate) = (self.scenario.time, self.scenario.rate);
        if self.scenario.fault == Fault::News {
            self.memory.lose_news(100);
        }
        let lasts = match self.scenario.fault {
            Fault::None | Fault::News => None,
            Fault::Killed => Some((time / 3, time)),
            Fault::StoreGone => Some((time / 3, time / 6)),
            Fault::Outage => Some((time / 3, time / 10)),
        };
        if let Some((at, lasts)) = lasts {
            self.add(self.now + at, FleetEvent::Fault { begins: true });
            self.add(self.now + at + lasts, FleetEvent::Fault { begins: false });
        }
        match self.scenario.load {
            FleetLoad::Part(part) => {
                self.arrivals = (self.now + time, part * rate);
                self.begin_arrivals();
            }
            FleetLoad::AtOnce(seconds) => (0..(seconds * rate) as u64).for_each(|_| self.arrive()),
        }
        self.play();
    }

    pub(super) fn figures(&mut self) -> FleetFigures {
        self.took.sort_by(f64::total_cmp);
        let served = self.members.iter().map(|member| member.served as f64);
        let (sum, squares) = (served.clone().sum::<f64>(), served.map(|served| served * served).sum::<f64>());
        FleetFigures {
            requests: self.requests,
            calls: self.server.calls,
            refused: self.server.refused,
            unserved: self.requests - self.took.len() as u64,
            time: (self.now - self.began).as_secs_f64(),
            p99: self.took.get(self.took.len() * 99 / 100).copied().unwrap_or_default(),
            asks: 1e3 * self.members.iter().map(|member| member.asks).sum::<u64>() as f64
                / self.requests.max(1) as f64,
            jain: sum * sum / (self.members.len() as f64 * squares),
        }
    }

    fn begin_arrivals(&mut self) {
        self.arrives_at = Some(self.now);
        self.add(self.now, FleetEvent::Arrival);
    }

    fn add(&mut self, at: Duration, event: FleetEvent) {
        self.order += 1;
        self.events.push(Reverse((at, self.order, event)));
    }

    /// Plays until all requests that came are answered.
    fn play(&mut self) {
        let most = self.now + Duration::from_secs(600);
        while self.now < most && (self.open > 0 || self.arrives_at.is_some()) {
            let events = self.events.peek().map(|event| event.0.0);
            let store = self.memory.next_event_at();
            let members = self.members.iter().filter(|member| !member.is_dead).map(Member::next_at).min();
            let Some(at) = events.into_iter().chain(store).chain(members).min() else {
                return;
            };
            let is_heard = store.is_some_and(|store| store <= at);
            self.now = self.now.max(at);
            self.memory.advance(self.now);
            while let Some(Reverse((at, _, event))) = self.events.pop() {
                if at > self.now {
                    self.events.push(Reverse((at, 0, event)));
                    break;
                }
                self.happen(event);
            }
            self.turn(is_heard);
        }
    }

    /// Lets members hear the store, and the callers poll that were woken. Most members have nothing to do at most times.
    fn turn(&mut self, is_heard: bool) {
        for index in 0..self.members.len() {
            let is_touched = std::mem::take(&mut self.members[index].is_touched);
            let is_idle = !is_heard && !is_touched && self.members[index].next_at() > self.now;
            if self.members[index].is_dead || is_idle {
                continue;
            }
            self.members[index].turn(self.now);
            while let Some(caller) = self.members[index].woken.pop() {
                self.poll(caller, None);
            }
            self.members[index].turn(self.now);
        }
    }

    fn happen(&mut self, event: FleetEvent) {
        match event {
            FleetEvent::Arrival => {
                self.arrive();
                let (until, rate) = self.arrivals;
                let wait = -(1.0 - self.rng.random::<f64>()).ln() / rate;
                let at = self.now + Duration::from_secs_f64(wait);
                self.arrives_at = (at < until).then_some(at);
                if at < until {
                    self.add(at, FleetEvent::Arrival);
                }
            }
            FleetEvent::Poll { caller, polls } => self.poll(caller, Some(polls)),
            FleetEvent::Answer { caller } => self.answer(caller),
            FleetEvent::Fault { begins } => self.fail(begins),
        }
    }

    fn fail(&mut self, begins: bool) {
        match (self.scenario.fault, begins) {
            (Fault::StoreGone, true) => self.memory.take_down(UnreachableReason::Closed),
            (Fault::StoreGone, false) => {
                self.memory.forget();
                self.memory.bring_up();
            }
            (Fault::Outage, _) => self.server.is_down = begins,
            (Fault::Killed, true) if self.members.len() > 1 => {
                self.members[0].is_dead = true;
                // Its clients come again, to the others.
                for index in 0..self.callers.len() {
                    if self.callers[index].as_ref().is_some_and(|caller| caller.member == 0) {
                        self.callers[index] = None;
                        self.open -= 1;
                        self.requests -= 1;
                        self.arrive();
                    }
                }
            }
            _ => {}
        }
    }
}

/// The requests that come before a run, at one and a half times the limit.
const WARM_UP_REQUESTS: f64 = 900.0;
