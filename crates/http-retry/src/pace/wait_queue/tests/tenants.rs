use super::*;

/// `each` requests of each tenant; all of the first tenant come first. Numbers are `100 * tenant + index`.
fn backlog(tenants: u64, each: u64) -> WaitQueue {
    queue((0..tenants).flat_map(|tenant| (0..each).map(move |index| of_tenant(tenant, 100 * tenant + index))))
}

fn tenants_of(numbers: &[u64]) -> Vec<u64> {
    numbers.iter().map(|number| number / 100).collect()
}

#[test]
fn tenants_with_equal_costs_are_served_one_by_one() {
    let mut queue = backlog(3, 3);
    check_front(&queue, &[0, 100, 200, 1]);
    assert_eq!(tenants_of(&drain(&mut queue)), [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

/// Lets a request wait, and returns how many others are admitted before it.
fn admitted_before(queue: &mut WaitQueue, waiter: Waiter) -> usize {
    let number = waiter.number;
    queue.join(waiter, NOW);
    let others = (0..).take_while(|_| {
        let first = queue.front().next().unwrap_or_default();
        queue.take(first);
        first != number
    });
    others.count()
}

#[test]
fn a_tenant_that_comes_back_at_once_waits_one_round() {
    let mut queue = backlog(5, 50);
    drain_some(&mut queue, 5);
    assert_eq!(admitted_before(&mut queue, of_tenant(99, 5_000)), 0);
    for served in 1..20 {
        assert_eq!(admitted_before(&mut queue, of_tenant(99, 5_000 + served)), 5, "after {served}");
    }
}

#[test]
fn a_tenant_that_comes_once_a_round_waits_for_none_of_the_greedy() {
    let mut queue = backlog(5, 50);
    drain_some(&mut queue, 5);
    for served in 0..20 {
        assert_eq!(admitted_before(&mut queue, of_tenant(99, 5_000 + served)), 0, "after {served}");
        for _ in 0..5 {
            let first = queue.front().next().unwrap_or_default();
            assert!(queue.take(first).is_some_and(|waiter| waiter.tenant < 5));
        }
    }
}

#[test]
fn a_resend_of_a_tenant_that_asks_for_little_is_before_the_greedy_too() {
    let mut queue = backlog(5, 50);
    queue.join(Waiter { tenant: 99, ..early(5_000, 20) }, NOW);
    drain_some(&mut queue, 12);
    queue.promote(Duration::from_secs(20));
    assert_eq!(queue.front().next(), Some(5_000));
}

#[test]
fn a_tenant_gets_its_turns_however_many_new_ones_come() {
    let mut queue = backlog(1, 10);
    let mut greedy = 0;
    for tenant in 1..1_000 {
        for number in [2 * tenant, 2 * tenant + 1] {
            queue.join(of_tenant(tenant, 1_000 * number), NOW);
        }
        let first = queue.front().next().unwrap_or_default();
        greedy += usize::from(queue.take(first).is_some_and(|waiter| waiter.tenant == 0));
    }
    assert!((5..=10).contains(&greedy), "{greedy} of 10");
}

fn drain_some(queue: &mut WaitQueue, count: usize) {
    for _ in 0..count {
        let first = queue.front().next().unwrap_or_default();
        queue.take(first);
    }
}

#[test]
fn tenants_share_the_cost_and_not_the_count() {
    let cheap = (0..400).map(|index| of_tenant(0, index));
    let dear = (0..100).map(|index| Waiter { cost: 7, ..of_tenant(1, 1_000 + index) });
    let mut queue = queue(cheap.chain(dear));
    let mut spent = [0_u32; 2];
    for _ in 0..300 {
        let first = queue.front().next().unwrap_or_default();
        spent[usize::from(first >= 1_000)] += queue.take(first).map_or(0, |waiter| waiter.cost);
        assert!(spent[0].abs_diff(spent[1]) <= 16, "{spent:?}");
    }
}

#[test]
fn one_huge_cost_takes_no_longer_than_others() {
    let small = (0..1_000).map(|number| early(number, 20));
    let huge = [1_u64, 2].map(|tenant| Waiter { cost: u32::MAX, ..of_tenant(tenant, 1_000 + tenant) });
    let mut queue = queue(small.chain(huge));
    check_front(&queue, &[1_001, 1_002]);
    assert!(queue.tenants.places() < 20, "{}", queue.tenants.places());
    assert_eq!(drain(&mut queue), [1_001, 1_002]);
}

#[test]
fn all_candidates_are_listed_whatever_they_cost() {
    let mut queue = queue((0..40).map(|number| Waiter { cost: 1_000, ..of_tenant(number % 20, number) }));
    for number in 40..4_000 {
        queue.join(early(number, 20), NOW);
    }
    assert_eq!(queue.front().count(), CANDIDATES);
    let mut queue = backlog(1, 3);
    queue.join(Waiter { cost: 100, ..waiter(50) }, NOW);
    check_front(&queue, &[0, 1, 2, 50]);
}

#[test]
fn a_tenant_without_a_candidate_does_not_block_the_ring() {
    let mut queue =
        queue([of_tenant(1, 1), of_tenant(2, 2), of_tenant(2, 3), Waiter { tenant: 3, ..early(4, 11) }]);
    assert!(queue.take(2).is_some());
    check_front(&queue, &[3]);
    assert_eq!(drain(&mut queue), [3]);
    assert_eq!(queue.len(), 2);
}

#[test]
fn a_passed_over_tenant_gets_its_place_in_the_ring_back() {
    let mut queue = backlog(3, 4);
    queue.remove(1).and(queue.remove(2)).and(queue.remove(3));
    assert!(queue.take(100).is_some());
    check_front(&queue, &[200, 101, 201, 102]);
    queue.polled(0);
    check_front(&queue, &[0, 200, 101, 201]);
}

#[test]
fn a_tenant_that_comes_back_has_saved_nothing() {
    let mut queue = backlog(2, 3);
    // Each of its requests leaves once it could have been admitted.
    for number in [0, 1, 2] {
        assert_eq!(queue.position(number), Some(0));
        queue.join(Waiter { not_before: Duration::from_secs(11), ..waiter(number) }, NOW);
    }
    queue.promote(Duration::from_secs(11));
    assert_eq!(tenants_of(&drain(&mut queue)), [1, 0, 1, 0, 1, 0]);
}

#[test]
fn a_request_that_is_admitted_out_of_order_is_charged() {
    let mut queue = backlog(3, 4);
    assert!(queue.take_probe(203).is_some());
    // Its tenant is left out in the first round.
    assert_eq!(tenants_of(&drain(&mut queue)), [0, 1, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn the_debt_of_a_tenant_is_bounded() {
    let mut queue = backlog(2, 100);
    (150..200).for_each(|number| assert!(queue.take_probe(number).is_some()));
    assert_eq!(queue.tenants.deficits().0, -(CANDIDATES as i64));
    let order = tenants_of(&drain(&mut queue));
    assert!(order.iter().position(|tenant| *tenant == 1).is_some_and(|index| index <= CANDIDATES + 2));
}

#[test]
fn a_full_queue_rejects_the_newest_of_the_longest_tenant() {
    let mut queue = backlog(3, 2);
    queue.join(of_tenant(1, 7), NOW);
    assert_eq!(queue.newest_of_longest_tenant(), Some(101));
    queue.join(Waiter { tenant: 1, ..early(500, 11) }, NOW);
    assert_eq!(queue.newest_of_longest_tenant(), Some(500));
    assert_eq!((queue.tenant_len(0), queue.tenant_len(1), queue.tenant_len(9)), (2, 4, 0));
    queue.remove(500);
    assert_eq!(queue.newest_of_longest_tenant(), Some(101));
    queue.join(of_tenant(0, 2), NOW);
    queue.join(of_tenant(0, 3), NOW);
    assert_eq!(queue.newest_of_longest_tenant(), Some(3));
}

#[test]
fn the_newest_of_a_tenant_may_be_passed_over_or_a_resend() {
    let mut queue = queue([waiter(1), waiter(2), resend(3, 1), waiter(4)]);
    queue.take(1);
    assert_eq!((queue.passed_over_len(), queue.newest_of_longest_tenant()), (1, Some(4)));
    queue.remove(4);
    assert_eq!(queue.newest_of_longest_tenant(), Some(3));
}

#[test]
fn beyond_1024_tenants_the_others_share_a_place() {
    let mut queue = queue((0..1_024).map(|tenant| of_tenant(tenant, tenant)));
    for tenant in 1_024..5_000 {
        queue.join(of_tenant(tenant, tenant), NOW);
    }
    assert_eq!((queue.len(), queue.tenants.keys()), (5_000, 2_048));
    assert_eq!((queue.tenant_len(5), queue.tenant_len(1_029)), (1, 4));
    // While one of its requests waits, the next goes behind it, even if there is room again.
    queue.remove(5);
    queue.join(of_tenant(1_029, 9_000), NOW);
    assert_eq!((queue.tenant_len(1_029), queue.tenants.keys()), (5, 2_047));
    queue.join(of_tenant(5, 9_001), NOW);
    assert_eq!(queue.tenant_len(5), 6);
    let order = drain(&mut queue);
    assert_eq!(order.len(), 5_001);
    let index = |number| order.iter().position(|other| *other == number);
    assert!(index(1_029) < index(9_000));
}

#[test]
fn a_place_of_its_own_is_free_again_when_a_tenant_leaves() {
    let mut queue = queue((0..1_024).map(|tenant| of_tenant(tenant, tenant)));
    queue.remove(5);
    // These two would share a place.
    queue.join(of_tenant(6_000, 6_000), NOW);
    queue.join(of_tenant(7_024, 7_024), NOW);
    assert_eq!((queue.tenant_len(6_000), queue.tenant_len(7_024), queue.tenants.keys()), (1, 1, 1_025));
}

#[test]
fn the_quantum_is_the_mean_cost_of_all_who_wait() {
    let mut queue = queue([(1, 1), (2, 2), (3, 6)].map(|(number, cost)| Waiter { cost, ..waiter(number) }));
    assert_eq!(queue.quantum(), 3);
    queue.remove(3);
    assert_eq!(queue.quantum(), 2);
    queue.join(Waiter { cost: 27, ..early(4, 11) }, NOW);
    assert_eq!(queue.quantum(), 10);
}

#[test]
fn candidates_of_later_rounds_are_in_the_order_of_the_rounds() {
    let cheap = (0..6).map(|number| Waiter { cost: 2, ..of_tenant(0, number) });
    let dear = (100..106).map(|number| Waiter { cost: 6, ..of_tenant(1, number) });
    let mut queue = queue(cheap.chain(dear));
    // The first tenant got its quantum of 2 while it was alone; after that the quantum is 4.
    check_front(&queue, &[0, 1, 2, 100]);
    assert_eq!(drain(&mut queue)[..4], [0, 1, 2, 100]);
}

#[test]
fn the_turns_of_tenants_that_are_gone_are_forgotten() {
    let mut queue = backlog(5, 100);
    for tenant in 100..250 {
        admitted_before(&mut queue, of_tenant(tenant, 100 * tenant));
        drain_some(&mut queue, 1);
        assert!(queue.tenants.turns() <= 64, "{} turns", queue.tenants.turns());
    }
}
