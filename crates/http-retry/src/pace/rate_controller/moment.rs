//! The values that the rate controller is told when something happens, and its answer.

use std::time::Duration;

use crate::pace::Why;

/// The time at which the next request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pace) struct Slot {
    pub(in crate::pace) at: Duration,
    pub(in crate::pace) why: Why,
    /// The stop that the next request probes.
    pub(in crate::pace) probe: Option<u32>,
}

/// The state of the key's sends when something happens.
#[derive(Clone, Copy, Debug)]
pub(in crate::pace) struct Moment {
    pub(in crate::pace) now: Duration,
    /// The requests that wait and whose own hint is over.
    pub(in crate::pace) waiting: usize,
    /// All requests that wait.
    pub(in crate::pace) queued: usize,
    /// The number of sends whose outcome is not known yet.
    pub(in crate::pace) unknown: usize,
    pub(in crate::pace) refusal_time: Duration,
    pub(in crate::pace) patience: Duration,
    pub(in crate::pace) longest: Duration,
    /// The sends until now.
    pub(in crate::pace) sends: u64,
    /// The first send of the last second or two.
    pub(in crate::pace) burst_from: u64,
    /// The part of the limit that is this process's. It is 1, unless others share the limit and their calls are counted.
    pub(in crate::pace) part: f64,
    /// The part of the requests of all members of a fleet that are taken to be this member's, or 1.
    pub(in crate::pace) part_of_load: f64,
}

/// A refusal of one call.
#[derive(Clone, Copy, Debug)]
pub(in crate::pace) struct Refused {
    pub(in crate::pace) ordinal: u64,
    pub(in crate::pace) sent_at: Duration,
    pub(in crate::pace) hint: Option<Duration>,
    pub(in crate::pace) is_precise: bool,
    pub(in crate::pace) is_server: bool,
    /// The attempt of the same request before.
    pub(in crate::pace) previous: Option<u64>,
    /// The calls of other processes that the same limit had served until then.
    pub(in crate::pace) others: u64,
    /// The part of the burst that the limit has at most, if the refusal proves that by what is shared with other processes.
    pub(in crate::pace) burst_part: Option<f64>,
}
