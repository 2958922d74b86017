//! Members of a fleet, a store in memory and a server with a limit, in virtual time.

mod bucket;
mod tick;

use std::collections::VecDeque;

use self::bucket::Bucket;
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
    /// The attempts that were refused before.
    pub(super) refused: u32,
}

pub(super) struct World {
    pub(super) memory: Memory,
    /// The stores of other fleets.
    pub(super) others: Vec<Memory>,
    pub(super) members: Vec<Member>,
    pub(super) server: Bucket,
    pub(super) now: Duration,
    flight: VecDeque<Call>,
    /// The attempts of a request that is always refused, and a number that its backoff depends on.
    pub(super) attempts_of_bad: u32,
    pub(super) salt: u64,
}

impl World {
    /// Creates members, with a store between them if `shares` says so.
    pub(super) fn new(members: usize, rate: f64, burst: f64, shares: bool) -> Self {
        let memory = Memory::new();
        memory.set_trip(ms(2));
        memory.advance(START);
        let mut world = Self {
            memory,
            others: Vec::new(),
            members: Vec::new(),
            server: Bucket::new(rate, burst),
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
}
