//! The keys: who has a state, and which keys are free.

#[cfg(feature = "fleet")]
mod fleet;
mod late;
mod reports;
mod rest;

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Waker;
use std::time::Duration;

use super::entry_cache;
use super::groups::Groups;
use super::hashed::Hashed;
use super::key_entry::{ByKey, KeyEntry};
use super::key_state::{Context, KeyState, PollAnswer, SentCall, is_plainly_served};
use super::wakers::Wakers;
use super::{Admission, PaceRejection, PaceSettings, Permit, Settlement, Ticket, Why};
use crate::{ClockReading, ResponseHead};

/// The keys of a pace, in shards that are locked one at a time.
pub(super) struct KeyTable {
    settings: PaceSettings,
    /// Tells the entries of this table from those of others.
    id: u32,
    shards: Vec<RwLock<Shard>>,
    keys: AtomicUsize,
    waiting: AtomicUsize,
    unpaced: AtomicU64,
    /// The number of the last request that waited. It is unique over all keys, because a key may be forgotten, and made
    /// anew, between two attempts of a request.
    numbers: AtomicU64,
    /// The place in the shards at which the next key to forget is looked for.
    hand: AtomicUsize,
    /// The second in which keys at rest were last looked at.
    rested_at: AtomicU64,
    /// Present if the key has two parts.
    groups: Option<Groups>,
    #[cfg(feature = "fleet")]
    pub(super) seam: std::sync::OnceLock<Box<super::seam::Seam>>,
}

type Shard = HashSet<ByKey, BuildHasherDefault<Hashed>>;

impl KeyTable {
    pub(super) fn new(settings: PaceSettings) -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        let (keys, waiting, hand) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let (unpaced, numbers, rested_at) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let id = TABLES.fetch_add(1, Relaxed);
        Self {
            settings,
            id,
            shards,
            keys,
            waiting,
            unpaced,
            numbers,
            hand,
            rested_at,
            groups: settings.has_parts.then(Groups::new),
            #[cfg(feature = "fleet")]
            seam: std::sync::OnceLock::new(),
        }
    }

    /// Creates an empty table with these settings, and the fleet of this one.
    pub(super) fn with(self, settings: PaceSettings) -> Self {
        Self {
            #[cfg(feature = "fleet")]
            seam: self.seam,
            ..Self::new(settings)
        }
    }

    pub(super) fn settings(&self) -> &PaceSettings {
        &self.settings
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    pub(super) fn unpaced(&self) -> u64 {
        self.unpaced.load(Relaxed)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.load(Relaxed)
    }

    #[inline]
    pub(super) fn admit_free(&self, ticket: &mut Ticket, now: Duration) -> Option<Permit> {
        if ticket.queued.is_some() || ticket.not_before > now || ticket.is_too_late(now) {
            return None;
        }
        if let Some(group) = ticket.late {
            return self.admit_late(group, ticket, now);
        }
        let entry = self.entry(ticket.key, now)?;
        if entry.is_free.load(Relaxed) {
            return Some(entry.send_free(ticket, now));
        }
        entry_cache::release(entry);
        None
    }

    pub(super) fn poll(&self, ticket: &mut Ticket, now: Duration, waker: Option<&Waker>) -> Admission {
        let Some(entry) = ticket.queued.clone().or_else(|| self.entry(ticket.key, now)) else {
            if ticket.is_too_late(now) {
                return Admission::Rejected(PaceRejection::TooLong);
            }
            if ticket.not_before > now {
                return Admission::Wait { until: ticket.not_before, why: Why::OwnHint };
            }
            self.unpaced.fetch_add(1, Relaxed);
            return Admission::Go(ticket.permit(None, 0, now, None));
        };
        let is_new = ticket.queued.is_none();
        if is_new && entry.is_free.load(Relaxed) && ticket.not_before <= now && !ticket.is_too_late(now) {
            return Admission::Go(entry.send_free(ticket, now));
        }
        self.poll_slowly(entry, ticket, now, waker)
    }

    fn poll_slowly(
        &self,
        entry: Arc<KeyEntry>,
        ticket: &mut Ticket,
        now: Duration,
        waker: Option<&Waker>,
    ) -> Admission {
        if ticket.number == 0 {
            ticket.number = self.numbers.fetch_add(1, Relaxed) + 1;
        }
        let mut waker = waker.cloned();
        let answer = self.change(&entry, now, |state, wakers| {
            let has_room = self.waiting() < self.settings.waiters;
            state.poll(ticket, has_room, &mut waker, self.context(&entry, now), wakers)
        });
        match answer {
            PollAnswer::Go { ordinal, probe, others } => {
                ticket.queued = None;
                let permit = ticket.permit(Some(entry), ordinal, now, probe);
                Admission::Go(Permit { is_reserved: true, others, ..permit })
            }
            PollAnswer::Wait { until, why } => {
                ticket.queued = Some(entry);
                Admission::Wait { until, why }
            }
            PollAnswer::Rejected(rejection) => {
                ticket.queued = None;
                Admission::Rejected(rejection)
            }
        }
    }

    pub(super) fn leave(&self, ticket: &mut Ticket, now: Duration) {
        let Some(entry) = ticket.queued.take() else {
            return;
        };
        self.change(&entry, now, |state, wakers| {
            state.leave(ticket.number, self.context(&entry, now), wakers)
        });
    }

    pub(super) fn still_valid(&self, permit: &Permit, now: Duration) -> bool {
        permit.entry.as_ref().is_none_or(|entry| {
            entry.is_free.load(Relaxed)
                || entry.lock().as_ref().is_none_or(|state| state.still_valid(&SentCall::of(permit), now))
        })
    }

    pub(super) fn settle(
        &self,
        mut permit: Permit,
        head: &ResponseHead<'_>,
        clock: impl FnOnce() -> ClockReading,
    ) -> Settlement {
        let Some(entry) = permit.entry.take() else {
            return Settlement::default();
        };
        if entry.is_free.load(Relaxed) && is_plainly_served(head) {
            entry.settle_free();
            return Settlement::default();
        }
        if permit.is_late {
            // Nobody has named its key, so it says nothing of any.
            entry.settle_free();
            return Settlement::default();
        }
        // The clock is code of the caller as well, so it is not read under the lock.
        let reading = clock();
        let context = self.context(&entry, reading.monotonic);
        self.change(&entry, context.now, |state, wakers| {
            state.settle(&SentCall::of(&permit), head, reading, context, wakers)
        })
    }

    pub(super) fn lose(&self, mut permit: Permit, now: Duration) {
        let Some(entry) = permit.entry.take() else {
            return;
        };
        if permit.is_late || entry.is_free.load(Relaxed) {
            entry.settle_free();
            return;
        }
        let call = SentCall::of(&permit);
        self.change(&entry, now, |state, wakers| {
            state.lose(&call, self.context(&entry, now), wakers);
        });
    }

    fn context<'a>(&'a self, entry: &'a KeyEntry, now: Duration) -> Context<'a> {
        Context {
            entry,
            settings: &self.settings,
            now: now.min(END_OF_TIME),
            #[cfg(feature = "fleet")]
            seam: self.seam(),
        }
    }

    fn change<T>(
        &self,
        entry: &KeyEntry,
        now: Duration,
        change: impl FnOnce(&mut KeyState, &mut Wakers) -> T,
    ) -> T {
        let mut wakers = Wakers::default();
        let mut guard = entry.lock();
        let state = guard.get_or_insert_with(|| Box::new(KeyState::new(&self.settings, now)));
        let before = state.waiting();
        let result = change(state, &mut wakers);
        let after = state.waiting();
        if after == 0 && entry.in_flight() == 0 {
            state.release();
        }
        entry.note_free(state);
        if let Some(groups) = &self.groups {
            groups.note(entry.key, state.hold(now));
        }
        // The count changes under the lock, so that none leaves before it has joined.
        if after > before {
            self.waiting.fetch_add(after - before, Relaxed);
        } else if after < before {
            self.waiting.fetch_sub(before - after, Relaxed);
        }
        #[cfg(feature = "fleet")]
        self.note_requests(entry, state, now, &mut wakers);
        drop(guard);
        wakers.finish();
        self.release_rested(now);
        result
    }

    #[inline]
    fn shard(&self, key: u64) -> &RwLock<Shard> {
        &self.shards[self.shard_index(key)]
    }

    #[inline]
    fn shard_index(&self, key: u64) -> usize {
        (key >> 58) as usize % SHARDS
    }

    /// Returns the entry of a key. It is `None` if the table is full of keys that are in use.
    #[inline]
    fn entry(&self, key: u64, now: Duration) -> Option<Arc<KeyEntry>> {
        if let Some(entry) = entry_cache::acquire(self.id, key) {
            entry.used(now);
            return Some(entry);
        }
        let shard = self.shard(key).read().unwrap_or_else(PoisonError::into_inner);
        if let Some(ByKey(entry)) = shard.get(&key) {
            entry.used(now);
            return Some(Arc::clone(entry));
        }
        drop(shard);
        self.insert(key, now)
    }
}

/// The number of tables until now.
static TABLES: AtomicU32 = AtomicU32::new(0);
/// The number of shards. Two threads rarely want the same one.
const SHARDS: usize = 64;
/// The latest time that counts, so that no sum of times overflows.
const END_OF_TIME: Duration = Duration::from_secs(u64::MAX / 2);

#[cfg(test)]
mod tests;
