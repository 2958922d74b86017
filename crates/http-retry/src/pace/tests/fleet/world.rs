//! Members of a fleet, a store in memory and a server with a limit, in virtual time.

use std::collections::VecDeque;

use super::*;
use crate::fleet::entry::{JoinQuestion, News, PublishQuestion};
use crate::fleet::{Memory, MemoryStore, Store, StoreCommand, StoreRequest};

/// One member with its callers.
pub(super) struct Member {
    pub(super) pace: Pace,
    pub(super) store: MemoryStore,
    pub(super) is_dead: bool,
    /// A member that is paused does nothing, as a process that gets no time.
    pub(super) is_paused: bool,
    waiting: Vec<Caller>,
    pub(super) asks: u64,
    pub(super) served: Vec<Served>,
    pub(super) refused: u64,
    pub(super) probes: u64,
    joined_at: Option<Duration>,
}

/// A request that waits to be sent.
struct Caller {
    ticket: Ticket,
    arrived: Duration,
    until: Duration,
    flag: Arc<Flag>,
    attempts: u32,
    /// The server refuses this request whatever the load, without a hint.
    is_bad: bool,
}

/// A call in flight, whose answer comes at a time.
struct Call {
    member: usize,
    at: Duration,
    status: u16,
    permit: Permit,
    caller: Caller,
}

/// A request that was served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    pub(super) at: Duration,
    pub(super) took: Duration,
}

/// The server's token bucket.
pub(super) struct Bucket {
    pub(super) rate: f64,
    pub(super) burst: f64,
    pub(super) is_down: bool,
    /// It refuses one of so many calls whatever the load, or none.
    pub(super) refuses_each: u64,
    level: f64,
    at: Duration,
    pub(super) calls: u64,
    pub(super) refused: u64,
}

pub(super) struct World {
    pub(super) memory: Memory,
    pub(super) members: Vec<Member>,
    pub(super) server: Bucket,
    pub(super) now: Duration,
    flight: VecDeque<Call>,
    /// The attempts of a request that is always refused, and a number that its backoff depends on.
    pub(super) attempts_of_bad: u32,
    pub(super) salt: u64,
}

const TICK: Duration = Duration::from_millis(1);
/// The time from a call to its answer.
const LATENCY: Duration = Duration::from_millis(20);

impl World {
    /// Creates members, with a store between them if `shares` says so.
    pub(super) fn new(members: usize, rate: f64, burst: f64, shares: bool) -> Self {
        let memory = Memory::new();
        memory.set_trip(ms(2));
        memory.advance(START);
        let server = Bucket {
            rate,
            burst,
            is_down: false,
            refuses_each: 0,
            level: burst,
            at: START,
            calls: 0,
            refused: 0,
        };
        let mut world = Self {
            memory,
            members: Vec::new(),
            server,
            now: START,
            flight: VecDeque::new(),
            salt: 0,
            attempts_of_bad: 9,
        };
        (0..members).for_each(|_| world.join(shares));
        world
    }

    /// Creates members of a fleet that knows the limit: some part of the server's rate, and its burst.
    pub(super) fn known(members: usize, rate: f64, burst: f64, part: f64) -> Self {
        let mut world = Self::new(members, rate, burst, true);
        let announced = PublishQuestion {
            kind: News::ANNOUNCED,
            gap: (1e6 / (rate * part)) as i64,
            burst: (burst * 1_000.0) as i64,
            left: 2,
            ..PublishQuestion::default()
        };
        // Its first request gives the key an id.
        world.arrive(0);
        world.pass(ms(50));
        let request = StoreRequest::new(u64::MAX - 1, world.key(), StoreCommand::Publish(announced));
        world.members[0].store.send(request);
        world.pass(secs(2));
        world.reset();
        world
    }

    /// Adds a member.
    pub(super) fn join(&mut self, shares: bool) {
        let store = self.memory.connect();
        let ids = self.memory.connect();
        let pace = Pace::per_authority();
        let pace = if shares { pace.fleet("api", ms(200), move |key| ids.id(key)) } else { pace };
        self.members.push(Member {
            pace,
            store,
            is_dead: false,
            is_paused: false,
            waiting: Vec::new(),
            asks: 0,
            served: Vec::new(),
            refused: 0,
            probes: 0,
            joined_at: None,
        });
    }

    /// A request of a caller comes to a member.
    pub(super) fn arrive(&mut self, member: usize) {
        self.call(member, false);
    }

    /// A request comes to a member that the server always refuses.
    pub(super) fn arrive_bad(&mut self, member: usize) {
        self.call(member, true);
    }

    fn call(&mut self, member: usize, is_bad: bool) {
        let member = &mut self.members[member];
        let flag = Flag::new().0;
        let (ticket, now) = (ticket(&member.pace, "key", ""), self.now);
        member.waiting.push(Caller { ticket, arrived: now, until: now, flag, attempts: 0, is_bad });
    }

    /// Lets requests come at a rate, to the members by turns, for some time.
    pub(super) fn load(&mut self, rate: f64, time: Duration) {
        let (begin, mut sent) = (self.now, 0_u64);
        while self.now < begin + time {
            let due = ((self.now - begin).as_secs_f64() * rate) as u64;
            while sent < due {
                // Members that are gone get nothing: a balancer leaves them out.
                let alive: Vec<_> =
                    (0..self.members.len()).filter(|index| !self.members[*index].is_dead).collect();
                self.arrive(alive[sent as usize % alive.len()]);
                sent += 1;
            }
            self.tick();
        }
    }

    /// Lets time pass until all requests are served. Returns how long that took.
    pub(super) fn finish(&mut self, most: Duration) -> Duration {
        let begin = self.now;
        while self.now < begin + most && (self.waiting() > 0 || !self.flight.is_empty()) {
            self.tick();
        }
        self.now - begin
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.tick();
        }
    }

    /// Counts from now on.
    pub(super) fn reset(&mut self) {
        (self.server.calls, self.server.refused) = (0, 0);
        for member in &mut self.members {
            (member.asks, member.refused, member.probes) = (0, 0, 0);
            member.served.clear();
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.members.iter().filter(|member| !member.is_dead).map(|member| member.waiting.len()).sum()
    }

    /// Returns the number of requests that wait, but for those that are always refused.
    pub(super) fn good_waiting(&self) -> usize {
        self.members.iter().flat_map(|member| &member.waiting).filter(|caller| !caller.is_bad).count()
    }

    /// Returns the number of requests to the store.
    pub(super) fn asks(&self) -> u64 {
        self.members.iter().map(|member| member.asks).sum()
    }

    pub(super) fn probes(&self) -> u64 {
        self.members.iter().map(|member| member.probes).sum()
    }

    /// Returns the number of members that the store does not answer.
    pub(super) fn alone(&self) -> usize {
        self.members.iter().filter(|member| member.pace.store_unreachable().is_some()).count()
    }

    /// Returns the id of the key of all requests.
    pub(super) fn key(&self) -> Id {
        let pace = &self.members[0].pace;
        pace.id_of_key(&ticket(pace, "key", "")).unwrap()
    }

    pub(super) fn served(&self) -> usize {
        self.members.iter().map(|member| member.served.len()).sum()
    }

    /// Returns the time of the request that waited longest but for one in a hundred, from a time on.
    pub(super) fn p99(&self, from: Duration) -> Duration {
        let served = self.members.iter().flat_map(|member| &member.served);
        let mut took: Vec<_> = served.filter(|served| served.at >= from).map(|served| served.took).collect();
        took.sort_unstable();
        took.get(took.len() * 99 / 100).copied().unwrap_or_default()
    }

    fn tick(&mut self) {
        self.now += TICK;
        self.memory.advance(self.now);
        for index in 0..self.members.len() {
            if !self.members[index].is_dead && !self.members[index].is_paused {
                self.answer(index);
                self.turn(index);
            }
        }
    }

    /// Hands the answers of calls to a member.
    fn answer(&mut self, index: usize) {
        let now = self.now;
        let mut rest = VecDeque::new();
        while let Some(call) = self.flight.pop_front() {
            if call.member != index || call.at > now {
                rest.push_back(call);
                continue;
            }
            let member = &mut self.members[index];
            let mut caller = call.caller;
            let head = response(call.status, (call.status != 200 && !caller.is_bad).then_some(1));
            let settlement = settle(&member.pace, call.permit, &head, now);
            if call.status == 200 {
                member.served.push(Served { at: now, took: now - caller.arrived });
                continue;
            }
            member.refused += 1;
            caller.attempts += u32::from(!settlement.is_uncounted);
            if caller.is_bad {
                if caller.attempts < self.attempts_of_bad {
                    let window =
                        ms(500).saturating_mul(1 << caller.attempts.saturating_sub(1).min(8)).min(secs(10));
                    let part = (member.refused + self.salt * 7919).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
                    caller.ticket.not_before(now + window.mul_f64(part as f64 / 1_024.0));
                    caller.until = now;
                    member.waiting.push(caller);
                }
                continue;
            }
            // The hint is rounded up to whole seconds, and the session spreads behind it.
            let spread = ms(37 * (u64::from(caller.attempts) * 7 + member.refused) % 250);
            caller.ticket.not_before(now + secs(1) + spread);
            caller.until = now;
            member.waiting.push(caller);
        }
        self.flight = rest;
    }

    /// Lets a member hear its store, send its requests and ask the store.
    fn turn(&mut self, index: usize) {
        let now = self.now;
        let member = &mut self.members[index];
        while let Some(event) = member.store.next_event() {
            member.pace.on_store_event(&event, now);
        }
        if member.joined_at.is_none_or(|at| now >= at + secs(2)) {
            member.joined_at = Some(now);
            let question = JoinQuestion { layout: 1, leaves: 0 };
            member.store.send(StoreRequest::new(u64::MAX, Id::new(0), StoreCommand::Join(question)));
        }
        let mut waiting = std::mem::take(&mut member.waiting);
        let mut sent = true;
        while std::mem::take(&mut sent) {
            let mut rest = Vec::new();
            for mut caller in waiting {
                if caller.until > now && !caller.flag.take() {
                    rest.push(caller);
                    continue;
                }
                let waker = Waker::from(Arc::clone(&caller.flag));
                match member.pace.poll(&mut caller.ticket, now, Some(&waker)) {
                    Admission::Go(permit) => {
                        member.probes += u64::from(permit.is_probe());
                        let status = if caller.is_bad { 429 } else { self.server.take(now + LATENCY / 2) };
                        let at = now + LATENCY;
                        self.flight.push_back(Call { member: index, at, status, permit, caller });
                        sent = true;
                    }
                    Admission::Wait { until, .. } => {
                        caller.until = until;
                        rest.push(caller);
                    }
                    Admission::Rejected(rejection) => panic!("{rejection:?}"),
                }
            }
            waiting = rest;
        }
        member.waiting = waiting;
        while let Some(request) = member.pace.next_store_request(now) {
            member.asks += 1;
            member.store.send(request);
        }
    }
}

impl Bucket {
    fn take(&mut self, now: Duration) -> u16 {
        self.calls += 1;
        self.level = (self.level + now.saturating_sub(self.at).as_secs_f64() * self.rate).min(self.burst);
        self.at = self.at.max(now);
        // The calls that are refused are spread like those of a server that refuses by chance.
        let is_chance = self.refuses_each > 0
            && self.calls.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (self.refuses_each * 1_000) < 1_000;
        if self.level < 1.0 || self.is_down || is_chance {
            self.refused += 1;
            return if self.is_down { 503 } else { 429 };
        }
        self.level -= 1.0;
        200
    }
}
