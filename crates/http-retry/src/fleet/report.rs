//! A member tells this of itself, for `/status` and metrics.

use std::ops::AddAssign;
use std::time::Duration;

use super::Id;

/// One key of a pace that the fleet shares, as this member knows it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SharedKeyReport {
    /// The id of the key's entry in the store.
    pub id: Id,
    /// The rate of the whole fleet in sends per second, if one is known.
    pub per_second: Option<f64>,
    /// The number of sends that the whole fleet may make at once, if it is known.
    pub burst: Option<f64>,
    /// The time for which no member sends.
    pub quiet: Option<Duration>,
    /// The part of the fleet's rate that is this member's, from 0 to 1.
    pub share: f64,
    /// The slots that this member has in hand.
    pub held: usize,
    /// `true` while a probe of this member is in flight, or may be sent.
    pub probe: bool,
}

/// Counts what became of the slots and probes of a member, over all keys of a pace. The numbers only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotCounts {
    /// The slots that the store gave.
    pub leased: u64,
    /// The sends that had a slot.
    pub spent: u64,
    /// The slots that went back to the store because no request used them.
    pub returned: u64,
    /// The sends that had no slot, because the store had just said that there was room.
    pub debt: u64,
    /// The sends that had no slot, because the store did not answer.
    pub alone: u64,
    /// The probes that the server served.
    pub probes_served: u64,
    /// The probes that the server refused.
    pub probes_refused: u64,
    /// The probes that had no answer.
    pub probes_lost: u64,
}

impl AddAssign for SlotCounts {
    fn add_assign(&mut self, other: Self) {
        self.leased += other.leased;
        self.spent += other.spent;
        self.returned += other.returned;
        self.debt += other.debt;
        self.alone += other.alone;
        self.probes_served += other.probes_served;
        self.probes_refused += other.probes_refused;
        self.probes_lost += other.probes_lost;
    }
}

/// The part of a shared budget that this member has, in tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PurseReport {
    /// The tokens that this member has borrowed and not spent.
    pub purse: f64,
    /// The tokens that the fleet had left at the last answer of the store.
    pub level: f64,
}
