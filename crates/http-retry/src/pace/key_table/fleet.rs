//! The requests of all keys to the store of a fleet, and its events.

use std::task::Waker;
use std::time::Duration;

use super::KeyTable;
use crate::fleet::entry::News;
use crate::fleet::{Answer, Id, SharedKeyReport, StoreEvent, StoreRequest};
use crate::pace::key_entry::KeyEntry;
use crate::pace::key_state::KeyState;
use crate::pace::seam::{IdOf, Seam};
use crate::pace::wakers::Wakers;

impl KeyTable {
    #[inline]
    pub(in crate::pace) fn seam(&self) -> Option<&Seam> {
        self.seam.get().map(|seam| &**seam)
    }

    /// Joins a fleet, moves to another one, or to none.
    pub(in crate::pace) fn move_to_fleet(&self, fleet: Option<(&str, Duration, Box<IdOf>)>, now: Duration) {
        let keys = match (self.seam(), fleet) {
            (Some(seam), fleet) => seam.move_to(fleet),
            (None, Some((name, lease, id))) => {
                _ = self.seam.set(Box::new(Seam::new(name, lease, id)));
                return;
            }
            (None, None) => return,
        };
        for key in keys {
            if let Some(entry) = self.find(key) {
                self.change(&entry, now, |state, wakers| {
                    state.move_to_fleet(self.context(&entry, now), wakers);
                });
            }
        }
    }

    /// Notes when the next request of a key is due. It runs under the key's lock.
    pub(super) fn note_requests(
        &self,
        entry: &KeyEntry,
        state: &mut KeyState,
        now: Duration,
        wakers: &mut Wakers,
    ) {
        let Some(seam) = self.seam() else {
            return;
        };
        let was_shared = state.is_shared();
        let due = state.share(self.context(entry, now));
        if state.is_shared() {
            wakers.wake(seam.note_due(entry.key, due));
        } else if was_shared {
            seam.forget(entry.key);
        }
    }

    pub(in crate::pace) fn next_store_request(&self, now: Duration) -> Option<StoreRequest> {
        let seam = self.seam()?;
        while let Some(key) = seam.take_due(now) {
            let Some(entry) = self.find(key) else {
                seam.forget(key);
                continue;
            };
            let number = seam.next_number();
            let request =
                self.change(&entry, now, |state, _| state.store_request(number, self.context(&entry, now)));
            if let Some((id, command)) = request {
                seam.opened(number, key);
                return Some(StoreRequest::new(number, id, command));
            }
        }
        None
    }

    pub(in crate::pace) fn next_store_request_at(&self, waker: Option<&Waker>) -> Option<Duration> {
        self.seam()?.next_due(waker)
    }

    pub(in crate::pace) fn on_store_event(&self, event: &StoreEvent, now: Duration) {
        let Some(seam) = self.seam() else {
            return;
        };
        match event {
            StoreEvent::Answer(_, Answer::Join(answer)) => seam.set_members(answer.members),
            StoreEvent::Answer(number, answer) => {
                if let Some(entry) = seam.answered(*number).and_then(|key| self.find(key)) {
                    if let Answer::Lease(answer) = answer {
                        seam.counts.leased(answer);
                    }
                    self.change(&entry, now, |state, wakers| {
                        state.hear_answer(*number, answer, self.context(&entry, now), wakers);
                    });
                }
            }
            StoreEvent::News(id, news) => {
                if let Some(key) = seam.key_of(*id, *news, now) {
                    self.hear_news(key, *id, news, now);
                }
            }
            StoreEvent::Unreachable(reason) => {
                for key in seam.set_reachable(Some(*reason)) {
                    self.change_shared(seam, key, now, |state, entry, wakers| {
                        state.store_unreachable(self.context(entry, now), wakers);
                    });
                }
            }
            StoreEvent::Reachable => {
                for key in seam.set_reachable(None) {
                    self.change_shared(seam, key, now, |state, entry, _| {
                        state.store_reachable(self.context(entry, now));
                    });
                }
            }
        }
    }

    /// Takes in news of a key that a request of this member has had.
    pub(in crate::pace) fn hear_news(&self, key: u64, id: Id, news: &News, now: Duration) {
        // A probe of another member changes nothing here, and a key of which this one knows nothing stays free.
        if news.kind == News::PROBING {
            return;
        }
        if let Some(entry) = self.entry(key, now) {
            self.change(&entry, now, |state, wakers| {
                state.hear_news(id, news, self.context(&entry, now), wakers);
            });
        }
    }

    /// Describes the shared keys that were used last, and at most `most` of them.
    pub(in crate::pace) fn shared_reports(&self, now: Duration, most: usize) -> Vec<SharedKeyReport> {
        let keys = self.seam().map(Seam::shared_keys).unwrap_or_default();
        let report = |key| self.find(key)?.lock().as_ref()?.shared_report(now);
        let mut reports: Vec<_> = keys.into_iter().filter_map(report).collect();
        reports.sort_by_key(|(used_at, report)| (std::cmp::Reverse(*used_at), report.id));
        reports.truncate(most);
        reports.into_iter().map(|(_, report)| report).collect()
    }

    /// Gives the slots of all keys back to the store.
    pub(in crate::pace) fn leave_fleet(&self, now: Duration) {
        let Some(seam) = self.seam() else {
            return;
        };
        for key in seam.shared_keys() {
            self.change_shared(seam, key, now, |state, _, _| state.leave_fleet());
        }
    }

    fn change_shared(
        &self,
        seam: &Seam,
        key: u64,
        now: Duration,
        change: impl FnOnce(&mut KeyState, &KeyEntry, &mut Wakers),
    ) {
        match self.find(key) {
            Some(entry) => self.change(&entry, now, |state, wakers| change(state, &entry, wakers)),
            None => seam.forget(key),
        }
    }
}
