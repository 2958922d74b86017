use std::time::Duration;

use proptest::prelude::*;

use super::super::wait_queue::Waiter;
use super::*;

fn settings(waiters: usize) -> PaceSettings {
    PaceSettings { keys: 1, waiters, has_tenants: true, ..PaceSettings::default() }
}

fn waiter(number: u64, tenant: u64) -> Waiter {
    Waiter {
        number,
        tenant,
        cost: 1,
        not_before: Duration::ZERO,
        attempts: 0,
        waker: None,
        armed: Duration::ZERO,
    }
}

proptest! {
    /// Whoever comes in whatever order: the bounds hold, only the tenant with the most loses, and never to one that has as many.
    #[test]
    fn the_bounds_hold_and_the_longest_tenant_loses(
        tenants in prop::collection::vec(0..6_u64, 0..200),
        waiters in 0..200_usize,
    ) {
        let settings = settings(waiters);
        let mut queue = WaitQueue::new();
        for (number, tenant) in tenants.into_iter().enumerate() {
            let lens = |queue: &WaitQueue| [0, 1, 2, 3, 4, 5].map(|tenant| queue.tenant_len(tenant));
            let (before, newest) = (lens(&queue), queue.newest_of_longest_tenant());
            let is_free = queue.len() < waiters;
            let has_room = make(&mut queue, tenant, is_free, &settings, &mut Wakers::default());
            let after = lens(&queue);
            if before != after {
                let longest = before.into_iter().max();
                let loser = (0..6).find(|index| before[*index] != after[*index]).unwrap();
                prop_assert!(has_room && newest.is_some_and(|newest| queue.get(newest).is_none()));
                prop_assert_eq!(Some(before[loser]), longest);
                prop_assert_eq!(after[loser] + 1, before[loser]);
                prop_assert!(after[loser] > after[tenant as usize]);
            }
            if has_room {
                queue.join(waiter(number as u64, tenant), Duration::ZERO);
            }
            prop_assert!(queue.len() <= waiters.div_ceil(4));
            prop_assert!(lens(&queue).iter().all(|len| *len <= waiters.div_ceil(4).div_ceil(4)));
        }
    }
}
