//! Requests that are always refused, each by its own fault, hold up no member.

use super::*;

/// A server without a limit that refuses some requests whatever the load.
struct Load {
    members: usize,
    /// The requests per second that the server serves, of all members.
    good: u64,
    /// The time between two requests that it refuses, and how often each of them is sent.
    every: Duration,
    attempts: u32,
}

/// Returns the world after half a minute of a load, with the most requests that waited although they are served.
fn play(load: &Load, salt: u64) -> (World, usize) {
    let mut world = World::new(load.members, 1e6, 1e6, true);
    (world.salt, world.attempts_of_bad) = (salt, load.attempts);
    let mut most = 0;
    for tick in 0..30_000 {
        if ms(tick).as_millis() % load.every.as_millis() == 0 {
            world.arrive_bad((tick + salt) as usize % load.members);
        }
        if tick % (1_000 / load.good) == 0 {
            // The members get them in no order.
            let number = (tick + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
            world.arrive(number as usize % load.members);
        }
        world.pass(ms(1));
        most = most.max(world.good_waiting());
    }
    (world, most)
}

#[test]
fn requests_at_fault_hold_up_no_member() {
    let rows = [(4, 20, 1_000, 9), (4, 20, 1_000, 3), (8, 20, 1_000, 9), (2, 10, 500, 3)];
    for (members, good, every, attempts) in rows {
        let load = Load { members, good, every: ms(every), attempts };
        for salt in 1..4 {
            let (world, most) = play(&load, salt);
            let p99 = world.p99(START);
            assert!(
                most <= 50 && p99 <= secs(2),
                "{members} members, {attempts} attempts, {salt}: {most} wait, p99 {p99:?}"
            );
        }
    }
}
