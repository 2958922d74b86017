//! The order of one tenant's requests. Requests that were sent before stand in front. Behind one that was sent at least twice
//! stands one that was not sent yet, because requests that are refused whatever the load must not keep the front.

use std::ops::Bound;

use super::tenant_ring::TenantKey;
use super::{Class, WaitQueue};

/// A place between two requests of a tenant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    /// The last request before it that was sent before, and the last one that was not.
    resend: Option<u64>,
    first: Option<u64>,
    /// `true` if the last one of both was sent at least twice.
    is_repeated: bool,
}

impl WaitQueue {
    /// Returns a tenant's candidate behind a place, or else its first, with the place behind it and its cost.
    pub(super) fn next_of(&self, tenant: TenantKey, behind: Option<Cursor>) -> Option<(Cursor, u64, u32)> {
        let start = || Cursor { is_repeated: self.tenants.had_repeated(tenant), ..Cursor::default() };
        let cursor = behind.unwrap_or_else(start);
        let next = |class, last: Option<u64>| {
            let start = match last {
                Some(number) => Bound::Excluded((tenant, class, number)),
                None => Bound::Included((tenant, class, 0)),
            };
            let end = Bound::Included((tenant, class, u64::MAX));
            self.places.range((start, end)).next().map(|(_, _, number)| *number)
        };
        let resend = || next(Class::Resend, cursor.resend);
        let first = || next(Class::First, cursor.first);
        let number = if cursor.is_repeated { first().or_else(resend) } else { resend().or_else(first) }?;
        let place = self.waiters.get(&number)?.place;
        let is_repeated = place.is_repeated();
        let cursor = match place.class {
            Class::Resend => Cursor { resend: Some(number), is_repeated, ..cursor },
            _ => Cursor { first: Some(number), is_repeated, ..cursor },
        };
        Some((cursor, number, place.cost))
    }
}
