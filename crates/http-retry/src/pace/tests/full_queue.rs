//! A bounded queue: who is rejected where too many wait.

use super::*;
use crate::PaceRejection::Full;

/// Lets requests of a tenant wait for a stopped key. Each must wait.
fn join(pace: &Pace, key: &str, tenant: &str, count: usize, now: Duration) -> Vec<Caller> {
    let join = |_| {
        let mut caller = Caller::new(pace, key, tenant);
        let answer = caller.poll(pace, now);
        assert!(answer.is_none(), "{key}, {tenant}: {answer:?}");
        caller
    };
    (0..count).map(join).collect()
}

#[track_caller]
fn check_full(pace: &Pace, key: &str, tenant: &str, now: Duration) {
    let waiting = pace.waiting();
    let mut late = ticket(pace, key, tenant);
    assert_eq!(rejected(pace, &mut late, now), Full, "{key}, {tenant}");
    pace.leave(&mut late, now);
    assert_eq!(pace.waiting(), waiting);
}

#[test]
fn a_quarter_of_all_may_wait_for_one_key() {
    for (waiters, for_key) in [(0, 0), (1, 1), (4, 1), (16, 4), (400, 100)] {
        let pace = Pace::per_authority().waiters(waiters);
        let (now, _) = stop(&pace, "key", START, 60);
        let waiting = join(&pace, "key", "", for_key, now);
        check_full(&pace, "key", "", now);
        assert_eq!((pace.waiting(), waiting.len()), (for_key, for_key));
    }
}

#[test]
fn four_full_keys_leave_no_room_for_a_fifth() {
    let pace = Pace::per_authority().waiters(8);
    let stops: Vec<_> = ["a", "b", "c", "d", "e"].map(|key| stop(&pace, key, START, 600)).into();
    let now = stops.iter().map(|(now, _)| *now).max().unwrap();
    let mut waiting: Vec<_> =
        ["a", "b", "c", "d"].iter().flat_map(|key| join(&pace, key, "", 2, now)).collect();
    assert_eq!(pace.waiting(), 8);
    check_full(&pace, "e", "", now);
    pace.leave(&mut waiting[0].ticket, now);
    assert_eq!(pace.waiting(), 7);
    join(&pace, "e", "", 1, now);
    check_full(&pace, "e", "", now);
}

#[test]
fn a_quarter_of_a_key_may_wait_for_one_tenant() {
    let pace = fair(Pace::per_authority()).waiters(160);
    let (now, _) = stop(&pace, "key", START, 60);
    let _greedy = join(&pace, "key", "greedy", 10, now);
    check_full(&pace, "key", "greedy", now);
    let _modest = join(&pace, "key", "modest", 10, now);
    check_full(&pace, "key", "modest", now);
    assert_eq!(pace.waiting(), 20);
}

#[test]
fn the_newest_of_the_longest_tenant_makes_room() {
    let pace = fair(Pace::per_authority()).waiters(64);
    let (now, _) = stop(&pace, "key", START, 60);
    let mut tenants: Vec<_> =
        ["a", "b", "c", "d"].iter().map(|tenant| join(&pace, "key", tenant, 4, now)).collect();
    assert_eq!(pace.waiting(), 16);
    let _modest = join(&pace, "key", "modest", 1, now);
    assert_eq!(pace.waiting(), 16);

    // One tenant loses one request, that is its newest, and it was woken to hear of it.
    let mut rejected = Vec::new();
    for (tenant, callers) in tenants.iter_mut().enumerate() {
        for (index, caller) in callers.iter_mut().enumerate() {
            let is_woken = caller.flag.take();
            match caller.poll(&pace, now + ms(1)) {
                None => {}
                Some(Err(Full)) => rejected.push((tenant, index, is_woken)),
                Some(other) => panic!("{other:?}"),
            }
        }
    }
    let [(victim, 3, true)] = rejected[..] else { panic!("{rejected:?}") };
    assert_eq!(pace.waiting(), 16);
    // The rejected one has left the queue, so it may leave without an effect.
    pace.leave(&mut tenants[victim][3].ticket, now);
    assert_eq!(pace.waiting(), 16);
}

#[test]
fn a_rejected_request_that_never_polls_again_holds_no_place() {
    let pace = fair(Pace::per_authority()).waiters(64);
    let (now, _) = stop(&pace, "key", START, 60);
    let mut tenants: Vec<_> =
        ["a", "b", "c", "d"].iter().flat_map(|tenant| join(&pace, "key", tenant, 4, now)).collect();
    let mut modest = join(&pace, "key", "modest", 2, now);
    for caller in tenants.iter_mut().chain(&mut modest) {
        pace.leave(&mut caller.ticket, now);
    }
    assert_eq!((pace.waiting(), pace.report(&ticket(&pace, "key", ""), now).waiting), (0, 0));
}

#[test]
fn equal_tenants_do_not_push_each_other_out() {
    let pace = fair(Pace::per_authority()).waiters(64);
    let (now, _) = stop(&pace, "key", START, 60);
    let mut tenants: Vec<_> =
        ["a", "b", "c", "d", "e"].iter().flat_map(|tenant| join(&pace, "key", tenant, 3, now)).collect();
    tenants.extend(join(&pace, "key", "a", 1, now));
    // Tenant `b` would have as many as `a`, which has the most.
    check_full(&pace, "key", "b", now);
    assert!(tenants.iter_mut().all(|caller| caller.poll(&pace, now).is_none()));
}

#[test]
fn where_none_may_wait_a_free_slot_still_goes() {
    let pace = Pace::per_authority().waiters(0);
    let permit = go(&pace, &mut ticket(&pace, "free", ""), START);
    settle(&pace, permit, &response(200, None), START);
    let (now, end) = stop(&pace, "key", START, 5);
    check_full(&pace, "key", "", now);
    let probe = go(&pace, &mut ticket(&pace, "key", ""), end + ms(1));
    assert!(probe.is_probe());
    check_full(&pace, "key", "", end + ms(2));
    settle(&pace, probe, &response(200, None), end + ms(20));
    let permit = go(&pace, &mut ticket(&pace, "key", ""), end + secs(2));
    pace.lose(permit, end + secs(2));
}
