mod properties;
mod tenants;

use super::*;

impl WaitQueue {
    /// How many are due, but are no candidates until they poll.
    pub(super) fn passed_over_len(&self) -> usize {
        self.len() - self.early.len() - self.fewest.len()
    }

    /// The first moment at which a hint of the early ones ends.
    pub(super) fn next_due_at(&self) -> Option<Duration> {
        self.early.first().map(|(end, _)| *end)
    }
}

const NOW: Duration = Duration::from_secs(10);

/// A request of tenant 0 that is due, costs 1 and was not sent before.
fn waiter(number: u64) -> Waiter {
    Waiter {
        number,
        tenant: 0,
        cost: 1,
        not_before: Duration::ZERO,
        attempts: 0,
        waker: None,
        armed: Duration::ZERO,
    }
}

fn of_tenant(tenant: u64, number: u64) -> Waiter {
    Waiter { tenant, ..waiter(number) }
}

fn resend(number: u64, attempts: u32) -> Waiter {
    Waiter { attempts, ..waiter(number) }
}

fn early(number: u64, seconds: u64) -> Waiter {
    Waiter { not_before: Duration::from_secs(seconds), ..waiter(number) }
}

fn queue(waiters: impl IntoIterator<Item = Waiter>) -> WaitQueue {
    let mut queue = WaitQueue::new();
    for waiter in waiters {
        assert!(queue.join(waiter, NOW).is_none());
    }
    queue
}

#[track_caller]
fn check_front(queue: &WaitQueue, expected: &[u64]) {
    assert_eq!(queue.front().collect::<Vec<_>>(), expected);
    for (index, number) in expected.iter().enumerate() {
        assert_eq!(queue.position(*number), Some(index), "position of {number}");
    }
}

/// Admits the first candidate again and again.
fn drain(queue: &mut WaitQueue) -> Vec<u64> {
    let mut order = Vec::new();
    while let Some(first) = queue.front().next() {
        assert_eq!(queue.take(first).map(|waiter| waiter.number), Some(first));
        order.push(first);
    }
    order
}

#[test]
fn one_tenant_is_served_in_the_order_of_arrival() {
    let mut queue = queue([5, 2, 9, 1, 7].map(waiter));
    check_front(&queue, &[1, 2, 5, 7]);
    assert_eq!(queue.position(9), None);
    assert_eq!(drain(&mut queue), [1, 2, 5, 7, 9]);
}

#[test]
fn behind_a_request_that_was_sent_twice_is_one_that_was_not_sent_yet() {
    let mut queue = queue([waiter(1), waiter(2), resend(8, 1), resend(4, 3), resend(9, 1)]);
    check_front(&queue, &[4, 1, 8, 9]);
    assert!(queue.take(4).is_some());
    check_front(&queue, &[1, 8, 9, 2]);
    queue.join(resend(3, 2), NOW);
    check_front(&queue, &[1, 3, 2, 8]);
    assert_eq!(drain(&mut queue), [1, 3, 2, 8, 9]);
}

#[test]
fn an_early_request_is_no_candidate_until_its_hint_ends() {
    let mut queue = queue([early(1, 12), early(2, 11), early(3, 10), waiter(4)]);
    check_front(&queue, &[3, 4]);
    assert_eq!((queue.len(), queue.due_len(), queue.position(1)), (4, 2, None));
    assert_eq!(queue.next_due_at(), Some(Duration::from_secs(11)));

    queue.promote(Duration::from_secs(11));
    check_front(&queue, &[2, 3, 4]);
    assert_eq!(queue.next_due_at(), Some(Duration::from_secs(12)));
    queue.polled(1);
    assert_eq!(queue.position(1), None);

    queue.promote(Duration::from_secs(13));
    check_front(&queue, &[1, 2, 3, 4]);
    assert_eq!((queue.due_len(), queue.next_due_at()), (4, None));
}

#[test]
fn a_resend_whose_hint_ends_takes_its_place_in_front() {
    let mut queue = queue([waiter(1), Waiter { attempts: 1, ..early(2, 11) }]);
    queue.promote(Duration::from_secs(11));
    check_front(&queue, &[2, 1]);
}

#[test]
fn a_passed_over_request_keeps_its_place_and_is_a_candidate_once_it_polls() {
    let mut queue = queue((1..=6).map(waiter));
    assert!(queue.take(3).is_some());
    check_front(&queue, &[4, 5, 6]);
    assert_eq!((queue.len(), queue.due_len(), queue.passed_over_len()), (5, 3, 2));
    assert_eq!((queue.position(1), queue.fewest_attempts()), (None, Some(4)));

    queue.polled(2);
    check_front(&queue, &[2, 4, 5, 6]);
    queue.polled(1);
    queue.polled(1);
    check_front(&queue, &[1, 2, 4, 5]);
    assert_eq!(queue.passed_over_len(), 0);
}

#[test]
fn who_leaves_changes_nothing_for_the_others() {
    let mut queue = queue((1..=5).map(waiter));
    for (number, front) in [(2, &[1, 3, 4, 5][..]), (1, &[3, 4, 5]), (5, &[3, 4])] {
        assert_eq!(queue.remove(number).map(|waiter| waiter.number), Some(number));
        assert!(queue.remove(number).is_none() && queue.get(number).is_none());
        check_front(&queue, front);
    }
    assert_eq!((queue.len(), queue.tenant_len(0)), (2, 2));
}

#[test]
fn who_leaves_while_early_or_passed_over_is_gone_from_all_counts() {
    let mut queue = queue([waiter(1), waiter(2), early(3, 11)]);
    queue.take(2);
    assert!(queue.remove(1).is_some() && queue.remove(3).is_some());
    assert_eq!((queue.len(), queue.due_len(), queue.passed_over_len()), (0, 0, 0));
    assert_eq!((queue.next_due_at(), queue.newest_of_longest_tenant()), (None, None));
    queue.promote(Duration::from_secs(20));
    assert!(queue.is_empty());
}

#[test]
fn a_probe_is_the_request_with_the_fewest_attempts_and_passes_nobody_over() {
    let mut queue = queue([resend(1, 2), resend(2, 1), waiter(4), waiter(3), early(0, 11)]);
    assert_eq!(queue.fewest_attempts(), Some(3));
    assert!(queue.take_probe(3).is_some());
    assert_eq!(queue.fewest_attempts(), Some(4));
    assert!(queue.take_probe(4).is_some());
    assert_eq!(queue.fewest_attempts(), Some(2));
    check_front(&queue, &[1, 2]);
}

#[test]
fn a_probe_may_be_the_first_of_those_with_the_most_attempts_below_a_limit() {
    let queue = queue([waiter(1), resend(2, 1), resend(3, 3), resend(4, 2), resend(5, 2), early(0, 11)]);
    for (limit, expected) in [(9, Some(3)), (3, Some(4)), (2, Some(2)), (1, Some(1)), (0, None)] {
        assert_eq!(queue.most_attempts_below(limit), expected, "below {limit}");
    }
}

#[test]
fn a_request_behind_the_candidates_is_taken_without_passing_over() {
    let mut queue = queue((1..=9).map(waiter));
    assert!(queue.take(7).is_some());
    check_front(&queue, &[1, 2, 3, 4]);
    assert!(queue.take(7).is_none());
}

#[test]
fn a_number_that_is_in_use_replaces_the_waiter() {
    let mut queue = queue([waiter(1), waiter(2)]);
    let replaced = queue.join(Waiter { cost: 7, ..early(1, 11) }, NOW);
    assert_eq!(replaced.map(|waiter| waiter.cost), Some(1));
    assert_eq!((queue.len(), queue.due_len(), queue.tenant_len(0)), (2, 1, 2));
    check_front(&queue, &[2]);
}

#[test]
fn a_change_through_get_mut_does_not_change_the_place() {
    let mut queue = queue([waiter(1), waiter(2)]);
    if let Some(waiter) = queue.get_mut(1) {
        (waiter.attempts, waiter.cost, waiter.tenant, waiter.not_before) = (9, 1_000, 3, Duration::MAX);
        waiter.armed = NOW;
    }
    assert_eq!(queue.get(1).map(|waiter| waiter.armed), Some(NOW));
    check_front(&queue, &[1, 2]);
    assert_eq!(drain(&mut queue), [1, 2]);
    assert_eq!((queue.due_len(), queue.quantum(), queue.tenant_len(0)), (0, 1, 0));
}

#[test]
fn an_empty_queue_holds_nothing() {
    let mut queue = queue((0..100).map(|number| of_tenant(number % 7, number)));
    drain(&mut queue);
    assert!(queue.is_empty());
    assert_eq!(format!("{queue:?}"), format!("{:?}", WaitQueue::new()));
}

#[test]
fn extreme_values_are_ordered_like_others() {
    let last = Waiter { tenant: u64::MAX, cost: u32::MAX, attempts: u32::MAX, ..waiter(u64::MAX) };
    let never = Waiter { not_before: Duration::MAX, cost: 0, ..waiter(0) };
    let mut queue = queue([last, never, waiter(1)]);
    check_front(&queue, &[u64::MAX, 1]);
    queue.promote(Duration::MAX);
    assert_eq!(queue.due_len(), 3);
    assert_eq!(drain(&mut queue).len(), 3);
}

#[test]
fn a_waiter_takes_512_bytes_at_most() {
    // The node of a tree is at least half full.
    let nodes = 2
        * (size_of::<(u64, Box<Entry>)>()
            + size_of::<(TenantKey, Class, u64)>()
            + size_of::<(Duration, u64)>());
    let all = size_of::<Entry>() + nodes;
    assert!(all <= 512, "{all} bytes");
}
