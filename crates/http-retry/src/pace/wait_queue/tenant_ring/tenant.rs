//! One tenant that waits, and its place in the ring.

/// The place of a tenant in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RingPlace {
    /// The places are in this order. It is the number, or less for a tenant that had no turn in this round.
    pub(super) order: u64,
    pub(super) number: u64,
}

/// One tenant, or several who share a place because there are too many.
///
/// The highest bit tells one from the other, so tenants whose hashes differ in that bit alone are one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::pace::wait_queue) struct TenantKey(u64);

#[derive(Debug, Default)]
pub(super) struct Tenant {
    pub(super) len: u32,
    /// The cost of its first candidate. The tenant is in the ring while it has one.
    pub(super) head_cost: Option<u32>,
    /// A tenant whose candidates were all passed over keeps its place while it is not in the ring.
    pub(super) place: Option<RingPlace>,
    /// The cost that the tenant may still spend. It is negative where a request was admitted before its tenant was next.
    pub(super) deficit: i64,
    /// `true` if the tenant has got its quantum in this round.
    pub(super) is_granted: bool,
    /// `true` if the last request that was admitted had been sent at least twice, so that one that was not sent yet is next.
    pub(super) had_repeated: bool,
}

impl Tenant {
    pub(super) fn grant(&mut self, quantum: u32) {
        if !self.is_granted {
            self.deficit += i64::from(quantum);
            self.is_granted = true;
        }
    }

    /// Returns how much more its candidate costs than it has.
    pub(super) fn missing(&self) -> i64 {
        i64::from(self.head_cost.unwrap_or(0)) - self.deficit
    }
}

impl TenantKey {
    pub(super) fn own(tenant: u64) -> Self {
        Self(tenant | OWN)
    }

    pub(super) fn shared(tenant: u64) -> Self {
        Self(tenant % SHARED_KEYS)
    }

    pub(super) fn is_own(self) -> bool {
        self.0 & OWN != 0
    }
}

/// Tells a tenant with a place of its own from the tenants that share one.
const OWN: u64 = 1 << 63;

/// The number of places that all other tenants share.
const SHARED_KEYS: u64 = 1_024;
