//! The bound of the queue: who is rejected where too many wait.

use super::PaceSettings;
use super::wait_queue::WaitQueue;
use super::wakers::Wakers;

/// Makes room for one more request of a tenant, and returns whether there is room. `has_room` says whether there is some over
/// all keys.
///
/// Where the queue is full, the tenant that has the most waiters loses its newest one. That is the request that asks, unless
/// another tenant has more even with it: a swap between equals would only wake requests in vain.
pub(super) fn make(
    queue: &mut WaitQueue,
    tenant: u64,
    has_room: bool,
    settings: &PaceSettings,
    wakers: &mut Wakers,
) -> bool {
    let for_key = settings.waiters.div_ceil(PART);
    let len = queue.tenant_len(tenant);
    if settings.has_tenants && len >= for_key.div_ceil(PART) {
        return false;
    }
    if has_room && queue.len() < for_key {
        return true;
    }
    let longest = queue.newest_of_longest_tenant().and_then(|number| queue.get(number));
    let Some(number) =
        longest.filter(|waiter| queue.tenant_len(waiter.tenant) > len + 1).map(|waiter| waiter.number)
    else {
        return false;
    };
    // Its next poll finds that it is gone, and is rejected.
    wakers.wake(queue.remove(number).and_then(|waiter| waiter.waker));
    true
}

/// A key may have this part of all waiters, and a tenant this part of the key's, rounded up.
const PART: usize = 4;

#[cfg(test)]
mod tests;
