//! A rare request at a member is sent about where it would be in one queue with the flood at the others.

use super::world::Served;
use super::*;

/// Two leases, and a quarter of a second.
const ORDER: Duration = Duration::from_millis(650);

/// Sends a flood of this rate to all members but the last, and a request each 700 ms to the last. Returns what was served of the
/// flood, and of those.
fn play(members: usize, rate: f64) -> (Vec<Served>, Vec<Served>) {
    let mut world = known(members);
    let mut sent = 0_u64;
    for tick in 0..12_000 {
        while (f64::from(tick) * rate / 1e3) as u64 > sent {
            world.arrive(sent as usize % (members - 1));
            sent += 1;
        }
        if tick % 700 == 333 {
            world.arrive(members - 1);
        }
        world.pass(ms(1));
    }
    world.finish(secs(60));
    let rare = world.members.pop().unwrap().served;
    (world.members.into_iter().flat_map(|member| member.served).collect(), rare)
}

#[test]
fn rare_request_keeps_its_place_beside_a_flood() {
    for (members, rate) in [(2, 60.0), (2, 120.0), (8, 60.0), (8, 120.0)] {
        let (flood, rare) = play(members, rate);
        let arrived = |served: &Served| served.at - served.took;
        // One that was refused waits for a hint of its own.
        let mut waits = Vec::new();
        for request in rare.iter().filter(|request| request.refused == 0) {
            let is_overtaken =
                |other: &&Served| arrived(other) > arrived(request) + ORDER && other.at < request.at;
            let overtaken = flood.iter().filter(is_overtaken).count();
            assert_eq!(overtaken, 0, "{request:?} of {members} members at {rate} a second");
            waits.push(request.took);
        }
        waits.sort_unstable();
        assert!(waits.len() >= 14, "{} of {members} members at {rate} a second", waits.len());
        let median = waits[waits.len() / 2];
        assert!(median <= ms(450), "{median:?} of {members} members at {rate} a second");
    }
}
