//! The fleet that a pace is in: how its keys are named there, and what a move to another fleet leaves behind.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{IdOf, Seam, SeamState};
use crate::fleet::Id;

/// The name of a pace in its fleet, and the hash of the fleet's store.
pub(super) struct Identity {
    name: Box<[u8]>,
    id: Box<IdOf>,
}

impl Identity {
    /// Returns the id of the bytes of a key.
    pub(super) fn id_of(&self, bytes: &[u8]) -> Id {
        (self.id)(&[&*self.name, &[0], bytes].concat())
    }
}

impl Seam {
    /// Moves to another fleet, with the name of the pace there, the length of a lease and the hash of its store, or to none. All
    /// ids are those of the fleet before, so they are forgotten, and so is each request in flight. Returns the shared keys.
    pub(in crate::pace) fn move_to(&self, fleet: Option<(&str, Duration, Box<IdOf>)>) -> Vec<u64> {
        let mut inner = self.lock();
        let before = std::mem::take(&mut *inner);
        let shared: Vec<_> = before.shared.keys().copied().collect();
        if let Some((name, lease, id)) = fleet {
            let lease = lease.clamp(Duration::from_millis(50), Duration::from_secs(2));
            self.lease.store(lease.as_micros() as u64, Relaxed);
            let identity = Some(Arc::new(Identity { name: name.as_bytes().into(), id }));
            let shared = shared.iter().map(|key| (*key, None)).collect();
            *inner = SeamState { identity, shared, ..SeamState::default() };
        }
        self.unknown_until.store(0, Relaxed);
        self.is_reachable.store(true, Relaxed);
        drop(inner);
        // The hash and the waker are code of the caller, so they are not dropped under the lock.
        drop(before);
        shared
    }
}
