//! The store is slow, stopped, gone, empty, old, or its clock steps.

use super::*;

/// The load of most rows: 80 % of the limit.
const LOAD: f64 = 32.0;

/// Lets the store fail for 3 s of 9, and returns the world and the longest wait but for one in a hundred from then on.
fn fail(fails: impl FnOnce(&mut World), heals: impl FnOnce(&mut World)) -> (World, Duration) {
    let mut world = known(4);
    world.load(LOAD, secs(1));
    let from = world.now;
    fails(&mut world);
    world.load(LOAD, secs(3));
    heals(&mut world);
    world.load(LOAD, ms(2_500));
    assert_eq!(world.alone(), 0, "all have joined again in time");
    world.load(LOAD, ms(2_500));
    world.finish(secs(10));
    assert_eq!(world.waiting(), 0, "no request fails, and none waits for ever");
    let p99 = world.p99(from);
    (world, p99)
}

#[test]
fn slow_store_below_the_timeout_is_not_felt() {
    let (world, p99) = fail(|world| world.memory.set_trip(ms(45)), |world| world.memory.set_trip(ms(2)));
    assert!(world.server.refused <= 1, "{}", world.server.refused);
    assert!(p99 <= ms(150), "{p99:?}");
}

#[test]
fn store_above_the_timeout_leaves_members_alone() {
    let (world, p99) = fail(|world| world.memory.set_trip(ms(200)), |world| world.memory.set_trip(ms(2)));
    assert!(world.server.refused <= 2, "{}", world.server.refused);
    assert!(p99 <= ms(1_500), "{p99:?}");
}

#[test]
fn stopped_store_leaves_members_alone() {
    let heals = |world: &mut World| {
        assert_eq!(world.alone(), 4);
        world.memory.bring_up();
    };
    let (world, p99) = fail(|world| world.memory.stop(), heals);
    assert!(world.server.refused <= 4, "{}", world.server.refused);
    assert!(p99 <= ms(1_500), "{p99:?}");
}

#[test]
fn dead_store_that_comes_back_empty_is_filled_by_its_members() {
    let fails = |world: &mut World| {
        world.memory.take_down(UnreachableReason::Closed);
        world.pass(ms(2));
        assert_eq!(world.alone(), 4, "not after the timeout");
        assert_eq!(world.members[0].pace.store_unreachable(), Some(UnreachableReason::Closed));
    };
    let heals = |world: &mut World| {
        world.memory.forget();
        world.memory.bring_up();
    };
    let (world, p99) = fail(fails, heals);
    assert!(world.server.refused <= 4, "{}", world.server.refused);
    assert!(p99 <= ms(1_500), "{p99:?}");
    let entry = world.memory.pace_entry(world.key()).unwrap();
    assert!((20_000..32_000).contains(&entry.gap) && entry.burst <= 12_000, "{entry:?}");
}

#[test]
fn quiet_is_kept_and_published_again_after_the_store_was_empty() {
    let mut world = known(4);
    world.server.is_down = true;
    world.load(LOAD, ms(1_500));
    world.memory.take_down(UnreachableReason::Closed);
    world.load(LOAD, ms(200));
    let calls = world.server.calls;
    world.memory.forget();
    world.memory.bring_up();
    world.load(LOAD, secs(4));
    assert!(world.server.calls - calls <= 12, "{} calls into an outage", world.server.calls - calls);
    assert!(world.memory.pace_entry(world.key()).is_some_and(|entry| entry.quiet > 0));
}

#[test]
fn entry_that_vanishes_in_a_quiet_costs_a_probe_and_no_more() {
    let forgets: [fn(&World); 2] =
        [|world| world.memory.forget(), |world| world.memory.step_clock(3_600_000_000)];
    let is_known = [true, false];
    for (forget, is_known) in forgets.into_iter().flat_map(|forget| is_known.map(|known| (forget, known))) {
        let mut world = if is_known { known(4) } else { World::new(4, 40.0, 8.0, true) };
        world.load(LOAD, secs(1));
        world.server.is_down = true;
        world.load(LOAD, ms(1_500));
        assert!(
            world.memory.pace_entry(world.key()).is_some_and(|entry| entry.quiet > 0),
            "there is a quiet"
        );
        forget(&world);
        world.server.is_down = false;
        let asks = world.asks();
        let (probes, served) = (world.probes(), world.served());
        world.pass(secs(5));
        assert!(world.served() > served, "no member has sent");
        assert!(world.probes() - probes <= 2, "{} probes", world.probes() - probes);
        assert!(world.asks() - asks <= 200, "{} asks", world.asks() - asks);
        world.finish(secs(10));
        assert_eq!(world.waiting(), 0);
    }
}

#[test]
fn entry_of_a_replica_that_lags_gets_a_later_serial() {
    let mut world = known(4);
    world.load(60.0, secs(2));
    let replica = world.memory.snapshot();
    world.load(60.0, secs(4));
    let serial = world.memory.pace_entry(world.key()).unwrap().serial;
    world.memory.restore(&replica);
    let refused = world.server.refused;
    world.load(LOAD, secs(2));
    assert!(world.memory.pace_entry(world.key()).unwrap().serial > serial);
    assert!(world.server.refused - refused <= 4, "{}", world.server.refused - refused);
}

#[test]
fn clock_of_the_store_that_steps_has_no_effect() {
    for step in [-3_600_000_000, 3_600_000_000] {
        let (world, p99) =
            fail(|world| world.memory.step_clock(step), |world| world.memory.step_clock(-step));
        assert!(world.server.refused <= 1, "{} after {step}", world.server.refused);
        assert!(p99 <= ms(150), "{p99:?} after {step}");
    }
}

#[test]
fn no_member_sends_in_a_quiet_that_it_heard_although_the_store_forgot_it() {
    let mut world = known(4);
    world.server.is_down = true;
    world.load(LOAD, secs(1));
    // The clock steps over the end of the quiet.
    world.memory.step_clock(3_600_000_000);
    let calls = world.server.calls;
    world.load(LOAD, secs(3));
    assert!(world.server.calls - calls <= 12, "{} calls into an outage", world.server.calls - calls);
}

#[test]
fn lost_news_costs_a_lease() {
    let run = |every| {
        let mut world = known(4);
        world.memory.lose_news(every);
        world.load(LOAD, secs(1));
        world.server.is_down = true;
        world.load(LOAD, secs(4));
        world.server.calls
    };
    let (all, none) = (run(0), run(1));
    assert!(none <= all + 12, "{none} calls without news, {all} with");
}

#[test]
fn store_that_refuses_the_member_is_said_with_its_reason() {
    let mut world = known(2);
    world.memory.take_down(UnreachableReason::Denied);
    world.load(LOAD, secs(3));
    assert_eq!(world.members[1].pace.store_unreachable(), Some(UnreachableReason::Denied));
    assert_eq!(world.asks(), 0, "nothing is queued for it");
    assert!(world.server.refused <= 4, "{}", world.server.refused);
}
