//! The meaning of what the store tells for the rule of a key.

use std::time::Duration;

/// The meaning of an answer or of news for the rule of the key.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::pace) struct Heard {
    /// All sends stop until then.
    pub(in crate::pace) stop: Option<Duration>,
    /// The stop is over.
    pub(in crate::pace) is_open: bool,
    /// The rate and the burst of this member are these.
    pub(in crate::pace) limit: Option<(f64, f64)>,
    /// There is no limit of a rate.
    pub(in crate::pace) is_dropped: bool,
    /// The rate of all was cut.
    pub(in crate::pace) is_cut: bool,
    /// The rate is that of a search which is over.
    pub(in crate::pace) is_found: bool,
    /// The rate was served without a refusal, so the limit may be higher.
    pub(in crate::pace) is_lower_bound: bool,
    /// The share of this member is another one.
    pub(in crate::pace) scale: Option<Scale>,
}

/// A change of a member's share of a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::pace) struct Scale {
    pub(in crate::pace) factor: f64,
    /// The least rate, which is that of the entry.
    pub(in crate::pace) rate: f64,
    pub(in crate::pace) burst: f64,
}
