//! The seam to a fleet: which keys are shared, which of them has a request for the store, and to whom an event goes.

mod counts;
mod identity;
mod key_bytes;
mod lease;
mod slots;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

pub(super) use self::counts::Counts;
use self::identity::Identity;
pub(super) use self::key_bytes::KeyBytes;
pub(super) use self::lease::{Heard, LeaseState, Moment, Scale};
use crate::fleet::entry::News;
use crate::fleet::{Id, UnreachableReason};

/// The state that all shared keys of a pace have in common.
pub(super) struct Seam {
    /// The length of a lease, in microseconds.
    lease: AtomicU64,
    pub(super) counts: Counts,
    is_reachable: AtomicBool,
    /// The time, in seconds, until which news may be kept of keys that no request has had yet.
    unknown_until: AtomicU64,
    members: AtomicU32,
    /// The number of the last request.
    number: AtomicU64,
    inner: Mutex<SeamState>,
}

/// Returns the id of the bytes of a key.
pub(super) type IdOf = dyn Fn(&[u8]) -> Id + Send + Sync;

#[derive(Default)]
struct SeamState {
    /// The name of the pace in its fleet, or `None` while it is in none.
    identity: Option<Arc<Identity>>,
    ids: HashMap<u64, Id>,
    keys: HashMap<Id, u64>,
    /// The keys that have a request for the store, and when.
    due: BTreeSet<(Duration, u64)>,
    /// The due time of each key, and `None` for a key that has no request.
    shared: HashMap<u64, Option<Duration>>,
    /// The keys of the requests in flight.
    open: HashMap<u64, u64>,
    waker: Option<Waker>,
    /// The last news of keys that no request has had yet, so that the first one does not go into a quiet.
    unknown: HashMap<Id, (News, Duration)>,
    reason: Option<UnreachableReason>,
}

impl Seam {
    pub(super) fn new(name: &str, lease: Duration, id: Box<IdOf>) -> Self {
        let seam = Self {
            lease: AtomicU64::new(0),
            counts: Counts::default(),
            is_reachable: AtomicBool::new(true),
            unknown_until: AtomicU64::new(0),
            members: AtomicU32::new(1),
            number: AtomicU64::new(0),
            inner: Mutex::default(),
        };
        seam.move_to(Some((name, lease, id)));
        seam
    }

    /// Returns the length of a lease.
    pub(super) fn lease(&self) -> Duration {
        Duration::from_micros(self.lease.load(Relaxed))
    }

    /// Notes the id of a key, so that the store's events about it find it. Returns the news of the key that came before its
    /// first request.
    pub(super) fn note(
        &self,
        key: u64,
        most: usize,
        bytes: impl FnOnce() -> Vec<u8>,
    ) -> Option<(News, Duration)> {
        let inner = self.lock();
        if inner.ids.contains_key(&key) {
            return None;
        }
        let identity = inner.identity.clone()?;
        drop(inner);
        // The store's hash is code of the caller, so it does not run under the lock.
        let id = identity.id_of(&bytes());
        let inner = &mut *self.lock();
        if !inner.identity.as_ref().is_some_and(|current| Arc::ptr_eq(current, &identity)) {
            // The pace has moved to another fleet meanwhile. The next request of the key notes its id there.
            return None;
        }
        if inner.ids.len() >= most.saturating_mul(2) {
            // The ids of the shared keys stay, and each other one is computed again.
            let shared = &inner.shared;
            inner.ids.retain(|key, _| shared.contains_key(key));
            inner.keys.retain(|_, key| shared.contains_key(key));
        }
        inner.ids.insert(key, id);
        inner.keys.insert(id, key);
        inner.unknown.remove(&id)
    }

    pub(super) fn id_of(&self, key: u64) -> Option<Id> {
        self.lock().ids.get(&key).copied()
    }

    /// Returns the key of news, or keeps the news for the first request of the key.
    pub(super) fn key_of(&self, id: Id, news: News, now: Duration) -> Option<u64> {
        let inner = &mut *self.lock();
        let key = inner.keys.get(&id).copied();
        if key.is_none() {
            if inner.unknown.len() >= MOST_UNKNOWN {
                inner.unknown.clear();
            }
            inner.unknown.insert(id, (news, now));
            self.unknown_until.fetch_max(now.saturating_add(UNKNOWN_COUNTS).as_secs(), Relaxed);
        }
        key
    }

    /// Returns whether news was heard lately of a key that no request had had then.
    pub(super) fn has_unknown_news(&self, now: Duration) -> bool {
        self.unknown_until.load(Relaxed) > now.as_secs()
    }

    pub(super) fn is_in_fleet(&self) -> bool {
        self.lock().identity.is_some()
    }

    pub(super) fn is_reachable(&self) -> bool {
        self.is_reachable.load(Relaxed)
    }

    pub(super) fn reason(&self) -> Option<UnreachableReason> {
        self.lock().reason
    }

    pub(super) fn members(&self) -> u32 {
        self.members.load(Relaxed).max(1)
    }

    pub(super) fn set_members(&self, members: i64) {
        self.members.store(u32::try_from(members).unwrap_or(1), Relaxed);
    }

    /// Notes when a shared key has its next request. Returns the driver's waker if that is earlier than any before.
    pub(super) fn note_due(&self, key: u64, due: Option<Duration>) -> Option<Waker> {
        let inner = &mut *self.lock();
        let before = inner.shared.insert(key, due).flatten();
        if before == due {
            return None;
        }
        if let Some(before) = before {
            inner.due.remove(&(before, key));
        }
        let due = due?;
        inner.due.insert((due, key));
        let is_first = inner.due.first() == Some(&(due, key));
        if is_first { inner.waker.take() } else { None }
    }

    /// Takes a key whose request is due.
    pub(super) fn take_due(&self, now: Duration) -> Option<u64> {
        let inner = &mut *self.lock();
        let first = inner.due.first().copied().filter(|(at, _)| *at <= now)?;
        inner.due.remove(&first);
        inner.shared.insert(first.1, None);
        Some(first.1)
    }

    /// Returns when the next request is due, and sets the waker that is woken if one is due earlier.
    pub(super) fn next_due(&self, waker: Option<&Waker>) -> Option<Duration> {
        let mut inner = self.lock();
        let before = waker.and_then(|waker| inner.waker.replace(waker.clone()));
        let due = inner.due.first().map(|(at, _)| *at);
        drop(inner);
        drop(before);
        due
    }

    pub(super) fn next_number(&self) -> u64 {
        self.number.fetch_add(1, Relaxed) + 1
    }

    pub(super) fn opened(&self, number: u64, key: u64) {
        self.lock().open.insert(number, key);
    }

    /// Returns the key of an answer, unless the request was given up.
    pub(super) fn answered(&self, number: u64) -> Option<u64> {
        self.lock().open.remove(&number)
    }

    /// Notes whether the store answers, and returns all shared keys.
    pub(super) fn set_reachable(&self, reason: Option<UnreachableReason>) -> Vec<u64> {
        let mut inner = self.lock();
        inner.open.clear();
        inner.reason = reason;
        self.is_reachable.store(reason.is_none(), Relaxed);
        inner.shared.keys().copied().collect()
    }

    pub(super) fn shared_keys(&self) -> Vec<u64> {
        self.lock().shared.keys().copied().collect()
    }

    /// Forgets a key that the table has forgotten.
    pub(super) fn forget(&self, key: u64) {
        let inner = &mut *self.lock();
        if let Some(Some(due)) = inner.shared.remove(&key) {
            inner.due.remove(&(due, key));
        }
    }

    fn lock(&self) -> MutexGuard<'_, SeamState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Seam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seam").field("members", &self.members()).finish_non_exhaustive()
    }
}

/// The time for which such news may hold a request back: a quiet is no longer than that.
const UNKNOWN_COUNTS: Duration = super::Pace::LONGEST;
/// The largest number of keys without a request whose news is kept.
const MOST_UNKNOWN: usize = 10_000;
