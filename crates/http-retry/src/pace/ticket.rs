//! The types that a caller holds while its request waits, and while it is in flight.

use std::error::Error;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use super::Why;
use super::key_entry::KeyEntry;
use super::nanos::Nanos;

/// A request that wants to be sent. It keeps its place in the queue when it is sent again.
///
/// [`Pace`](crate::Pace) shows how one is used.
#[derive(Debug)]
pub struct Ticket {
    pub(super) key: u64,
    /// The group of the key, while only that is known: the request is late.
    pub(super) late: Option<NonZeroU64>,
    pub(super) tenant: u64,
    pub(super) cost: u32,
    pub(super) not_before: Duration,
    pub(super) deadline: Option<Duration>,
    pub(super) attempts: u32,
    /// One more than the ordinal of the first send of the request, so that the option takes no memory.
    pub(super) first: Option<NonZeroU64>,
    /// The last send.
    pub(super) previous: Option<Previous>,
    /// The stop that the request probed last, and how often it did.
    pub(super) probed: (u32, u32),
    /// The order of arrival among the requests that waited; 0 before the request waits.
    pub(super) number: u64,
    /// The key in whose queue the request waits.
    pub(super) queued: Option<Arc<KeyEntry>>,
    /// The time at which the key opens, as it was known when the request was rejected.
    pub(super) opens_at: Option<Nanos>,
}

impl Ticket {
    #[inline]
    pub(super) fn new(key: u64, tenant: u64, cost: u32) -> Self {
        let (not_before, deadline) = (Duration::ZERO, None);
        Self {
            key,
            late: None,
            tenant,
            cost,
            not_before,
            deadline,
            attempts: 0,
            first: None,
            previous: None,
            probed: (0, 0),
            number: 0,
            queued: None,
            opens_at: None,
        }
    }

    /// Sets the earliest time at which the request may be sent: the end of its own hint or backoff. The request must not be in
    /// the queue: [`leave`](crate::Pace::leave) first.
    pub fn not_before(&mut self, time: Duration) {
        self.not_before = time;
    }

    /// Sets the time after which the request must not be sent. A request whose wait is known to end later is rejected with
    /// [`PaceRejection::TooLong`].
    pub fn deadline(&mut self, time: impl Into<Option<Duration>>) {
        self.deadline = time.into();
    }

    /// Returns the time at which the key opens again, if the pace knew it when it last rejected the request: the end of a stop,
    /// or the reset of a quota that is used up. A request with the same key is not served earlier.
    pub fn opens_at(&self) -> Option<Duration> {
        self.opens_at.map(Nanos::get)
    }

    /// Returns whether only the first part of the request's key is known: see [`Pace::per_parts`](crate::Pace::per_parts).
    pub fn is_late(&self) -> bool {
        self.late.is_some()
    }

    /// Takes over the key of a ticket of the same request, whose key was not known before.
    pub(super) fn set_key(&mut self, named: &Self) {
        (self.key, self.late) = (named.key, None);
        (self.tenant, self.cost) = (named.tenant, named.cost);
        // Those are of the group.
        (self.first, self.previous) = (None, None);
    }

    /// Records the last send among those of its key, and how many calls of the key were refused until then.
    pub(super) fn sent_before(&mut self, ordinal: u64, refused: u32) {
        self.first = Some(NonZeroU64::MIN.saturating_add(ordinal));
        self.previous = Some(Previous::new(ordinal, refused));
    }

    /// Returns whether the request may not be sent any more, or not before its deadline.
    #[inline]
    pub(super) fn is_too_late(&self, now: Duration) -> bool {
        self.deadline.is_some_and(|deadline| deadline < now.max(self.not_before))
    }
}

/// The answer of [`Pace::poll`](crate::Pace::poll).
#[derive(Debug)]
#[must_use = "a permit that is dropped must be lost: see `Pace::lose`"]
pub enum Admission {
    /// The request is sent now.
    Go(Permit),
    /// The request waits. It is polled again when it is woken, and at the time `until` at the latest.
    Wait {
        /// The time of the next poll.
        until: Duration,
        /// The reason of the wait.
        why: Why,
    },
    /// The request is not sent, and is not in the queue any more.
    Rejected(PaceRejection),
}

/// A request that may be sent, or is in flight. [`Pace::settle`](crate::Pace::settle) or [`Pace::lose`](crate::Pace::lose)
/// takes it back.
#[derive(Debug)]
#[must_use = "other requests may wait for the answer: `Pace::settle` or `Pace::lose` takes the permit back"]
pub struct Permit {
    /// `None` where the table of keys was full, so that the request goes without a pace.
    pub(super) entry: Option<Arc<KeyEntry>>,
    /// The place among the sends of the key.
    pub(super) ordinal: u64,
    pub(super) sent_at: Duration,
    pub(super) cost: u32,
    /// Which stop the request probes, if it does.
    pub(super) probe: Option<u32>,
    /// The number of times that the request probed that stop until now.
    pub(super) probes: u32,
    /// `true` if the quotas count the request among those in flight. Those of a free key are not counted.
    pub(super) is_reserved: bool,
    /// `true` if the request was sent before its key was known. `entry` is that of the group then.
    pub(super) is_late: bool,
    /// The attempts before this one.
    pub(super) attempts: u32,
    /// The other calls in flight when this one left.
    pub(super) others: u32,
    /// The first send of the request, and the last one before this.
    pub(super) first: u64,
    pub(super) previous: Option<Previous>,
}

/// The attempt before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Previous {
    /// One more than its ordinal, so that an option of this takes no memory of its own.
    after: NonZeroU64,
    /// The refused calls of the key until it was sent.
    pub(super) refused: u32,
}

impl Previous {
    #[inline]
    pub(super) fn new(ordinal: u64, refused: u32) -> Self {
        Self { after: NonZeroU64::MIN.saturating_add(ordinal), refused }
    }

    #[inline]
    pub(super) fn ordinal(self) -> u64 {
        self.after.get() - 1
    }
}

impl Permit {
    /// Returns whether the request probes whether the server serves again, while others wait for the answer.
    pub fn is_probe(&self) -> bool {
        self.probe.is_some()
    }
}

/// The meaning of an answer for the pace: the result of [`Pace::settle`](crate::Pace::settle).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settlement {
    /// `true` if the server refused the request because of a limit, or because it is overloaded.
    pub is_refused: bool,
    /// `true` if the request was refused on behalf of all that wait: it was a probe, or it tried whether the server serves
    /// more than is known. The attempt should not count among the caller's own: see
    /// [`Session::leave_uncounted`](crate::Session::leave_uncounted).
    pub is_uncounted: bool,
}

/// The reason for which a request was not sent.
///
/// ```
/// use http_retry::PaceRejection;
///
/// let status = |rejection| match rejection {
///     PaceRejection::TooLong => 504,
///     _ => 503,
/// };
/// assert_eq!((status(PaceRejection::TooLong), status(PaceRejection::Full)), (504, 503));
/// assert_eq!(PaceRejection::Full.as_str(), "full");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PaceRejection {
    /// The queue is full: of the key, of the tenant, or over all keys.
    Full,
    /// The wait ends after the deadline of the request.
    TooLong,
}

impl PaceRejection {
    /// Returns the reason as one lower-case word, as traces and headers show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::TooLong => "too_long",
        }
    }
}

impl fmt::Display for PaceRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too many requests wait for the server's limit",
            Self::TooLong => "the wait for the server's limit ends after the request's deadline",
        })
    }
}

impl Error for PaceRejection {}
