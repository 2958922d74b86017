//! Members of a fleet spend one budget, whatever happens to the store.

use super::*;
use crate::fleet::entry::{JoinAnswer, JoinQuestion, SettleAnswer};
use crate::fleet::{
    Answer, Id, Memory, MemoryStore, Store, StoreCommand, StoreEvent, StoreRequest, UnreachableReason,
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

struct World {
    memory: Memory,
    members: Vec<(Budget, MemoryStore)>,
    now: Duration,
    resends: u64,
    joins: bool,
}

impl World {
    fn new(members: usize) -> Self {
        let memory = Memory::new();
        memory.set_trip(ms(2));
        let member = |_| {
            let store = memory.connect();
            (Budget::default().fleet("api", |key| store.id(key)), store)
        };
        let members = (0..members).map(member).collect();
        let mut world = Self { memory, members, now: Duration::ZERO, resends: 0, joins: true };
        world.pass(ms(20), 0, false);
        world
    }

    /// Lets time pass in which each `every` milliseconds a request of some member is served, or fails and wants a resend.
    fn pass(&mut self, time: Duration, every: u64, is_served: bool) {
        let end = self.now + time;
        while self.now < end {
            self.now += ms(1);
            let (now, tick) = (self.now, self.now.as_millis() as u64);
            self.memory.advance(now);
            if every > 0 && tick % every == 0 {
                let budget = &self.members[(tick / every) as usize % self.members.len()].0;
                if is_served {
                    budget.deposit();
                } else if let Some(token) = budget.withdraw(RetryCost::ONE, now) {
                    token.commit();
                    self.resends += 1;
                }
            }
            for (budget, store) in &self.members {
                while let Some(event) = store.next_event() {
                    budget.on_store_event(&event, now);
                }
                if self.joins && tick % 2_000 == 1 {
                    let join = StoreCommand::Join(JoinQuestion { layout: 1, leaves: 0 });
                    store.send(StoreRequest::new(u64::MAX, Id::new(0), join));
                }
                while let Some(request) = budget.next_store_request(now) {
                    store.send(request);
                }
            }
        }
    }

    fn purses(&self) -> f64 {
        self.members.iter().map(|(budget, _)| budget.tokens()).sum()
    }
}

#[test]
fn resends_in_an_outage_do_not_grow_with_the_members() {
    let resends = |members| {
        let mut world = World::new(members);
        world.pass(ms(3_000), 0, false);
        world.pass(ms(8_000), 5, false);
        world.resends
    };
    // Without a fleet: a full bucket of 100 tokens, and 10 a second.
    let one = 180;
    for members in [1, 2, 4, 8] {
        let more = resends(members);
        // Borrowed tokens are a quarter of the capacity, and the minimum fills up what they leave.
        assert!(more <= one * 6 / 5 + 10, "{more} of {members}");
        assert!(more >= one * 4 / 5, "{more} of {members}");
    }
}

#[test]
fn successes_of_all_members_earn_for_all() {
    let mut world = World::new(4);
    world.pass(ms(8_000), 5, false);
    world.resends = 0;
    world.pass(ms(21_000), 10, true);
    // All of it is there again: 20 s at 10 a second, and 2,000 successes at a fifth.
    world.pass(ms(400), 1, false);
    assert!((85..=135).contains(&world.resends), "{}", world.resends);
}

#[test]
fn member_that_has_the_only_resends_gets_all_tokens() {
    let mut world = World::new(4);
    // The others give back what they do not need after 10 s.
    world.pass(ms(11_000), 0, false);
    assert!(world.purses() < 0.5, "{}", world.purses());
    let (mut resends, end) = (0, world.now + ms(3_000));
    while world.now < end {
        let token = world.members[0].0.withdraw(RetryCost::ONE, world.now);
        resends += u64::from(token.is_some());
        token.into_iter().for_each(Withdrawal::commit);
        world.pass(ms(5), 0, false);
    }
    assert!((90..=135).contains(&resends), "{resends}");
}

#[test]
fn member_that_is_alone_has_its_part_of_the_minimum() {
    for reason in [None, Some(UnreachableReason::Closed)] {
        let mut world = World::new(4);
        world.pass(ms(3_000), 0, false);
        match reason {
            Some(reason) => world.memory.take_down(reason),
            None => world.memory.stop(),
        }
        world.pass(ms(8_000), 5, false);
        // Purses of at most 52 tokens, because the first members borrowed before the last ones came, and 10 a second for all.
        assert!((75..=140).contains(&world.resends), "{} for {reason:?}", world.resends);
        world.memory.forget();
        world.memory.bring_up();
        world.pass(ms(4_000), 0, false);
        let before = world.resends;
        world.pass(ms(1_000), 1, false);
        // The members saw more than they have spent alone: a debt is no secret, but it is not as large as a bucket each.
        assert!(world.resends - before <= 130, "{}", world.resends - before);
    }
}

#[test]
fn purse_of_a_member_that_leaves_goes_back() {
    let mut world = World::new(2);
    world.pass(ms(3_000), 5, true);
    let before = world.purses();
    assert!(before > 5.0, "{before}");
    world.members[0].0.leave_fleet();
    world.pass(ms(10), 0, false);
    assert_eq!(world.members[0].0.tokens(), 0.0);
    world.pass(ms(100), 0, false);
    assert_eq!(world.members[0].0.next_store_request_at(None), None);
}

#[test]
fn token_of_a_resend_that_was_not_sent_goes_back_to_the_purse() {
    let mut world = World::new(1);
    world.pass(ms(100), 0, false);
    let budget = &world.members[0].0;
    let before = budget.tokens();
    drop(budget.withdraw(RetryCost::TWO, world.now));
    assert_eq!(budget.tokens(), before);
    let free = budget.clone().withdraw(RetryCost::FREE, world.now).is_some();
    assert!(free);
}

#[test]
fn answers_that_are_late_or_false_lend_nothing() {
    let memory = Memory::new();
    let store = memory.connect();
    let budget = Budget::default().fleet("api", |key| store.id(key));
    let StoreRequest { number, .. } = budget.next_store_request(ms(0)).unwrap();
    assert!(budget.next_store_request(ms(0)).is_none(), "one is in flight");
    budget.on_store_event(&StoreEvent::Unreachable(UnreachableReason::Timeout), ms(50));
    budget.on_store_event(&StoreEvent::Answer(9, Answer::Join(JoinAnswer { members: 1, layout: 1 })), ms(0));
    let answer = |lent| Answer::Settle(SettleAnswer { lent, level: 9_000, born: 1 });
    budget.on_store_event(&StoreEvent::Answer(number, answer(5_000)), ms(60));
    assert_eq!(budget.tokens(), 0.0, "it is late");
    budget.on_store_event(&StoreEvent::Reachable, ms(100));
    let StoreRequest { number, .. } = budget.next_store_request(ms(100)).unwrap();
    budget.on_store_event(&StoreEvent::Answer(number, answer(i64::MAX)), ms(102));
    assert_eq!(budget.tokens(), 25.0, "a quarter of the capacity is the most");
    budget.on_store_event(&StoreEvent::Answer(number, answer(5_000)), ms(103));
    assert_eq!(budget.tokens(), 25.0, "it was answered");
}

#[test]
fn budget_without_a_fleet_asks_nothing() {
    let budget = Budget::default();
    assert_eq!(budget.next_store_request(ms(0)), None);
    assert_eq!(budget.next_store_request_at(None), None);
    budget.leave_fleet();
    assert_eq!(budget.tokens(), 100.0);
}

/// Takes tokens until there are none, at one moment. Returns how many there were.
fn spend_at_once(budget: &Budget, now: Duration) -> usize {
    let mut spent = 0;
    while let Some(token) = budget.withdraw(RetryCost::ONE, now) {
        token.commit();
        spent += 1;
    }
    spent
}

#[test]
fn resends_of_one_moment_are_in_debt_beyond_the_purse() {
    let mut world = World::new(2);
    world.pass(ms(3_000), 0, false);
    let now = world.now;
    let purses = world.purses();
    let spent: usize = world.members.iter().map(|(budget, _)| spend_at_once(budget, now)).sum();
    // Each owes at most a quarter of 100 tokens.
    assert_eq!(spent, purses as usize + 50, "{purses}");
    world.pass(ms(10), 0, false);
    // The fleet has heard of all of it.
    for (budget, _) in &world.members {
        let report = budget.purse_report().unwrap();
        assert!(report.level <= 100.0 - 50.0 + 10.0, "{report:?} after {spent}");
    }
}

#[test]
fn resends_before_the_first_answer_are_in_debt() {
    let memory = Memory::new();
    let store = memory.connect();
    let budget = |budget: Budget| budget.fleet("api", |key| store.id(key));
    assert_eq!(spend_at_once(&budget(Budget::default()), ms(1)), 25);
    assert_eq!(spend_at_once(&budget(Budget::default().capacity(0)), ms(1)), 0);

    // A store that never answers closes no budget.
    memory.take_down(UnreachableReason::Closed);
    let alone = budget(Budget::default());
    alone.on_store_event(&StoreEvent::Unreachable(UnreachableReason::Closed), ms(1));
    assert_eq!(spend_at_once(&alone, ms(1)), 25);
}

#[test]
fn budget_that_moves_to_another_store_is_not_full_again() {
    let mut world = World::new(2);
    world.pass(ms(3_000), 0, false);
    world.pass(ms(4_000), 5, false);
    let (before, other) = (world.resends, Memory::new());
    other.set_trip(ms(2));
    other.advance(world.now);
    for (budget, store) in &mut world.members {
        *store = other.connect();
        *budget = budget.moved_to_fleet("moved", |key| store.id(key), world.now);
    }
    world.memory = other;
    world.pass(ms(4_000), 5, false);
    // The minimum alone is 10 a second.
    assert!((30..=65).contains(&(world.resends - before)), "{}", world.resends - before);
    let budget = world.members[0].0.moved_to_no_fleet(world.now);
    assert!(budget.tokens() <= 15.0, "{}", budget.tokens());
    let budget = budget.moved_to_fleet("again", |_| Id::new(1), world.now);
    let StoreCommand::Settle(question) = budget.next_store_request(world.now).unwrap().command else {
        panic!()
    };
    assert!(question.born > 0 && question.level <= 15_000, "{question:?}");
}
