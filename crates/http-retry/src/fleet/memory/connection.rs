//! The connection of one member to a store in memory, with what a driver does for it.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Memory;
use crate::fleet::entry::News;
use crate::fleet::{Answer, Id, Store, StoreEvent, StoreRequest, UnreachableReason};

/// One member's connection to a [`Memory`].
pub struct MemoryStore {
    memory: Memory,
    index: usize,
}

/// The state of a connection.
#[derive(Default)]
pub(super) struct Connection {
    /// The deliveries on their way to the member, in the order of time.
    deliveries: VecDeque<(Duration, Delivery)>,
    /// The events that the member has not taken yet.
    events: VecDeque<StoreEvent>,
    /// The requests in flight.
    open: Vec<u64>,
    waker: Option<Waker>,
    /// The time at which the store is tried again, and the attempts before, while it is unreachable.
    unreachable: Option<(Duration, u32)>,
    /// `true` while nothing gets from the member to the store, or back.
    pub(super) is_cut_off: bool,
}

/// Something on its way to a member.
#[derive(Clone, Copy, Debug)]
pub(super) enum Delivery {
    Answer(u64, Answer),
    News(Id, News),
    /// The time is up in which this request had to be answered.
    Timeout(u64),
}

impl MemoryStore {
    pub(super) fn new(memory: Memory, index: usize) -> Self {
        Self { memory, index }
    }

    /// Cuts the member off from the store, or ends that.
    pub fn cut_off(&self, is_cut_off: bool) {
        self.memory.lock().connections[self.index].is_cut_off = is_cut_off;
    }

    /// Returns the next event that has come, if there is one.
    pub fn next_event(&self) -> Option<StoreEvent> {
        let mut world = self.memory.lock();
        let now = world.now;
        world.connections[self.index].next_event(now)
    }
}

impl Store for MemoryStore {
    fn id(&self, key: &[u8]) -> Id {
        // All members of one process have the same hasher.
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(salt);
            hasher.write(key);
            hasher.finish()
        };
        Id::new(u128::from(half(0)) << 64 | u128::from(half(1)))
    }

    fn send(&self, request: StoreRequest) {
        let mut world = self.memory.lock();
        world.connections[self.index].open.push(request.number);
        world.send(self.index, request);
        // A trip that takes no time is over at once.
        let now = world.now;
        world.advance(now);
        let waker = world.connections[self.index].take_waker();
        drop(world);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll_event(&self, context: &mut Context<'_>) -> Poll<Option<StoreEvent>> {
        let mut world = self.memory.lock();
        let now = world.now;
        let connection = &mut world.connections[self.index];
        if let Some(event) = connection.next_event(now) {
            return Poll::Ready(Some(event));
        }
        let before = connection.waker.replace(context.waker().clone());
        drop(world);
        drop(before);
        Poll::Pending
    }
}

impl Connection {
    pub(super) fn is_reachable(&self) -> bool {
        self.unreachable.is_none()
    }

    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    /// Returns the time of the next event that has not come yet.
    pub(super) fn next_at(&self) -> Option<Duration> {
        let delivery = self.deliveries.front().map(|(at, _)| *at);
        let attempt = self.unreachable.map(|(at, _)| at);
        delivery.into_iter().chain(attempt).min()
    }

    pub(super) fn deliver(&mut self, at: Duration, delivery: Delivery) {
        let place = self.deliveries.partition_point(|(other, _)| *other <= at);
        self.deliveries.insert(place, (at, delivery));
    }

    /// Makes the store unreachable.
    pub(super) fn lose(&mut self, now: Duration, reason: UnreachableReason) {
        self.open.clear();
        if self.unreachable.is_none() {
            self.events.push_back(StoreEvent::Unreachable(reason));
            self.unreachable = Some((now + if reason.is_lasting() { LASTING } else { ATTEMPTS[0] }, 1));
        }
    }

    /// Tries an unreachable store again, if it is time.
    pub(super) fn try_again(&mut self, now: Duration, is_up: bool) {
        self.arrive(now);
        let Some((at, attempts)) = self.unreachable.filter(|(at, _)| *at <= now) else {
            return;
        };
        if is_up && !self.is_cut_off {
            self.unreachable = None;
            self.events.push_back(StoreEvent::Reachable);
            return;
        }
        let wait = ATTEMPTS[(attempts as usize).min(ATTEMPTS.len() - 1)];
        self.unreachable = Some((at.max(now) + wait, attempts + 1));
    }

    fn next_event(&mut self, now: Duration) -> Option<StoreEvent> {
        self.arrive(now);
        self.events.pop_front()
    }

    /// Turns what has arrived into events.
    fn arrive(&mut self, now: Duration) {
        while let Some((at, delivery)) = self.deliveries.pop_front() {
            if at > now {
                self.deliveries.push_front((at, delivery));
                return;
            }
            match delivery {
                Delivery::Answer(number, answer) => {
                    self.open.retain(|open| *open != number);
                    self.events.push_back(StoreEvent::Answer(number, answer));
                }
                Delivery::News(id, news) => self.events.push_back(StoreEvent::News(id, news)),
                Delivery::Timeout(number) => {
                    if self.open.contains(&number) {
                        self.lose(at, UnreachableReason::Timeout);
                    }
                }
            }
        }
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("memory", &self.memory).field("index", &self.index).finish()
    }
}

/// The times after which an unreachable store is tried again.
const ATTEMPTS: [Duration; 3] =
    [Duration::from_millis(75), Duration::from_millis(300), Duration::from_millis(1_500)];
/// The time after which a store is tried again that waiting alone does not heal.
const LASTING: Duration = Duration::from_secs(30);
