//! A store in memory, for tests, for simulators, and for several layers of one process.

mod connection;
mod scripts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::connection::MemoryStore;
use self::connection::{Connection, Delivery};
use self::scripts::Entries;
use super::{Id, StoreRequest, UnreachableReason};

/// A store in memory, in virtual time. It can be slow, lose, stop and forget on command.
///
/// It does what a store on another machine and its driver do: an answer takes a [trip](Self::set_trip), one that takes longer
/// than the [timeout](Self::set_timeout) makes the member unreachable, and an unreachable store is tried again after 75 ms,
/// 0.3 s, and then each 1.5 s. All clones of the handle are the same store.
///
/// ```
/// use std::time::Duration;
/// use http_retry::fleet::entry::JoinQuestion;
/// use http_retry::fleet::{Answer, Id, Memory, Store, StoreCommand, StoreEvent, StoreRequest};
///
/// let memory = Memory::new();
/// memory.set_trip(Duration::from_millis(2));
/// let store = memory.connect();
/// store.send(StoreRequest::new(1, Id::new(0), StoreCommand::Join(JoinQuestion::default())));
/// assert_eq!(store.next_event(), None);
///
/// memory.advance(Duration::from_millis(2));
/// let Some(StoreEvent::Answer(1, Answer::Join(answer))) = store.next_event() else { panic!() };
/// assert_eq!(answer.members, 1);
/// ```
#[derive(Clone, Default)]
pub struct Memory {
    world: Arc<Mutex<World>>,
}

/// The store, its connections and what is under way between them.
#[derive(Default)]
struct World {
    now: Duration,
    entries: Entries,
    connections: Vec<Connection>,
    /// The requests on their way to the store, by the time at which they get there and their order.
    under_way: BTreeMap<(Duration, u64), (usize, StoreRequest)>,
    /// The number of requests and pieces of news until now.
    order: u64,
    health: Health,
    settings: Settings,
    /// The scripts that the store has run.
    runs: u64,
}

/// The state of the store, which decides whether it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Health {
    #[default]
    Up,
    /// The store takes requests and does not answer.
    Stopped,
    /// The store refuses each request at once.
    Down(UnreachableReason),
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    trip: Duration,
    timeout: Duration,
    /// Each piece of news of this number is lost, if it is not 0.
    lost_news: u64,
    /// The difference of the store's clock, in microseconds.
    clock: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { trip: Duration::ZERO, timeout: Duration::from_millis(50), lost_news: 0, clock: 0 }
    }
}

impl Memory {
    /// Creates a store without entries, at the time 0. Its trips take no time.
    pub fn new() -> Self {
        Self::default()
    }

    /// Connects one more member.
    pub fn connect(&self) -> MemoryStore {
        let mut world = self.lock();
        world.connections.push(Connection::default());
        MemoryStore::new(self.clone(), world.connections.len() - 1)
    }

    /// Lets time pass up to `now`. Requests get to the store, and events to its members.
    pub fn advance(&self, now: Duration) {
        let mut world = self.lock();
        world.advance(now);
        let wakers: Vec<_> = world.connections.iter_mut().filter_map(Connection::take_waker).collect();
        drop(world);
        // A waker is code of the caller, so it is not called under the lock.
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    /// Returns the time of the next event, if time has to pass for it.
    pub fn next_event_at(&self) -> Option<Duration> {
        let world = self.lock();
        let requests = world.under_way.keys().next().map(|(at, _)| *at);
        let events = world.connections.iter().filter_map(Connection::next_at).min();
        requests.into_iter().chain(events).min()
    }

    /// Sets the time from a request to its answer. Half of it passes before the script runs.
    pub fn set_trip(&self, trip: Duration) {
        self.lock().settings.trip = trip;
    }

    /// Sets the time after which a member takes the store for unreachable. The default is 50 ms.
    pub fn set_timeout(&self, timeout: Duration) {
        self.lock().settings.timeout = timeout;
    }

    /// Loses each piece of news whose number is a multiple of `every`. 0 loses none.
    pub fn lose_news(&self, every: u64) {
        self.lock().settings.lost_news = every;
    }

    /// Stops the store: it takes requests, and does not answer.
    pub fn stop(&self) {
        self.lock().health = Health::Stopped;
    }

    /// Takes the store down: each request fails at once, for this reason.
    pub fn take_down(&self, reason: UnreachableReason) {
        let mut world = self.lock();
        world.health = Health::Down(reason);
        world.under_way.clear();
        let now = world.now;
        for connection in &mut world.connections {
            connection.lose(now, reason);
        }
    }

    /// Brings a store up that was stopped or down.
    pub fn bring_up(&self) {
        self.lock().health = Health::Up;
    }

    /// Forgets all entries, as a store that was started again without its data.
    pub fn forget(&self) {
        self.lock().entries = Entries::default();
    }

    /// Returns a copy of all entries, as a replica has them.
    pub fn snapshot(&self) -> MemorySnapshot {
        MemorySnapshot(self.lock().entries.clone())
    }

    /// Replaces all entries by those of a replica.
    pub fn restore(&self, snapshot: &MemorySnapshot) {
        self.lock().entries = snapshot.0.clone();
    }

    /// Moves the store's clock by some microseconds, forward or back.
    pub fn step_clock(&self, by: i64) {
        self.lock().settings.clock += by;
    }

    /// Returns the number of scripts that the store has run.
    pub fn runs(&self) -> u64 {
        self.lock().runs
    }

    /// Returns the fields of the entry of a pace, in the order of [`PaceEntry::NAMES`](super::entry::PaceEntry::NAMES).
    pub fn pace_entry(&self, id: Id) -> Option<super::entry::PaceEntry> {
        self.lock().entries.pace(id)
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    fn advance(&mut self, now: Duration) {
        while let Some((&(at, order), _)) = self.under_way.first_key_value()
            && at <= now
        {
            self.now = self.now.max(at);
            if let Some((index, request)) = self.under_way.remove(&(at, order)) {
                self.run(index, &request);
            }
        }
        self.now = self.now.max(now);
        let is_up = self.health == Health::Up && self.settings.trip <= self.settings.timeout;
        for connection in &mut self.connections {
            connection.try_again(self.now, is_up);
        }
    }

    /// Runs a script that got to the store.
    fn run(&mut self, index: usize, request: &StoreRequest) {
        if self.health != Health::Up || self.connections[index].is_cut_off {
            return;
        }
        self.runs += 1;
        let clock = EPOCH + micros(self.now) + self.settings.clock;
        let (answer, news) = self.entries.run(clock, index as i64 + 1, request);
        let at = self.now + self.settings.trip / 2;
        self.connections[index].deliver(at, Delivery::Answer(request.number, answer));
        let Some(news) = news else {
            return;
        };
        self.order += 1;
        if self.settings.lost_news > 0 && self.order % self.settings.lost_news == 0 {
            return;
        }
        for connection in self.connections.iter_mut().filter(|connection| !connection.is_cut_off) {
            connection.deliver(at, Delivery::News(request.id, news));
        }
    }

    fn send(&mut self, index: usize, request: StoreRequest) {
        let (now, settings) = (self.now, self.settings);
        let connection = &mut self.connections[index];
        if !connection.is_reachable() {
            return;
        }
        if let Health::Down(reason) = self.health {
            return connection.lose(now, reason);
        }
        let is_silent = self.health == Health::Stopped || connection.is_cut_off;
        if is_silent || settings.trip > settings.timeout {
            connection.deliver(now + settings.timeout, Delivery::Timeout(request.number));
        }
        if !is_silent {
            self.order += 1;
            self.under_way.insert((now + settings.trip / 2, self.order), (index, request));
        }
    }
}

/// A copy of the entries of a [`Memory`].
#[derive(Clone)]
pub struct MemorySnapshot(Entries);

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let world = self.lock();
        f.debug_struct("Memory")
            .field("now", &world.now)
            .field("health", &world.health)
            .field("members", &world.connections.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MemorySnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySnapshot").finish_non_exhaustive()
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}

/// The time of the store's clock at which its virtual time begins, in microseconds, as far from 0 as a real one.
const EPOCH: i64 = 1_700_000_000_000_000;
