//! The groups of keys with the same first part, for requests that are sent before the rest of their key is known.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// The effect of a key on the late requests of its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LateEffect {
    /// The time until which the key may hold requests back. Until then no late request of the group is sent.
    pub(super) until: Duration,
    /// The number of requests that the announced quotas let go before one of them is short, and the time until which that counts.
    pub(super) room: Option<(u32, Duration)>,
}

/// The groups of a pace, by some bits of their hash, which the hashes of their keys have too.
///
/// A group has no entry of its own: groups with the same bits are taken for one. Then a late request of one waits for its
/// key although only a key of the other may hold requests back.
#[derive(Debug)]
pub(super) struct Groups {
    groups: Box<[Group]>,
    /// The latest second that any group has.
    until: AtomicU32,
}

/// Times are in whole seconds, rounded up.
#[derive(Debug, Default)]
struct Group {
    held_until: AtomicU32,
    room: AtomicU32,
    room_until: AtomicU32,
}

impl Groups {
    pub(super) fn new() -> Self {
        Self { groups: (0..GROUPS).map(|_| Group::default()).collect(), until: AtomicU32::new(0) }
    }

    /// Returns the hash of a key with the bits of its group.
    #[inline]
    pub(super) fn key_in(group: u64, key: u64) -> u64 {
        key & !BITS | group & BITS
    }

    /// Notes what a key means for its group.
    pub(super) fn note(&self, key: u64, hold: LateEffect) {
        let group = self.group(key);
        let mut latest = 0;
        if !hold.until.is_zero() {
            latest = end(hold.until);
            group.held_until.fetch_max(latest, Relaxed);
        }
        if let Some((room, until)) = hold.room {
            latest = latest.max(end(until));
            group.room.store(room, Relaxed);
            group.room_until.store(end(until), Relaxed);
        }
        if latest > self.until.load(Relaxed) {
            self.until.fetch_max(latest, Relaxed);
        }
    }

    /// Returns whether no group has ever held anybody. This needs no clock.
    #[inline]
    pub(super) fn none_has_held(&self) -> bool {
        self.until.load(Relaxed) == 0
    }

    /// Returns whether any group may hold requests back. This is cheap.
    #[inline]
    pub(super) fn any_holds(&self, now: Duration) -> bool {
        self.until.load(Relaxed) > second(now)
    }

    /// Returns whether a late request of a group may have to wait once its key is known.
    pub(super) fn holds(&self, key: u64, now: Duration) -> bool {
        let (group, now) = (self.group(key), second(now));
        group.held_until.load(Relaxed) > now
            || group.room_until.load(Relaxed) > now && group.room.load(Relaxed) == 0
    }

    /// Returns whether a late request of a group may be sent, and takes its room.
    #[inline]
    pub(super) fn admits(&self, key: u64, now: Duration) -> bool {
        if !self.any_holds(now) {
            return true;
        }
        let (group, now) = (self.group(key), second(now));
        group.held_until.load(Relaxed) <= now
            && (group.room_until.load(Relaxed) <= now
                || group.room.fetch_update(Relaxed, Relaxed, |room| room.checked_sub(1)).is_ok())
    }

    fn group(&self, key: u64) -> &Group {
        &self.groups[(key & BITS) as usize >> SHIFT]
    }
}

/// Returns the first whole second after a time.
fn end(time: Duration) -> u32 {
    second(time).saturating_add(1)
}

fn second(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

/// The groups that are told apart. Of a hundred credentials that are held, one in ten others shares the bits.
const GROUPS: usize = 1024;
/// The bits of a hash that tell groups apart. The highest ones tell the shards of the table.
const BITS: u64 = (GROUPS as u64 - 1) << SHIFT;
const SHIFT: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_millis(60_500);

    #[test]
    fn a_group_holds_until_the_latest_time_of_its_keys() {
        let groups = Groups::new();
        let (group, other) = (0x0000_2a00_0000_0000, 0x0000_2b00_0000_0000);
        let key = Groups::key_in(group, u64::MAX);
        assert!(groups.admits(group, NOW) && !groups.any_holds(NOW) && !groups.holds(group, NOW));
        assert!(groups.none_has_held());
        groups.note(key, LateEffect { until: Duration::from_secs(70), room: None });
        groups.note(group, LateEffect { until: Duration::from_secs(65), room: None });
        groups.note(group, LateEffect::default());
        for (time, holds) in
            [(NOW, true), (Duration::from_millis(70_100), true), (Duration::from_secs(71), false)]
        {
            assert_eq!((groups.holds(group, time), groups.admits(group, time)), (holds, !holds), "{time:?}");
            assert!(!groups.holds(other, time) && groups.admits(other, time));
        }
    }

    #[test]
    fn a_group_lets_as_many_go_as_its_quotas_have_room_for() {
        let groups = Groups::new();
        groups.note(0, LateEffect { until: Duration::ZERO, room: Some((2, Duration::from_secs(70))) });
        assert!(!groups.holds(0, NOW) && groups.admits(0, NOW) && groups.admits(0, NOW));
        assert!(groups.holds(0, NOW) && !groups.admits(0, NOW));
        groups.note(0, LateEffect::default());
        assert!(groups.holds(0, NOW), "a key without quotas says nothing of those of another");
        assert!(groups.admits(0, Duration::from_secs(71)));
    }
}
