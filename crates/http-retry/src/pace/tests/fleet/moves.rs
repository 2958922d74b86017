//! A pace that moves to another fleet, to its first one or to none goes on with what it knows.

use super::*;
use crate::fleet::Memory;

const LOAD: f64 = 32.0;

/// Moves a member to the fleet of a world's other store.
fn move_member(world: &mut World, index: usize, other: &Memory) {
    let (store, ids) = (other.connect(), other.connect());
    let member = &mut world.members[index];
    member.pace.move_to_fleet("moved", ms(200), move |key| ids.id(key), world.now);
    member.store = store;
}

/// Lets all members move while requests come. Returns the refused calls from then on.
fn move_all(world: &mut World) -> u64 {
    let other = Memory::new();
    other.set_trip(ms(2));
    other.advance(world.now);
    let before = world.server.refused;
    for index in 0..world.members.len() {
        move_member(world, index, &other);
        // Each is reloaded a moment after the one before, and has two stores to hear then.
        world.others = vec![other.clone()];
        world.load(LOAD, ms(300));
    }
    world.memory = other;
    world.others.clear();
    world.load(LOAD, secs(4));
    world.server.refused - before
}

#[test]
fn limit_goes_along_to_another_fleet() {
    let mut world = known(4);
    world.load(LOAD, secs(2));
    let from = world.now;
    let refused = move_all(&mut world);
    assert!(refused <= 2, "{refused}");
    assert!(world.p99(from) <= ms(750), "{:?}", world.p99(from));
    let entry = world.memory.pace_entry(world.key()).unwrap();
    assert!((20_000..32_000).contains(&entry.gap) && entry.burst <= 9_000, "{entry:?}");
    world.finish(secs(10));
    assert_eq!(world.waiting(), 0);
}

#[test]
fn requests_that_wait_are_sent_in_the_other_fleet() {
    let mut world = known(4);
    (0..80).for_each(|index| world.arrive(index % 4));
    world.pass(ms(200));
    let waiting = world.waiting();
    assert!(waiting >= 40, "{waiting}");
    let refused = move_all(&mut world);
    // For a second, both fleets spend the limit, as their members do not know of each other.
    assert!(refused <= 8, "{refused}");
    world.finish(secs(10));
    assert_eq!(world.waiting(), 0);
}

#[test]
fn stop_goes_along_to_another_fleet() {
    let mut world = known(2);
    world.server.is_down = true;
    world.load(LOAD, ms(1_200));
    let calls = world.server.calls;
    let other = Memory::new();
    other.set_trip(ms(2));
    other.advance(world.now);
    (0..2).for_each(|index| move_member(&mut world, index, &other));
    world.memory = other;
    world.load(LOAD, secs(2));
    assert!(world.server.calls - calls <= 6, "{} calls into an outage", world.server.calls - calls);
    assert!(world.memory.pace_entry(world.key()).is_some_and(|entry| entry.quiet > 0));
    world.server.is_down = false;
    world.finish(secs(20));
    assert_eq!(world.waiting(), 0);
}

#[test]
fn limit_stays_with_a_member_that_goes_on_alone_and_comes_back() {
    let mut world = known(4);
    world.load(LOAD, secs(2));
    let refused = world.server.refused;
    world.members[0].pace.move_to_no_fleet(world.now);
    world.load(LOAD, secs(3));
    let asks = world.members[0].asks;
    world.load(LOAD, secs(1));
    assert_eq!(world.members[0].asks, asks, "it asks no store");
    assert!(world.server.refused - refused <= 2, "{}", world.server.refused - refused);
    let memory = world.memory.clone();
    move_member(&mut world, 0, &memory);
    world.load(LOAD, secs(3));
    assert!(world.members[0].asks > asks, "it asks again");
    assert!(world.server.refused - refused <= 4, "{}", world.server.refused - refused);
}

#[test]
fn events_of_the_fleet_before_count_for_nothing() {
    let mut world = known(1);
    let (key, now) = (world.key(), world.now);
    let other = Memory::new();
    let ids = other.connect();
    let pace = &world.members[0].pace;
    pace.move_to_fleet("moved", ms(200), move |key| ids.id(key), now);
    let quiet = crate::fleet::entry::News::from_numbers([99, 1, 700_000, 0, 1_000]);
    pace.on_store_event(&StoreEvent::News(key, quiet), now);
    assert_eq!(pace.report(&ticket(pace, "key", ""), now).stopped_for, None);
    world.arrive(0);
    world.pass(ms(40));
    assert_eq!(world.served(), 1);
}
