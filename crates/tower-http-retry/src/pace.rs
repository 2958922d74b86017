//! Callers who share a limit wait for each other: the queue of a [`Pace`], with timers and wakers.
//! [`PaceLayer`](crate::PaceLayer) is a pace alone, and [`RetryLayer::pace`](crate::RetryLayer::pace) adds one to retries.

pub(crate) mod error;
mod future;
pub(crate) mod layer;
mod line;
mod service;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use http_retry::{Admission, Pace, Permit, RequestHead, ResponseHead, Ticket};

pub(crate) use self::error::PaceError;
pub use self::future::PaceFuture;
pub(crate) use self::line::{Line, Passage};
pub use self::service::PaceService;
pub use crate::service::BoxedPacedRetry;
use crate::timer::{self, Timer};
pub use http_retry::PaceRejection;

/// A [`Pace`] that several layers share. Clones are handles of the same one.
///
/// ```
/// use tower_http_retry::{Pace, PaceLayer, RetryLayer};
/// use tower_http_retry::pace::SharedPace;
///
/// let pace = SharedPace::from(Pace::per_authority());
/// let retried = RetryLayer::default().pace(pace.clone());
/// let sent_once = PaceLayer::new(pace);
/// # let _: (RetryLayer<_, tower_http_retry::markers::Concrete, _>, _) = (retried, sent_once);
/// ```
#[derive(Clone)]
pub struct SharedPace {
    state: Arc<Mutex<State>>,
}

struct State {
    pace: Pace,
    /// Of those who wait.
    wakers: HashMap<Ticket, Waker>,
}

impl SharedPace {
    /// How many callers wait for their turn, of all keys together.
    pub fn waiting(&self) -> usize {
        self.lock().pace.waiting()
    }

    fn enter(&self, head: &RequestHead<'_>) -> Ticket {
        self.lock().pace.enter(head)
    }

    /// `waker` is told when to poll again. Without one the caller will poll with one soon.
    fn poll(&self, ticket: &Ticket, timer: &dyn Timer, waker: Option<&Waker>) -> Admission {
        let (now, waker) = (timer::monotonic(timer), waker.cloned());
        let (turn, former) = self.change(|state| {
            let turn = state.pace.poll(ticket, now);
            let former = match (&turn, waker) {
                (Admission::Wait(_), Some(waker)) => state.wakers.insert(*ticket, waker),
                (Admission::Wait(_), None) => None,
                (Admission::Go(_) | Admission::Rejected(_), waker) => state.wakers.remove(ticket).or(waker),
            };
            (turn, former)
        });
        drop(former);
        turn
    }

    fn leave(&self, ticket: &Ticket) {
        let former = self.change(|state| {
            state.pace.leave(ticket);
            state.wakers.remove(ticket)
        });
        drop(former);
    }

    fn observe(&self, pass: Permit, head: &ResponseHead<'_>, timer: &dyn Timer) {
        let now = timer::clock_reading(timer);
        self.change(|state| state.pace.observe(pass, head, now));
    }

    fn lose(&self, pass: Permit) {
        self.change(|state| state.pace.lose(pass));
    }

    fn still_lets(&self, pass: &Permit, now: Duration) -> bool {
        self.lock().pace.still_lets(pass, now)
    }

    /// Changes something, and wakes those who should look again. No waker is cloned, dropped or woken while the others
    /// are locked out: it is somebody else's code, and may do anything.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        let mut woken = Vec::new();
        while let Some(ticket) = state.pace.wake() {
            woken.extend(state.wakers.remove(&ticket));
        }
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A key function of the user's own may have panicked; it had changed nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Pace> for SharedPace {
    fn from(pace: Pace) -> Self {
        Self { state: Arc::new(Mutex::new(State { pace, wakers: HashMap::new() })) }
    }
}

impl fmt::Debug for SharedPace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().pace.fmt(f)
    }
}
