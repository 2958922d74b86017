//! The look-up of keys, and the reports on them for people.

use std::cmp::Reverse;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::KeyTable;
use crate::pace::key_entry::{ByKey, KeyEntry};
use crate::pace::{PaceReport, Ticket};

impl KeyTable {
    pub(in crate::pace) fn report(&self, ticket: &Ticket, now: Duration) -> PaceReport {
        match self.find(ticket.key) {
            Some(entry) => entry.report(&self.settings, now),
            None => PaceReport { key: ticket.key, ..PaceReport::default() },
        }
    }

    pub(in crate::pace) fn reports(&self, now: Duration, most: usize) -> Vec<PaceReport> {
        let entries = self.shards.iter().flat_map(|shard| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let entries = shard.iter().map(|ByKey(entry)| entry).filter(|entry| !entry.is_free.load(Relaxed));
            entries.cloned().collect::<Vec<_>>()
        });
        let mut reports: Vec<_> = entries.map(|entry| entry.report(&self.settings, now)).collect();
        reports.sort_by_key(|report| (Reverse(report.waiting), report.why.is_none(), report.key));
        reports.truncate(most);
        reports
    }

    /// Returns the entry of a key, if the table has one.
    pub(super) fn find(&self, key: u64) -> Option<Arc<KeyEntry>> {
        let shard = self.shard(key).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(&key).map(|ByKey(entry)| Arc::clone(entry))
    }
}
