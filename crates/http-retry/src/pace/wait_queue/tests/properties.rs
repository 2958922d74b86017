use std::cmp::Reverse;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const MAX_COST: u32 = 20;

/// What a test does. An index names one of those who wait.
#[derive(Clone, Copy, Debug)]
enum Action {
    Join { tenant: u64, cost: u32, attempts: u32, early: u64 },
    Remove(usize),
    Polled(usize),
    Wait(u64),
    Take(usize),
    TakeAny(usize),
}

fn actions(max_cost: u32) -> impl Strategy<Value = Vec<Action>> {
    let join = (0..6_u64, 1..=max_cost, 0..3_u32, 0..8_u64).prop_map(|(tenant, cost, attempts, early)| {
        Action::Join { tenant, cost, attempts, early: early.saturating_sub(4) }
    });
    let other = prop_oneof![
        (0..64_usize).prop_map(Action::Remove),
        (0..64_usize).prop_map(Action::Polled),
        (0..3_u64).prop_map(Action::Wait),
        (0..CANDIDATES).prop_map(Action::Take),
        (0..CANDIDATES).prop_map(Action::Take),
        (0..64_usize).prop_map(Action::TakeAny),
    ];
    proptest::collection::vec(prop_oneof![join, other], 0..100)
}

/// The queue, and a simple list of what must be in it.
#[derive(Default)]
struct Model {
    queue: WaitQueue,
    waiters: BTreeMap<u64, Expected>,
    now: u64,
    next_number: u64,
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Expected {
    tenant: u64,
    attempts: u32,
    early_until: Option<u64>,
    is_passed_over: bool,
}

impl Expected {
    fn is_candidate(&self) -> bool {
        self.early_until.is_none() && !self.is_passed_over
    }
}

impl Model {
    fn nth(&self, index: usize) -> Option<u64> {
        self.waiters.keys().nth(index % self.waiters.len().max(1)).copied()
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Join { tenant, cost, attempts, early } => {
                let number = self.next_number;
                self.next_number += 1;
                let end = self.now + early;
                let not_before = Duration::from_secs(end);
                let joining = Waiter { cost, attempts, not_before, ..of_tenant(tenant, number) };
                assert!(self.queue.join(joining, Duration::from_secs(self.now)).is_none());
                let early_until = (early > 0).then_some(end);
                let expected = Expected { tenant, attempts, early_until, is_passed_over: false };
                self.waiters.insert(number, expected);
            }
            Action::Remove(index) => self.leave(index, WaitQueue::remove),
            Action::TakeAny(index) => self.leave(index, WaitQueue::take_probe),
            Action::Polled(index) => {
                if let Some(number) = self.nth(index) {
                    self.queue.polled(number);
                    self.waiters.entry(number).and_modify(|waiter| waiter.is_passed_over = false);
                }
            }
            Action::Wait(seconds) => {
                self.now += seconds;
                self.queue.promote(Duration::from_secs(self.now));
                for waiter in self.waiters.values_mut() {
                    waiter.early_until = waiter.early_until.filter(|end| *end > self.now);
                }
            }
            Action::Take(index) => {
                let front: Vec<_> = self.queue.front().collect();
                let Some(number) = front.get(index).copied() else { return };
                assert_eq!(self.queue.take(number).map(|waiter| waiter.number), Some(number));
                self.waiters.remove(&number);
                for skipped in &front[..index] {
                    self.waiters.entry(*skipped).and_modify(|waiter| waiter.is_passed_over = true);
                }
            }
        }
    }

    fn leave(&mut self, index: usize, leave: impl FnOnce(&mut WaitQueue, u64) -> Option<Waiter>) {
        if let Some(number) = self.nth(index) {
            assert_eq!(leave(&mut self.queue, number).map(|waiter| waiter.number), Some(number));
            self.waiters.remove(&number);
        }
    }

    fn count(&self, filter: impl Fn(&Expected) -> bool) -> usize {
        self.waiters.values().filter(|waiter| filter(waiter)).count()
    }

    fn check(&self) {
        let queue = &self.queue;
        assert_eq!((queue.len(), queue.is_empty()), (self.waiters.len(), self.waiters.is_empty()));
        assert!(self.waiters.keys().all(|number| queue.get(*number).is_some()));
        assert_eq!(queue.due_len(), self.count(Expected::is_candidate));
        assert_eq!(queue.passed_over_len(), self.count(|waiter| waiter.is_passed_over));
        let ends = self.waiters.values().filter_map(|waiter| waiter.early_until);
        assert_eq!(queue.next_due_at(), ends.min().map(Duration::from_secs));

        let candidates = || self.waiters.iter().filter(|(_, waiter)| waiter.is_candidate());
        let fewest = candidates().min_by_key(|(number, waiter)| (waiter.attempts, **number));
        assert_eq!(queue.fewest_attempts(), fewest.map(|(number, _)| *number));
        let lens = (0..6).map(|tenant| self.count(|waiter| waiter.tenant == tenant)).collect::<Vec<_>>();
        assert!((0..6).all(|tenant| queue.tenant_len(tenant) == lens[tenant as usize]));
        let newest = queue.newest_of_longest_tenant();
        let tenant = newest.map(|number| self.waiters[&number].tenant);
        assert_eq!(tenant.map_or(0, |tenant| lens[tenant as usize]), lens.iter().copied().max().unwrap_or(0));
        let of_tenant = self.waiters.iter().filter(|(_, waiter)| Some(waiter.tenant) == tenant);
        assert_eq!(newest, of_tenant.map(|(number, _)| *number).max());

        let front: Vec<_> = queue.front().collect();
        assert_eq!(front.len(), queue.due_len().min(CANDIDATES));
        assert!(front.iter().enumerate().all(|(index, number)| queue.position(*number) == Some(index)));
        for tenant in 0..6 {
            let listed: Vec<_> =
                front.iter().filter(|number| self.waiters[number].tenant == tenant).collect();
            let mut own: Vec<_> = candidates().filter(|(_, waiter)| waiter.tenant == tenant).collect();
            own.sort_unstable_by_key(|(number, _)| Reverse(**number));
            let (mut resends, mut firsts): (Vec<_>, Vec<_>) =
                own.into_iter().map(|(number, waiter)| (number, waiter.attempts)).partition(|own| own.1 > 0);
            let mut is_repeated =
                queue.tenants.find(tenant).is_some_and(|key| queue.tenants.had_repeated(key));
            for listed in listed {
                let kinds =
                    if is_repeated { [&mut firsts, &mut resends] } else { [&mut resends, &mut firsts] };
                let next = kinds.into_iter().find_map(Vec::pop);
                assert_eq!(next.map(|(number, _)| number), Some(listed));
                is_repeated = next.is_some_and(|(_, attempts)| attempts > 1);
            }
        }
        let (lowest, highest) = queue.tenants.deficits();
        let most = i64::from(MAX_COST);
        assert!(lowest >= -(CANDIDATES as i64) * most && highest <= 2 * most, "{lowest} to {highest}");
    }
}

proptest! {
    #[test]
    fn the_queue_is_as_a_simple_list_says(actions in actions(MAX_COST)) {
        let mut model = Model::default();
        for action in actions {
            model.act(action);
            model.check();
        }
        // Whoever is left polls, and all are admitted.
        model.act(Action::Wait(1_000));
        (0..model.waiters.len()).for_each(|index| model.act(Action::Polled(index)));
        let mut left: Vec<_> = model.waiters.keys().copied().collect();
        let mut order = drain(&mut model.queue);
        order.sort_unstable();
        left.sort_unstable();
        prop_assert_eq!(order, left);
        prop_assert!(model.queue.is_empty());
    }

    #[test]
    fn backlogged_tenants_with_equal_costs_differ_by_one(
        before in actions(1), tenants in 2..12_u64, each in 1..20_u64,
    ) {
        // Early and passed-over requests of other tenants stay.
        let mut model = Model::default();
        before.into_iter().for_each(|action| model.act(action));
        drain(&mut model.queue);
        for tenant in 0..tenants {
            for index in 0..each {
                model.queue.join(of_tenant(100 + tenant, 10_000 + 100 * tenant + index), Duration::ZERO);
            }
        }
        let mut served = vec![0_u64; tenants as usize];
        while let Some(first) = model.queue.front().next() {
            model.queue.take(first);
            served[(first - 10_000) as usize / 100] += 1;
            let (least, most) = (served.iter().min(), served.iter().max());
            prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{:?}", served);
        }
        prop_assert!(served.iter().all(|count| *count == each));
    }
}
