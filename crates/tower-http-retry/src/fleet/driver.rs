//! The task of a member: it moves requests to the store, and answers and news to paces and budgets.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http_retry::fleet::entry::JoinQuestion;
use http_retry::fleet::{Answer, Id, Store, StoreCommand, StoreEvent, StoreRequest, UnreachableReason};
use tokio::time::{Instant, Sleep, sleep};

use super::open::OpenRequests;
use super::shared::{Shared, Users};
use super::user::User;
use super::{FleetEvent, FleetState};
use crate::timer::{self, TokioTimer};

/// The task of a member.
pub(super) struct Driver {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    open: OpenRequests,
    /// The reason for which the store does not answer, if it does not.
    unreachable: Option<UnreachableReason>,
    /// The time of the next sign of life.
    join_at: Duration,
    /// The time at which the task next looks for users that were dropped.
    tidy_at: Duration,
    leaving: Leaving,
}

/// The progress of a member that leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// Paces and budgets give back what they have in hand, until this time at the latest.
    GivingBack(Duration),
    /// The store is told, and answers until this time at the latest.
    Told(Duration),
    Left,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            store: shared.store(),
            shared,
            open: OpenRequests::default(),
            unreachable: None,
            join_at: Duration::ZERO,
            tidy_at: Duration::ZERO,
            leaving: Leaving::No,
        }
    }

    /// Runs until the store is closed, or all handles, paces and budgets of the fleet are dropped.
    pub(super) async fn run(mut self) {
        let mut sleep = pin!(sleep(Duration::ZERO));
        poll_fn(|context| self.poll(sleep.as_mut(), context)).await;
    }

    fn poll(&mut self, mut sleep: Pin<&mut Sleep>, context: &mut Context<'_>) -> Poll<()> {
        self.shared.register(context.waker());
        for _ in 0..MAX_ROUNDS {
            let now = timer::monotonic(&TokioTimer);
            let users = self.shared.users();
            if !self.hear(&users, context, now) {
                return Poll::Ready(());
            }
            self.greet(&users, now);
            self.tidy(&users, now);
            self.join(&users, now);
            self.ask(&users, now);
            self.leave(&users, now);
            if self.leaving == Leaving::Left && self.is_unused() {
                return Poll::Ready(());
            }
            let Some(wait) = self.next_at(&users, context.waker()).checked_sub(now) else {
                continue;
            };
            if wait.is_zero() {
                continue;
            }
            sleep.as_mut().reset(Instant::now() + wait);
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        // The other tasks of the runtime have their turn.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes in the store's events. Returns `false` once the store is closed.
    fn hear(&mut self, users: &Users, context: &mut Context<'_>, now: Duration) -> bool {
        loop {
            match self.store.poll_event(context) {
                Poll::Ready(Some(event)) => self.on_event(users, &event, now),
                Poll::Ready(None) => return false,
                Poll::Pending => return true,
            }
        }
    }

    fn on_event(&mut self, users: &Users, event: &StoreEvent, now: Duration) {
        match event {
            StoreEvent::Answer(number, answer) => return self.on_answer(users, *number, *answer, now),
            StoreEvent::News(_, news) => self.shared.count_news(news),
            StoreEvent::Unreachable(reason) => {
                self.open.clear();
                self.unreachable = Some(*reason);
                self.shared.count_lost(*reason);
            }
            StoreEvent::Reachable => {
                self.unreachable = None;
                self.join_at = now;
            }
            _ => {}
        }
        users.iter().for_each(|user| user.on_event(event, now));
        if let StoreEvent::Unreachable(reason) = event {
            self.shared.set_state(FleetState::Alone(*reason), now);
        }
    }

    fn on_answer(&mut self, users: &Users, number: u64, answer: Answer, now: Duration) {
        let Some(open) = self.open.take(number) else {
            return;
        };
        let took = now.saturating_sub(open.sent_at);
        self.shared.tell(&FleetEvent::Answered { script: open.script, took });
        let event = StoreEvent::Answer(open.number, answer);
        match (&open.user, answer) {
            (Some(user), _) => user.on_event(&event, now),
            (None, Answer::Join(joined)) => {
                self.shared.set_joined(joined);
                users.iter().for_each(|user| user.on_event(&event, now));
            }
            (None, _) => {}
        }
        if answer != Answer::Failed {
            self.shared.set_state(FleetState::Joined, now);
        }
        if matches!(self.leaving, Leaving::Told(_)) && open.user.is_none() {
            self.left();
        }
    }

    /// Tells new paces and budgets what the others know.
    fn greet(&self, users: &Users, now: Duration) {
        for user in users.iter().filter(|user| user.greet()) {
            if let Some(joined) = self.shared.joined() {
                user.on_event(&StoreEvent::Answer(0, Answer::Join(joined)), now);
            }
            if let Some(reason) = self.unreachable {
                user.on_event(&StoreEvent::Unreachable(reason), now);
            }
        }
    }

    /// Lets dropped paces and budgets go, once they have given back what they had in hand.
    fn tidy(&mut self, users: &Users, now: Duration) {
        if self.tidy_at > now {
            return;
        }
        self.tidy_at = now + SIGN_OF_LIFE;
        self.open.forget_old(now);
        let is_gone = |user: &User| user.is_unused() && !user.leave(now);
        self.shared.remove(is_gone);
        let is_abandoned = users.iter().all(|user| user.is_unused()) && Arc::strong_count(&self.shared) == 1;
        if self.leaving == Leaving::No && is_abandoned {
            self.begin_to_leave(users, now);
        }
    }

    fn is_unused(&self) -> bool {
        Arc::strong_count(&self.shared) == 1 && self.shared.users().iter().all(|user| user.is_unused())
    }

    /// Gives a sign of life, if it is time.
    fn join(&mut self, users: &Users, now: Duration) {
        if self.leaving == Leaving::No && self.shared.wants_to_leave() {
            self.begin_to_leave(users, now);
        }
        if self.leaving != Leaving::No || self.unreachable.is_some() || self.join_at > now {
            return;
        }
        self.join_at = now + SIGN_OF_LIFE;
        self.send_join(false, now);
    }

    fn send_join(&mut self, leaves: bool, now: Duration) {
        let question = JoinQuestion::from_numbers([LAYOUT, i64::from(leaves)]);
        self.send(None, StoreRequest::new(0, Id::new(0), StoreCommand::Join(question)), now);
    }

    /// Sends the requests that are due.
    fn ask(&mut self, users: &Users, now: Duration) {
        for user in users.iter() {
            while let Some(request) = user.next_request(now) {
                self.send(Some(Arc::clone(user)), request, now);
            }
        }
    }

    fn send(&mut self, user: Option<Arc<User>>, mut request: StoreRequest, now: Duration) {
        self.shared.count_ask(request.command.script());
        self.open.add(user, &mut request, now);
        self.store.send(request);
    }

    fn begin_to_leave(&mut self, users: &Users, now: Duration) {
        for user in users.iter() {
            user.leave(now);
        }
        self.leaving = Leaving::GivingBack(now + LONGEST_LEAVE);
    }

    /// Goes on to leave: the store is told once all is given back.
    fn leave(&mut self, users: &Users, now: Duration) {
        match self.leaving {
            Leaving::GivingBack(_) | Leaving::Told(_) if self.unreachable.is_some() => self.left(),
            Leaving::GivingBack(until) => {
                let has_request = |user: &Arc<User>| user.next_request_at(None).is_some_and(|at| at <= now);
                if until <= now || self.open.is_empty() && !users.iter().any(has_request) {
                    self.leaving = Leaving::Told(until.max(now + LONGEST_LEAVE / 2));
                    self.send_join(true, now);
                }
            }
            Leaving::Told(until) if until <= now => self.left(),
            _ => {}
        }
    }

    fn left(&mut self) {
        self.leaving = Leaving::Left;
        self.shared.set_left();
    }

    /// Returns when there is something to do. The waker is woken if that is earlier.
    fn next_at(&self, users: &Users, waker: &Waker) -> Duration {
        let requests = users.iter().filter_map(|user| user.next_request_at(Some(waker))).min();
        let join = (self.leaving == Leaving::No && self.unreachable.is_none()).then_some(self.join_at);
        let leaving = match self.leaving {
            Leaving::GivingBack(until) | Leaving::Told(until) => Some(until),
            Leaving::No | Leaving::Left => None,
        };
        [requests, join, leaving].into_iter().flatten().fold(self.tidy_at, Duration::min)
    }
}

/// The task ends with its runtime too, and before it has begun. No task is left to hear the store then.
impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.end();
        let now = timer::monotonic(&TokioTimer);
        let closed = UnreachableReason::Closed;
        for user in self.shared.users().iter() {
            user.on_event(&StoreEvent::Unreachable(closed), now);
        }
        if self.leaving != Leaving::Left {
            self.shared.set_state(FleetState::Alone(closed), now);
        }
    }
}

/// The layout of entries that this release speaks.
const LAYOUT: i64 = 1;
/// A member that is silent for 6 s is no member any more.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// The longest time in which all is given back. The store is told within half as much again.
const LONGEST_LEAVE: Duration = Duration::from_millis(650);
/// The rounds of requests and events after which other tasks have their turn.
const MAX_ROUNDS: usize = 32;
