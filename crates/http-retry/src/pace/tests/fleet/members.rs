//! A member dies, sleeps, is cut off, leaves, joins, or gets answers that are late or false.

use super::*;
use crate::fleet::entry::{LeaseAnswer, News};
use crate::fleet::{Answer, StoreRequest};

const LOAD: f64 = 32.0;

#[test]
fn others_take_the_part_of_a_member_that_died() {
    let mut world = known(4);
    world.load(LOAD, secs(2));
    world.members[3].is_dead = true;
    let died = world.now;
    world.load(LOAD, secs(4));
    assert!(world.server.refused <= 2, "{}", world.server.refused);
    assert!(world.p99(died + ms(1_500)) <= ms(750), "{:?}", world.p99(died + ms(1_500)));
}

#[test]
fn probe_of_a_member_that_died_is_over_in_a_second() {
    let mut world = known(4);
    world.server.is_down = true;
    world.load(LOAD, secs(2));
    // The probe is on its way when its member dies.
    let before: Vec<_> = world.members.iter().map(|member| member.probes).collect();
    let probes = world.probes();
    while world.probes() == probes {
        world.pass(ms(1));
    }
    let prober = (0..4).find(|index| world.members[*index].probes > before[*index]).unwrap();
    world.members[prober].is_dead = true;
    world.server.is_down = false;
    let probes = world.probes();
    world.load(LOAD, ms(1_500));
    assert!(world.probes() > probes, "another member probes");
    world.finish(secs(20));
    assert_eq!(world.waiting(), 0);
}

#[test]
fn slots_of_a_member_that_slept_are_void() {
    let mut world = known(4);
    world.load(LOAD, secs(2));
    world.members[3].is_paused = true;
    world.load(LOAD, secs(5));
    let refused = world.server.refused;
    world.members[3].is_paused = false;
    world.load(LOAD, secs(4));
    assert!(world.server.refused - refused <= 4, "{}", world.server.refused - refused);
    world.finish(secs(20));
    assert_eq!(world.waiting(), 0);
}

#[test]
fn member_that_is_cut_off_goes_on_with_its_share() {
    let mut world = known(4);
    world.load(LOAD, secs(2));
    world.members[3].store.cut_off(true);
    let served = world.members[3].served.len();
    world.load(LOAD, secs(5));
    assert_eq!(world.alone(), 1);
    assert!(world.members[3].served.len() - served >= 25, "{}", world.members[3].served.len() - served);
    assert!(world.server.refused <= 2, "{}", world.server.refused);
    world.members[3].store.cut_off(false);
    world.load(LOAD, secs(3));
    assert_eq!(world.alone(), 0);
}

#[test]
fn member_that_leaves_gives_its_slots_back() {
    let mut world = World::known(2, 200.0, 100.0, 0.95);
    world.load(150.0, secs(2));
    let entry = |world: &World| world.memory.pace_entry(world.key()).unwrap();
    let free = |world: &World| {
        let (entry, gap) = (entry(world), entry(world).gap);
        entry.spare + (entry.at - entry.tat) / gap
    };
    world.members[0].pace.leave_fleet(world.now);
    let before = free(&world);
    let asks = world.members[0].asks;
    world.pass(ms(4));
    assert_eq!(world.members[0].asks, asks + 1);
    assert!(free(&world) > before, "{} free slots, {before} before", free(&world));
}

#[test]
fn members_are_replaced_one_after_the_other() {
    let mut world = known(4);
    world.load(LOAD, secs(1));
    for index in 0..4 {
        world.members[index].is_dead = true;
        world.join(true);
        world.load(LOAD, secs(2));
    }
    world.finish(secs(20));
    assert_eq!(world.waiting(), 0);
    assert!(world.server.refused <= 4, "{}", world.server.refused);
}

#[test]
fn late_answer_is_dropped() {
    let mut world = known(1);
    world.arrive(0);
    world.memory.set_trip(ms(70));
    (0..12).for_each(|_| world.arrive(0));
    world.pass(ms(60));
    assert_eq!(world.alone(), 1);
    let calls = world.server.calls;
    world.pass(ms(15));
    assert!(world.server.calls - calls <= 1, "the slots of the late answer are lost");
}

#[test]
fn numbers_out_of_bounds_count_for_nothing() {
    let world = known(1);
    let pace = &world.members[0].pace;
    let key = world.key();
    let limit = |pace: &Pace| pace.report(&ticket(pace, "key", ""), world.now).rate.unwrap();
    let rate = limit(pace);
    for numbers in [[9_999, 2, 0, 0, 0], [9_999, 2, 0, 5_000_000, 8_000], [9_999, 1, 5, -7, 8_000]] {
        let news = News::from_numbers(numbers);
        pace.on_store_event(&StoreEvent::News(key, news), world.now);
    }
    let opens = LeaseAnswer::from_numbers([1, i64::MAX, i64::MIN, 1, 0, 9_999, 1_000, 5, 1_000]);
    for number in 0..100 {
        pace.on_store_event(&StoreEvent::Answer(number, Answer::Lease(opens)), world.now);
    }
    assert_eq!(limit(pace), rate);
    assert_eq!(pace.report(&ticket(pace, "key", ""), world.now).stopped_for, None);
}

#[test]
fn answer_that_failed_leaves_one_key_alone() {
    let mut world = known(2);
    // The answer to its debt says that there is room for another one.
    world.arrive(0);
    world.pass(ms(500));
    let now = world.now;
    let pace = &world.members[0].pace;
    // The debt of a send is reported at once.
    let mut request = ticket(pace, "key", "");
    let permit = go(pace, &mut request, now);
    let Some(StoreRequest { number, command: StoreCommand::Lease(question), .. }) =
        pace.next_store_request(now)
    else {
        panic!()
    };
    assert_eq!((question.debt, question.want), (1, 0));
    pace.on_store_event(&StoreEvent::Answer(number, Answer::Failed), now);
    assert_eq!(pace.next_store_request(now), None);
    assert_eq!(pace.store_unreachable(), None);
    assert_eq!(pace.next_store_request_at(None), Some(now + secs(1)));
    pace.lose(permit, now);
}

#[test]
fn request_that_the_driver_loses_does_not_hold_the_key() {
    let world = known(1);
    let (pace, mut now) = (&world.members[0].pace, world.now);
    let mut requests: Vec<_> = (0..5).map(|_| ticket(pace, "key", "")).collect();
    let mut permits = Vec::new();
    let end = now + secs(4);
    while now < end {
        for request in &mut requests {
            if let Admission::Go(permit) = pace.poll(request, now, None) {
                permits.push(permit);
                *request = ticket(pace, "key", "");
            }
        }
        // No answer ever comes.
        while pace.next_store_request(now).is_some() {}
        now += ms(20);
    }
    assert!(permits.len() >= 20, "{}", permits.len());
    permits.into_iter().for_each(|permit| pace.lose(permit, now));
}

#[test]
fn news_of_a_key_before_its_first_request_count_for_it() {
    let mut world = known(2);
    world.join(true);
    let (now, key) = (world.now, world.key());
    let mut quiet = News::default();
    (quiet.serial, quiet.kind, quiet.until, quiet.burst) = (99, News::QUIET, 700_000, 1_000);
    let pace = &world.members[2].pace;
    pace.on_store_event(&StoreEvent::News(key, quiet), now);
    let (until, why) = wait(pace, &mut ticket(pace, "key", ""), now);
    assert_eq!((until, why), (now + ms(700), Why::Stopped));
}
