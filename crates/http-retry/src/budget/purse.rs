//! A member's part of a budget that a fleet shares: the tokens that it has borrowed, and what it reports.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use super::bucket::BudgetSettings;
use crate::fleet::entry::{SettleAnswer, SettleQuestion};
use crate::fleet::{Answer, Id, PurseReport, StoreCommand, StoreEvent, StoreRequest};

/// Borrowed tokens, and the reports on them. All tokens are in thousandths.
pub(super) struct Purse {
    id: Id,
    /// The thousandths that each success earns.
    reward: i64,
    capacity: i64,
    min_rate: i64,
    members: AtomicU32,
    /// `true` while the fleet's budget is full, so that a success changes nothing.
    is_full: AtomicBool,
    inner: Mutex<PurseState>,
}

#[derive(Default)]
struct PurseState {
    /// The tokens that are borrowed and not spent.
    tokens: i64,
    /// The tokens that successes earned since the last report.
    earned: i64,
    /// The tokens of resends in debt.
    spent: i64,
    back: i64,
    /// The tokens that the fleet had left at the last answer, and the birth of its entry.
    level: i64,
    born: i64,
    is_alone: bool,
    /// The time up to which the minimum has accrued while the member is alone.
    accrued_at: Duration,
    /// The time of the last resend, if there was one lately.
    used_at: Option<Duration>,
    /// The time before which no tokens are asked for, because the fleet had none.
    ask_at: Duration,
    asked_at: Option<Duration>,
    /// The request in flight, with the debt that it reports and the tokens that it asks for.
    open: Option<(u64, i64, i64)>,
    number: u64,
    is_leaving: bool,
    waker: Option<Waker>,
}

impl Purse {
    pub(super) fn new(id: Id, settings: BudgetSettings, capacity: u32) -> Self {
        Self {
            id,
            reward: settings.reward.into(),
            capacity: capacity.into(),
            min_rate: i64::from(settings.min_per_second) * 1_000,
            members: AtomicU32::new(UNKNOWN_MEMBERS),
            is_full: AtomicBool::new(false),
            inner: Mutex::default(),
        }
    }

    /// Takes the cost of a resend, from borrowed tokens or as a debt.
    pub(super) fn withdraw(&self, cost: i64, now: Duration) -> bool {
        let members = self.members();
        let mut guard = self.lock();
        let inner = &mut *guard;
        inner.accrue(self.min_rate / members, self.part(), now);
        inner.used_at = Some(now);
        let is_paid = inner.tokens >= cost;
        let owes = !is_paid && self.may_owe(inner, cost);
        if is_paid {
            inner.tokens -= cost;
        } else if owes {
            inner.spent += cost;
            inner.level -= cost;
        }
        if cost > 0 {
            self.is_full.store(false, Relaxed);
        }
        let waker = if self.is_due(inner, now) { inner.waker.take() } else { None };
        // A waker is code of the caller, so it is not called under the lock.
        drop(guard);
        if let Some(waker) = waker {
            waker.wake();
        }
        is_paid || owes || cost == 0
    }

    /// Returns whether a resend may be in debt. Its report hides behind the resend's own backoff.
    fn may_owe(&self, inner: &PurseState, cost: i64) -> bool {
        let owed = cost + inner.spent + inner.open.map_or(0, |(_, debt, _)| debt);
        if owed > self.capacity / 4 {
            return false;
        }
        // Before the first answer, which may never come: a new budget is full, and this is a part of it. Later, what the fleet
        // has left decides. A debt is reported at once, so the members owe much together only if they begin to within one trip.
        inner.born == 0 || !inner.is_alone && inner.level >= (2_000 * self.members()).max(cost)
    }

    /// Counts what a success earned.
    pub(super) fn deposit(&self) {
        let part = self.part();
        let inner = &mut *self.lock();
        if inner.is_alone {
            inner.tokens = (inner.tokens + self.reward).min(part.max(inner.tokens));
        } else {
            inner.earned = (inner.earned + self.reward).min(self.capacity);
        }
    }

    pub(super) fn refund(&self, thousandths: i64) {
        let inner = &mut *self.lock();
        inner.tokens = (inner.tokens + thousandths).min(self.capacity);
    }

    /// Returns whether a success changes nothing.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Relaxed)
    }

    pub(super) fn tokens(&self) -> u32 {
        u32::try_from(self.lock().tokens).unwrap_or(0)
    }

    pub(super) fn report(&self) -> PurseReport {
        let inner = self.lock();
        let tokens = |thousandths: i64| thousandths as f64 / 1_000.0;
        PurseReport { purse: tokens(inner.tokens), level: tokens(inner.level) }
    }

    /// Returns the tokens that the fleet has left, as far as this member knows: what the store told last, and what is borrowed.
    pub(super) fn left(&self) -> i64 {
        let inner = self.lock();
        let level = if inner.born == 0 { self.capacity } else { inner.level };
        (level + inner.tokens).min(self.capacity)
    }

    /// Begins at a level that another store has told. Any birth but that of the store's own entry says so.
    pub(super) fn begin_at(&self, level: i64) {
        let inner = &mut *self.lock();
        (inner.level, inner.born) = (level, MOVED);
    }

    fn members(&self) -> i64 {
        self.members.load(Relaxed).max(1).into()
    }

    /// The most tokens that this member borrows: a quarter of its part of the capacity.
    fn part(&self) -> i64 {
        (self.capacity / (4 * self.members())).max(1_000).min(self.capacity)
    }

    fn is_due(&self, inner: &PurseState, now: Duration) -> bool {
        self.request_at(inner).is_some_and(|at| at <= now)
    }

    fn request_at(&self, inner: &PurseState) -> Option<Duration> {
        if inner.open.is_some() || inner.is_alone && inner.asked_at.is_some() {
            return None;
        }
        let Some(asked_at) = inner.asked_at else {
            return Some(Duration::ZERO);
        };
        if inner.spent > 0 || inner.back > 0 || inner.is_leaving && inner.tokens > 0 {
            return Some(asked_at);
        }
        let idle = inner.used_at.map(|at| at.saturating_add(IDLE));
        let is_low = inner.used_at.is_some() && inner.tokens * 2 < self.part() && !inner.is_leaving;
        let low = is_low.then_some(inner.ask_at);
        let report = (inner.earned > 0).then_some(asked_at.saturating_add(IDLE));
        let returns = idle.filter(|_| inner.tokens > 0);
        [low, report, returns].into_iter().flatten().min()
    }

    pub(super) fn next_request(&self, now: Duration) -> Option<StoreRequest> {
        let members = self.members();
        let inner = &mut *self.lock();
        self.is_due(inner, now).then_some(())?;
        if inner.used_at.is_some_and(|at| at.saturating_add(IDLE) <= now) {
            inner.used_at = None;
        }
        if inner.asked_at.is_none() {
            // The first question asks for tokens too, so that the first resend finds some.
            inner.used_at = Some(now);
        }
        let is_idle = inner.used_at.is_none();
        if is_idle || inner.is_leaving {
            inner.back += std::mem::take(&mut inner.tokens).max(0);
        }
        let want = if is_idle || inner.is_leaving { 0 } else { (self.part() - inner.tokens).max(0) };
        let question = SettleQuestion {
            earned: std::mem::take(&mut inner.earned),
            spent: std::mem::take(&mut inner.spent),
            want,
            back: std::mem::take(&mut inner.back),
            capacity: self.capacity,
            min_rate: self.min_rate,
            level: inner.level,
            born: inner.born,
            members,
        };
        inner.number += 1;
        inner.open = Some((inner.number, question.spent, want));
        inner.asked_at = Some(now);
        Some(StoreRequest::new(inner.number, self.id, StoreCommand::Settle(question)))
    }

    pub(super) fn next_request_at(&self, waker: Option<&Waker>) -> Option<Duration> {
        let mut inner = self.lock();
        let before = waker.and_then(|waker| inner.waker.replace(waker.clone()));
        let at = self.request_at(&inner);
        drop(inner);
        drop(before);
        at
    }

    pub(super) fn on_event(&self, event: &StoreEvent, now: Duration) {
        let mut inner = self.lock();
        match event {
            StoreEvent::Answer(_, Answer::Join(answer)) => {
                self.members.store(u32::try_from(answer.members).unwrap_or(1), Relaxed);
            }
            StoreEvent::Answer(number, answer) => {
                let Some((_, _, want)) = inner.open.take_if(|(open, ..)| open == number) else {
                    return;
                };
                match answer {
                    Answer::Settle(answer) => self.settle(&mut inner, answer, want, now),
                    // The entry cannot be reached, and others can.
                    _ => inner.ask_at = now.saturating_add(AGAIN),
                }
            }
            StoreEvent::Unreachable(_) => {
                // It may have been taken in or not. A debt that counts twice costs a token, and one that does not opens.
                let spent = inner.open.take().map_or(0, |(_, spent, _)| spent);
                inner.spent += spent;
                if !inner.is_alone {
                    (inner.is_alone, inner.accrued_at) = (true, now);
                }
                inner.asked_at.get_or_insert(now);
                self.is_full.store(false, Relaxed);
            }
            StoreEvent::Reachable => {
                inner.asked_at = None;
            }
            StoreEvent::News(..) => {}
        }
    }

    fn settle(&self, inner: &mut PurseState, answer: &SettleAnswer, want: i64, now: Duration) {
        // A store that anybody may write to must not open a budget.
        let lent = answer.lent.clamp(0, want);
        inner.tokens += lent;
        inner.level = answer.level.clamp(-self.capacity, self.capacity);
        inner.born = answer.born;
        inner.is_alone = false;
        inner.ask_at = if lent * 2 < want { now.saturating_add(AGAIN) } else { now };
        self.is_full.store(inner.level + lent >= self.capacity && lent == 0, Relaxed);
    }

    /// Gives all tokens back, because this member leaves.
    pub(super) fn leave(&self) {
        self.lock().is_leaving = true;
    }

    fn lock(&self) -> MutexGuard<'_, PurseState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PurseState {
    /// While the member is alone, it has its part of the minimum.
    fn accrue(&mut self, min_rate: i64, part: i64, now: Duration) {
        if !self.is_alone {
            return;
        }
        let elapsed = i64::try_from(now.saturating_sub(self.accrued_at).as_millis()).unwrap_or(0);
        let accrued = elapsed.saturating_mul(min_rate) / 1_000;
        if accrued > 0 {
            self.tokens = self.tokens.saturating_add(accrued).min(part.max(self.tokens));
            self.accrued_at = now;
        }
    }
}

/// A member without a resend for this long gives its tokens back, and one with a report sends it after this time.
const IDLE: Duration = Duration::from_secs(10);
/// The number of members before the store has named it, so that members that start together do not borrow all.
const UNKNOWN_MEMBERS: u32 = 8;
/// A time at which no entry was made.
const MOVED: i64 = 1;
/// The time after which tokens are asked for again if the fleet had few.
const AGAIN: Duration = Duration::from_millis(200);
