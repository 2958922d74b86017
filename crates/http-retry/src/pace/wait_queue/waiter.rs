//! One request that waits, and where the sets of the queue have it.

use std::task::Waker;
use std::time::Duration;

use super::tenant_ring::TenantKey;

/// One request that waits.
///
/// The queue reads `tenant`, `cost`, `not_before` and `attempts` when the request joins. A later change of them through
/// [`WaitQueue::get_mut`](super::WaitQueue::get_mut) does not change its place.
#[derive(Debug)]
pub(in crate::pace) struct Waiter {
    /// The order of arrival, different for each request.
    pub number: u64,
    /// The hash of the tenant.
    pub tenant: u64,
    /// The cost in units. A cost of 0 counts as 1.
    pub cost: u32,
    /// The end of the request's own hint. The request is no candidate before.
    pub not_before: Duration,
    /// The number of times that the request was sent before.
    pub attempts: u32,
    /// Wakes the caller.
    pub waker: Option<Waker>,
    /// The moment at which the caller polls by its own timer.
    pub armed: Duration,
}

/// The class of a waiter in its tenant's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Due, and sent before.
    Resend,
    /// Due, and not yet sent.
    First,
    PassedOver,
    Early,
}

/// A waiter, and the values under which the sets have it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) waiter: Waiter,
    pub(super) place: Place,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) tenant: TenantKey,
    pub(super) class: Class,
    pub(super) number: u64,
    pub(super) cost: u32,
    pub(super) attempts: u32,
    pub(super) not_before: Duration,
}

impl Place {
    /// Returns whether the request was sent at least twice, so that one that was not sent yet is next.
    pub(super) fn is_repeated(&self) -> bool {
        self.attempts > 1
    }
}

impl Class {
    pub(super) fn due(attempts: u32) -> Self {
        if attempts > 0 { Self::Resend } else { Self::First }
    }

    pub(super) fn is_candidate(self) -> bool {
        matches!(self, Self::Resend | Self::First)
    }
}
