//! The keys at rest: what is freed of them, and which is forgotten for a new one.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::{KeyTable, SHARDS};
use crate::pace::key_entry::{ByKey, KeyEntry};

impl KeyTable {
    #[cold]
    pub(super) fn insert(&self, key: u64, now: Duration) -> Option<Arc<KeyEntry>> {
        if self.keys.fetch_add(1, Relaxed) >= self.settings.keys && !self.forget_one(key, now) {
            self.keys.fetch_sub(1, Relaxed);
            return None;
        }
        let mut shard = self.shard(key).write().unwrap_or_else(PoisonError::into_inner);
        if let Some(ByKey(entry)) = shard.get(&key) {
            self.keys.fetch_sub(1, Relaxed);
            return Some(Arc::clone(entry));
        }
        let entry = Arc::new(KeyEntry::new(key, self.id, &self.settings, now));
        shard.insert(ByKey(Arc::clone(&entry)));
        Some(entry)
    }

    /// Forgets a key that is idle: the one that was used least recently among the keys that are examined in one shard. The shard
    /// of the new key is the first that is examined. Returns whether there was one.
    fn forget_one(&self, key: u64, now: Duration) -> bool {
        let first = self.shard_index(key);
        let mut examined = 0;
        for index in (0..SHARDS).map(|offset| (first + offset) % SHARDS) {
            let mut shard = self.shards[index].write().unwrap_or_else(PoisonError::into_inner);
            let len = shard.len().min(EXAMINED);
            if len == 0 {
                continue;
            }
            // Each search begins behind the last one, so that keys in use do not hide the others forever.
            let start = self.hand.fetch_add(len, Relaxed) % shard.len();
            let examined_here = shard.iter().cycle().skip(start).take(len).map(|ByKey(entry)| entry);
            let idle = examined_here.filter(|entry| entry.is_idle(now));
            let oldest = idle.min_by_key(|entry| entry.used_at.load(Relaxed)).map(|entry| entry.key);
            if let Some(ByKey(forgotten)) = oldest.and_then(|oldest| shard.take(&oldest)) {
                forgotten.is_forgotten.store(true, Relaxed);
                self.keys.fetch_sub(1, Relaxed);
                return true;
            }
            examined += len;
            if examined >= EXAMINED_IN_ALL {
                break;
            }
        }
        false
    }

    /// Frees what keys at rest do not need, in one shard each second. A pace has no timer, so a call of a key that is in use
    /// does it.
    pub(super) fn release_rested(&self, now: Duration) {
        let second = now.as_secs();
        if self.rested_at.load(Relaxed) == second || self.rested_at.swap(second, Relaxed) == second {
            return;
        }
        let shard = self.shards[second as usize % SHARDS].read().unwrap_or_else(PoisonError::into_inner);
        shard.iter().for_each(|ByKey(entry)| entry.release_rested(now));
    }
}

/// The keys of a shard that are examined for one to forget.
const EXAMINED: usize = 16;
/// The keys of all shards that are examined for one new key.
const EXAMINED_IN_ALL: usize = 256;
