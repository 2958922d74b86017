//! What a caller holds while it waits, and while its request is under way.

use std::cmp::Ordering;
use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::Key;

/// A place in line. Those that came first go first: tickets are ordered so. A request that is sent again keeps its
/// place by keeping its ticket.
///
/// [`Pace`](crate::Pace) shows how one is used.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    pub(super) key: Key,
    pub(super) number: u64,
    pub(super) not_before: Duration,
    pub(super) ends_at: Option<Duration>,
}

impl Ticket {
    /// Sets when the request may be sent at the earliest, whatever the gate says. Until then it stands in
    /// nobody's way. To change it of a ticket that is in line, leave first.
    pub fn not_before(self, moment: Duration) -> Self {
        Self { not_before: moment, ..self }
    }

    /// Sets when the caller gives up. As soon as it is known that it cannot go before, it is
    /// [refused](PaceRejection::Deadline).
    pub fn ends_at(self, moment: impl Into<Option<Duration>>) -> Self {
        Self { ends_at: moment.into(), ..self }
    }
}

impl PartialEq for Ticket {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Ticket {}

impl PartialOrd for Ticket {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ticket {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number.cmp(&other.number)
    }
}

impl Hash for Ticket {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

/// Whether it is a ticket's turn: what [`Pace::poll`](crate::Pace::poll) says, as [`Pace`](crate::Pace) shows.
#[derive(Debug)]
#[must_use = "a pass that is dropped must be lost: see `Pace::lose`"]
pub enum Admission {
    /// Send.
    Go(Permit),
    /// Not yet. Poll again when woken, or at this moment at the latest if there is one: the first in line watches
    /// the clock for all.
    Wait(Option<Duration>),
    /// Not at all. The caller is not in line any more.
    Rejected(PaceRejection),
}

/// A send that is under way. [`Pace`](crate::Pace) shows what becomes of it.
#[derive(Debug)]
#[must_use = "the others may wait for what comes of this: `Pace::observe` or `Pace::lose` takes it back"]
pub struct Permit {
    pub(super) key: Key,
    pub(super) number: u64,
    pub(super) sent_at: Duration,
    /// Whether others were waiting when it left.
    pub(super) is_pressed: bool,
}

/// Why a request was not let through.
///
/// ```
/// use http_retry::PaceRejection;
///
/// let status = |refusal| match refusal {
///     PaceRejection::Deadline => 504,
///     _ => 503,
/// };
/// assert_eq!((status(PaceRejection::Deadline), status(PaceRejection::Waiters)), (504, 503));
/// assert_eq!(PaceRejection::Waiters.as_str(), "waiters");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PaceRejection {
    /// As many wait as may.
    Waiters,
    /// As many keys are in use as can be.
    Keys,
    /// It would have been sent too late.
    Deadline,
}

impl PaceRejection {
    /// The refusal as one lower-case word, as traces and headers show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiters => "waiters",
            Self::Keys => "keys",
            Self::Deadline => "deadline",
        }
    }
}

impl fmt::Display for PaceRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiters => "too many requests wait for the server to want more",
            Self::Keys => "too many servers want fewer requests",
            Self::Deadline => "the server wants no request before the deadline",
        })
    }
}

impl Error for PaceRejection {}
