//! One key of the table: its counters, which a free key needs alone, and its state behind a lock.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::key_state::KeyState;
use super::ticket::Previous;
use super::{PaceReport, PaceSettings, Permit, Ticket, entry_cache};

/// One key. The atomic words are all that a request for a free key needs. The words that each request writes are in one half of a
/// cache line, so that a thread waits for one line only if another thread sends with the same key. For that, some numbers have
/// only their lower half. A whole line for each key would take 32 bytes more, because the counts of an `Arc` stand before it.
#[derive(Debug)]
#[repr(C, align(32))]
pub(super) struct KeyEntry {
    /// `true` while no request of the key can wait and no refusal was heard lately.
    pub(super) is_free: AtomicBool,
    /// `true` once the table has forgotten the key. A new entry has taken its place, or will.
    pub(super) is_forgotten: AtomicBool,
    /// The number of the table.
    table: u32,
    pub(super) key: u64,
    /// The sends until now. The value before a send is its ordinal.
    pub(super) sends: AtomicU64,
    /// The number of sends whose outcome is known.
    pub(super) settled: AtomicU64,
    /// The state, since it was first needed. A key that was never refused has none.
    state: Mutex<Option<Box<KeyState>>>,
    /// The refused sends.
    pub(super) refused: AtomicU32,
    /// The time of the last use, in whole seconds.
    pub(super) used_at: AtomicU32,
    /// The first send of the last second in which there was one, and of the one before.
    second: AtomicU32,
    before: AtomicU32,
}

impl KeyEntry {
    pub(super) fn new(key: u64, table: u32, settings: &PaceSettings, now: Duration) -> Self {
        Self {
            key,
            table,
            is_free: AtomicBool::new(!settings.slow_start),
            is_forgotten: AtomicBool::new(false),
            sends: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            state: Mutex::new(None),
            refused: AtomicU32::new(0),
            used_at: AtomicU32::new(second(now)),
            second: AtomicU32::new(0),
            before: AtomicU32::new(0),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Box<KeyState>>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn report(&self, settings: &PaceSettings, now: Duration) -> PaceReport {
        match &*self.lock() {
            Some(state) => state.report(self, now),
            None => KeyState::new(settings, now).report(self, now),
        }
    }

    #[inline]
    pub(super) fn used(&self, now: Duration) {
        let (used_at, second) = (self.used_at.load(Relaxed), second(now));
        if used_at != second {
            self.used_at.store(second, Relaxed);
            let sends = self.sends.load(Relaxed) as u32;
            let first = self.second.swap(sends, Relaxed);
            self.before.store(if second == used_at.saturating_add(1) { first } else { sends }, Relaxed);
        }
    }

    /// Returns the first send of the last second or two.
    pub(super) fn burst_from(&self) -> u64 {
        let (before, sends) = (self.before.load(Relaxed), self.sends.load(Relaxed));
        let since = (sends as u32).wrapping_sub(before);
        // Another thread may have begun a second between the two reads.
        if since > u32::MAX / 2 { sends } else { sends.saturating_sub(since.into()) }
    }

    /// Frees what the state does not need after the key was at rest for a while.
    pub(super) fn release_rested(&self, now: Duration) {
        let rested = second(now).saturating_sub(self.used_at.load(Relaxed));
        if rested < RESTED || self.is_free.load(Relaxed) || self.in_flight() > 0 {
            return;
        }
        // If the key is locked, it is in use.
        if let Some(state) = self.state.try_lock().ok().as_mut().and_then(|state| state.as_mut()) {
            state.release_rested(now);
        }
    }

    /// Returns whether nothing is lost if the key is forgotten.
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        let is_at_rest = self.sends.load(Relaxed) == self.settled.load(Relaxed);
        is_at_rest
            && (self.is_free.load(Relaxed) || self.lock().as_ref().is_none_or(|state| state.is_idle(now)))
    }

    pub(super) fn note_free(&self, state: &mut KeyState) {
        let is_free = state.is_free();
        if is_free {
            // The key may have become free while this request waited for the lock, so that is not the only time to do this.
            state.became_free(self.sends.load(Relaxed));
        }
        if self.is_free.load(Relaxed) != is_free {
            self.is_free.store(is_free, Relaxed);
        }
    }

    #[inline]
    pub(super) fn send_free(self: Arc<Self>, ticket: &mut Ticket, now: Duration) -> Permit {
        let ordinal = self.sends.fetch_add(1, Relaxed);
        ticket.permit(Some(self), ordinal, now, None)
    }

    /// Counts late sends of a group as answered sends of this key. Returns the number of sends before.
    pub(super) fn adopt(&self, group: &Self, sends: u64) -> u64 {
        let from = self.sends.fetch_add(sends, Relaxed);
        self.settled.fetch_add(sends, Relaxed);
        // The last seconds are those of the group, from which nearly all of the sends are.
        let offset = from.wrapping_add(sends).wrapping_sub(group.sends.load(Relaxed)) as u32;
        self.second.store(group.second.load(Relaxed).wrapping_add(offset), Relaxed);
        self.before.store(group.before.load(Relaxed).wrapping_add(offset), Relaxed);
        from
    }

    /// Takes back a send while the key is free.
    #[inline]
    pub(super) fn settle_free(self: Arc<Self>) {
        self.settled.fetch_add(1, Relaxed);
        entry_cache::release(self);
    }

    /// Returns whether this is the entry of a key in a table.
    #[inline]
    pub(super) fn is_of(&self, table: u32, key: u64) -> bool {
        self.key == key && self.table == table && !self.is_forgotten()
    }

    #[inline]
    pub(super) fn is_forgotten(&self) -> bool {
        self.is_forgotten.load(Relaxed)
    }

    /// Returns the number of calls in flight.
    #[inline]
    pub(super) fn in_flight(&self) -> u64 {
        self.sends.load(Relaxed).saturating_sub(self.settled.load(Relaxed))
    }
}

/// An entry in the table, under its key.
pub(super) struct ByKey(pub(super) Arc<KeyEntry>);

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl Eq for ByKey {}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key.hash(state);
    }
}

impl Borrow<u64> for ByKey {
    fn borrow(&self) -> &u64 {
        &self.0.key
    }
}

/// Returns a time in whole seconds. They reach for 136 years.
#[inline]
fn second(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

/// The seconds without use after which a key frees what it needs only within seconds.
const RESTED: u32 = 30;

impl Ticket {
    #[inline]
    pub(super) fn permit(
        &mut self,
        entry: Option<Arc<KeyEntry>>,
        ordinal: u64,
        sent_at: Duration,
        probe: Option<u32>,
    ) -> Permit {
        let in_flight = entry.as_ref().map_or(0, |entry| entry.in_flight());
        let others = u32::try_from(in_flight).unwrap_or(u32::MAX).saturating_sub(1);
        let (attempts, previous) = (self.attempts, self.previous);
        let first = self.first.get_or_insert(NonZeroU64::MIN.saturating_add(ordinal)).get() - 1;
        self.attempts = attempts.saturating_add(1);
        let refused = entry.as_ref().map_or(0, |entry| entry.refused.load(Relaxed));
        self.previous = Some(Previous::new(ordinal, refused));
        if let Some(stop) = probe {
            let before = if self.probed.0 == stop { self.probed.1 } else { 0 };
            self.probed = (stop, before.saturating_add(1));
        }
        Permit {
            entry,
            ordinal,
            sent_at,
            cost: self.cost,
            probe,
            probes: if probe.is_some() { self.probed.1 } else { 0 },
            is_reserved: false,
            is_late: false,
            attempts,
            others,
            first,
            previous,
        }
    }
}
