//! The state that the handles of a member and its task have in common.

use std::sync::{Arc, Mutex, OnceLock};
use std::task::Waker;
use std::time::Duration;

use http_retry::fleet::entry::{JoinAnswer, News};
use http_retry::fleet::{SlotCounts, Store, StoreEvent, UnreachableReason};
use tokio::sync::watch;

use super::report::count;
use super::user::User;
use super::{FleetCounts, FleetEvent, FleetReport, FleetState};
use crate::lock::lock;
use crate::pace::SharedPace;
use crate::timer::{self, TokioTimer};

/// The state of a member.
pub(super) struct Shared {
    store: Arc<dyn Store>,
    observe: OnceLock<Box<Observe>>,
    inner: Mutex<Inner>,
    /// Becomes `true` once the member has left.
    has_left: watch::Sender<bool>,
}

type Observe = dyn Fn(&FleetEvent) + Send + Sync;

struct Inner {
    /// All paces and budgets. The list is replaced and never changed, so that no thread holds the lock while one is called.
    users: Users,
    task: Task,
    wants_to_leave: bool,
    waker: Option<Waker>,
    state: FleetState,
    changed_at: Duration,
    joined: Option<JoinAnswer>,
    counts: FleetCounts,
    /// The slots of paces that are gone.
    slots_before: SlotCounts,
}

pub(super) type Users = Arc<Vec<Arc<User>>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    New,
    Running,
    Ended,
}

impl Shared {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        let inner = Inner {
            users: Users::default(),
            task: Task::New,
            wants_to_leave: false,
            waker: None,
            state: FleetState::Joining,
            changed_at: timer::monotonic(&TokioTimer),
            joined: None,
            counts: FleetCounts::default(),
            slots_before: SlotCounts::default(),
        };
        let (has_left, _) = watch::channel(false);
        Self { store, observe: OnceLock::new(), inner: Mutex::new(inner), has_left }
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    pub(super) fn observe(&self, observe: Box<Observe>) {
        _ = self.observe.set(observe);
    }

    /// Adds a pace or budget. The first one returns what the task of the member needs.
    pub(super) fn add(self: &Arc<Self>, user: User) -> Option<Arc<Self>> {
        let user = Arc::new(user);
        let mut inner = lock(&self.inner);
        inner.users = Arc::new(inner.users.iter().cloned().chain([Arc::clone(&user)]).collect());
        let task = inner.task;
        if task == Task::New {
            inner.task = Task::Running;
        }
        let waker = inner.waker.take();
        drop(inner);
        if task == Task::Ended {
            let closed = StoreEvent::Unreachable(UnreachableReason::Closed);
            user.on_event(&closed, timer::monotonic(&TokioTimer));
        }
        wake(waker);
        (task == Task::New).then(|| Arc::clone(self))
    }

    pub(super) fn users(&self) -> Users {
        Arc::clone(&lock(&self.inner).users)
    }

    /// Removes paces and budgets that were dropped.
    pub(super) fn remove(&self, is_gone: impl Fn(&User) -> bool) {
        let users = self.users();
        if !users.iter().any(|user| is_gone(user)) {
            return;
        }
        let (gone, rest): (Vec<_>, Vec<_>) = users.iter().cloned().partition(|user| is_gone(user));
        let mut inner = lock(&self.inner);
        if !Arc::ptr_eq(&inner.users, &users) {
            // One was added meanwhile. They are removed next time.
            return;
        }
        inner.users = Arc::new(rest);
        gone.iter().for_each(|user| inner.slots_before += user.slot_counts());
    }

    /// Lets a pace go to another member. Nothing of this member's store comes to it any more.
    pub(super) fn let_go(&self, pace: &SharedPace) {
        let mut inner = lock(&self.inner);
        let (gone, rest): (Vec<_>, Vec<_>) = inner.users.iter().cloned().partition(|user| user.is_pace(pace));
        if gone.is_empty() {
            return;
        }
        // It takes its counters with it.
        inner.users = Arc::new(rest);
        drop(inner);
        // The task may be calling it, and that ends before this returns.
        gone.iter().for_each(|user| user.let_go());
    }

    /// Sets the waker of the task, for when there is a new user or the member leaves.
    pub(super) fn register(&self, waker: &Waker) {
        let before = lock(&self.inner).waker.replace(waker.clone());
        drop(before);
    }

    pub(super) fn wants_to_leave(&self) -> bool {
        lock(&self.inner).wants_to_leave
    }

    pub(super) async fn leave(&self) {
        let mut has_left = self.has_left.subscribe();
        if self.ask_to_leave() {
            // The sender lives as long as this handle.
            _ = has_left.wait_for(|has_left| *has_left).await;
        }
    }

    /// Asks the task to leave. Returns whether there is one.
    fn ask_to_leave(&self) -> bool {
        let mut inner = lock(&self.inner);
        inner.wants_to_leave = true;
        let is_running = inner.task == Task::Running;
        let waker = inner.waker.take();
        drop(inner);
        wake(waker);
        is_running
    }

    pub(super) fn set_left(&self) {
        self.has_left.send_replace(true);
    }

    /// Notes that the task has ended. Paces and budgets that come later are alone from the start.
    pub(super) fn end(&self) {
        lock(&self.inner).task = Task::Ended;
        self.set_left();
    }

    pub(super) fn state(&self) -> FleetState {
        lock(&self.inner).state
    }

    pub(super) fn joined(&self) -> Option<JoinAnswer> {
        lock(&self.inner).joined
    }

    pub(super) fn set_joined(&self, answer: JoinAnswer) {
        lock(&self.inner).joined = Some(answer);
    }

    /// Changes the state, if it is another one.
    pub(super) fn set_state(&self, state: FleetState, now: Duration) {
        let mut inner = lock(&self.inner);
        if inner.state == state {
            return;
        }
        let after = now.saturating_sub(inner.changed_at);
        (inner.state, inner.changed_at) = (state, now);
        let members = members(inner.joined);
        drop(inner);
        self.tell(&FleetEvent::Changed { state, after, members });
    }

    pub(super) fn count_ask(&self, script: &'static str) {
        count(&mut lock(&self.inner).counts.asks, script);
    }

    pub(super) fn count_lost(&self, reason: UnreachableReason) {
        count(&mut lock(&self.inner).counts.lost, reason);
    }

    pub(super) fn count_news(&self, news: &News) {
        count(&mut lock(&self.inner).counts.news, news.kind_name());
    }

    pub(super) fn tell(&self, event: &FleetEvent) {
        if let Some(observe) = self.observe.get() {
            observe(event);
        }
    }

    pub(super) fn report(&self, now: Duration, most: usize) -> FleetReport {
        let inner = lock(&self.inner);
        let (state, since, joined) = (inner.state, now.saturating_sub(inner.changed_at), inner.joined);
        let (users, mut counts) = (Arc::clone(&inner.users), inner.counts.clone());
        counts.slots = inner.slots_before;
        drop(inner);
        users.iter().for_each(|user| counts.slots += user.slot_counts());
        FleetReport {
            state,
            since,
            members: members(joined),
            layout: joined.map_or(0, |joined| u32::try_from(joined.layout).unwrap_or(0)),
            counts,
            paces: users.iter().filter_map(|user| user.pace_report(now, most)).collect(),
            budgets: users.iter().filter_map(|user| user.budget_report()).collect(),
        }
    }
}

fn members(joined: Option<JoinAnswer>) -> u32 {
    joined.map_or(0, |joined| u32::try_from(joined.members).unwrap_or(0))
}

/// Wakes the task. A waker is code of a runtime, so no lock is held.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
