//! One member: its pace, its connection to the store and the requests that it has.

use std::task::Waker;
use std::time::Duration;

use http::Request;
use http_retry::fleet::entry::JoinQuestion;
use http_retry::fleet::{Id, Memory, MemoryStore, Store, StoreCommand, StoreRequest};
use http_retry::{Pace, RequestHead, Ticket};

use crate::wake_queue::WakeQueue;

/// One member of the fleet.
pub(super) struct Member {
    pub(super) pace: Pace,
    pub(super) store: MemoryStore,
    pub(super) woken: WakeQueue,
    pub(super) is_dead: bool,
    /// `true` if a caller of the member polled, or had an answer, since its last turn.
    pub(super) is_touched: bool,
    pub(super) asks: u64,
    pub(super) served: u64,
    joined_at: Option<Duration>,
}

impl Member {
    pub(super) fn new(memory: &Memory, shares: bool) -> Self {
        let (store, ids) = (memory.connect(), memory.connect());
        let pace = Pace::per(|_| ()).waiters(1_000_000);
        let pace =
            if shares { pace.fleet("api", Duration::from_millis(200), move |key| ids.id(key)) } else { pace };
        let (woken, is_dead, joined_at) = (WakeQueue::default(), false, None);
        Self { pace, store, woken, is_dead, is_touched: true, asks: 0, served: 0, joined_at }
    }

    pub(super) fn ticket(&self) -> Ticket {
        self.pace.ticket(&RequestHead::from(&Request::new(())))
    }

    pub(super) fn waker(&self, caller: usize) -> Waker {
        self.woken.waker(caller)
    }

    /// Hears the store, and sends it what is due. A member joins again each two seconds.
    pub(super) fn turn(&mut self, now: Duration) {
        while let Some(event) = self.store.next_event() {
            self.pace.on_store_event(&event, now);
        }
        if self.joined_at.is_none_or(|at| now >= at + JOINS) {
            self.joined_at = Some(now);
            let question = JoinQuestion::from_numbers([1, 0]);
            self.store.send(StoreRequest::new(u64::MAX, Id::new(0), StoreCommand::Join(question)));
        }
        while let Some(request) = self.pace.next_store_request(now) {
            self.asks += 1;
            self.store.send(request);
        }
    }

    pub(super) fn next_at(&self) -> Duration {
        let joins = self.joined_at.map_or(Duration::ZERO, |at| at + JOINS);
        self.pace.next_store_request_at(None).map_or(joins, |at| at.min(joins))
    }
}

/// The time between two signs of life.
pub(super) const JOINS: Duration = Duration::from_secs(2);
