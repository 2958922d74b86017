//! Members of a fleet spend a limit like one, and what happens when the store, a member or the server fails.

mod at_fault;
mod failures;
mod floods;
mod members;
mod moves;
mod world;

use self::world::World;
use super::*;
use crate::fleet::{Id, Store, StoreCommand, StoreEvent, UnreachableReason};

/// A fleet that knows the server's limit: 40 per second and a burst of 8, less 5 %.
fn known(members: usize) -> World {
    World::known(members, 40.0, 8.0, 0.95)
}

/// Sends 160 requests at once. Returns the calls that it took, and the time.
fn burst(members: usize) -> (u64, Duration) {
    let mut world = known(members);
    (0..160).for_each(|index| world.arrive(index % members));
    let took = world.finish(secs(60));
    assert_eq!(world.served(), 160);
    (world.server.calls, took)
}

#[test]
fn many_members_need_as_many_calls_and_as_long_as_one() {
    let (calls, time) = burst(1);
    assert!(calls <= 161, "{calls}");
    for members in [2, 4, 8] {
        let (more, longer) = burst(members);
        assert!(more as f64 <= 1.03 * calls as f64 + 1.0, "{more} calls of {members}, {calls} of one");
        assert!(longer <= time.mul_f64(1.1), "{longer:?} of {members}, {time:?} of one");
    }
}

#[test]
fn below_the_limit_members_wait_no_longer_than_one() {
    let run = |members| {
        let mut world = known(members);
        world.load(32.0, secs(10));
        (world.p99(START), world.server.refused, world.asks(), world.served())
    };
    let (p99, refused, ..) = run(1);
    for members in [4, 8] {
        let (longer, more, asks, served) = run(members);
        assert!(longer <= p99.mul_f64(1.2) + ms(30), "{longer:?} of {members}, {p99:?} of one");
        assert!(more <= refused + 1, "{more} refused of {members}, {refused} of one");
        assert!(asks <= served as u64 + 5, "{asks} requests to the store for {served} sends");
    }
}

#[test]
fn slots_taken_ahead_save_requests_to_the_store() {
    let mut world = World::known(4, 1_000.0, 100.0, 0.95);
    // It is 200 a second and member. In the first second a member does not know its own rate.
    world.load(800.0, secs(1));
    world.reset();
    world.load(800.0, secs(5));
    assert!(world.server.refused <= 2, "{}", world.server.refused);
    assert!(world.p99(START) <= ms(60), "{:?}", world.p99(START));
    assert!(world.asks() * 1_000 <= 60 * world.served() as u64, "{} for {}", world.asks(), world.served());
}

#[test]
fn slots_of_a_full_burst_are_used_although_they_were_free_for_longer_than_a_lease() {
    let mut world = World::known(2, 40.0, 40.0, 0.95);
    (0..10).for_each(|_| world.arrive(0));
    world.pass(ms(40));
    assert_eq!(world.served(), 10);
    assert!(world.asks() <= 3, "{}", world.asks());
}

#[test]
fn members_share_by_demand_under_a_full_load() {
    let mut world = known(4);
    world.load(60.0, secs(12));
    let served: Vec<_> = world.members.iter().map(|member| member.served.len() as f64).collect();
    let sum: f64 = served.iter().sum();
    let squares: f64 = served.iter().map(|served| served * served).sum();
    assert!(sum * sum / (4.0 * squares) >= 0.97, "{served:?}");
    assert!(sum >= 0.9 * 40.0 * 12.0, "{sum} served");
}

#[test]
fn one_probe_for_all_members() {
    let run = |members| {
        let mut world = known(members);
        world.server.is_down = true;
        world.load(32.0, secs(5));
        let probes = world.probes();
        world.server.is_down = false;
        world.finish(secs(30));
        (probes, world.waiting())
    };
    let (one, left) = run(1);
    assert_eq!(left, 0);
    for members in [4, 8] {
        let (probes, left) = run(members);
        assert!(probes <= one + 1, "{probes} probes of {members}, {one} of one");
        assert_eq!(left, 0, "the opening is heard by all");
    }
}

#[test]
fn limit_that_no_member_knows_is_found_together() {
    let run = |members| {
        let mut world = World::new(members, 40.0, 8.0, true);
        world.load(60.0, secs(10));
        world.finish(secs(30));
        world.pass(secs(2));
        world.reset();
        world.load(32.0, secs(10));
        (world.server.refused, world.p99(START))
    };
    let (one, p99) = run(1);
    let (refused, longer) = run(4);
    assert!(refused <= one + 2, "{refused} refused of four members, {one} of one");
    assert!(longer <= p99.mul_f64(1.2) + ms(300), "{longer:?} of four, {p99:?} of one");
}

#[test]
fn refusals_by_chance_are_found_out_by_all_members() {
    let run = |members| {
        let mut world = World::new(members, 1e6, 1e6, true);
        world.server.refuses_each = 20;
        world.load(60.0, secs(30));
        let served = world.served();
        world.load(60.0, secs(5));
        (world.served() - served, world.waiting())
    };
    for members in [1, 4] {
        let (served, waiting) = run(members);
        assert!(served >= 270 && waiting <= 30, "{served} served and {waiting} wait with {members} members");
    }
}

#[test]
fn key_of_which_no_answer_has_spoken_asks_nothing() {
    let mut world = World::new(3, 1e6, 1e6, true);
    world.load(100.0, secs(2));
    world.finish(secs(1));
    assert_eq!((world.asks(), world.served()), (0, 199));
    assert_eq!(world.members[0].pace.next_store_request_at(None), None);
    assert!(world.p99(START) <= ms(22));
}

#[test]
fn members_agree_on_the_id_of_a_key_and_on_no_other() {
    let memory = crate::fleet::Memory::new();
    let member = |name: &str| {
        let store = memory.connect();
        Pace::per_credential().keys(4).fleet(name, ms(200), move |key| store.id(key)).longest(secs(60))
    };
    let id = |pace: &Pace, authority: &str, credential: &str| {
        let request = Request::get(format!("http://{authority}/x")).header("authorization", credential);
        pace.id_of_key(&pace.ticket(&RequestHead::from(&request.body(()).unwrap()))).unwrap()
    };
    let (one, two) = (member("api"), member("api"));
    assert_eq!(id(&one, "Host", "a"), id(&two, "host", "a"));
    assert_ne!(id(&one, "host", "a"), id(&two, "host", "b"));
    assert_ne!(id(&one, "host", "a"), id(&two, "hosu", "a"));
    assert_ne!(id(&one, "host", "a"), id(&member("other"), "host", "a"));
    // More keys than the table has are forgotten, and have the same id again.
    let first = id(&one, "host", "0");
    for key in 1..50 {
        id(&one, "host", &key.to_string());
    }
    assert_eq!(id(&one, "host", "0"), first);
}

/// The bytes that a store gets for the key of a request.
#[track_caller]
fn check_key(pace: Pace, expected: &[u8]) {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let bytes = std::sync::Arc::clone(&seen);
    let pace = pace.fleet("api", ms(200), move |key| {
        *bytes.lock().unwrap() = key.to_vec();
        Id::new(1)
    });
    let request = http::Request::get("http://API.example/").header("api-key", "a").body(()).unwrap();
    pace.ticket(&crate::RequestHead::from(&request));
    assert_eq!(*seen.lock().unwrap(), [b"api\0", expected].concat());
}

#[test]
fn all_processes_name_a_key_by_the_same_bytes() {
    let authority = b"\0\0\0\x0bapi.example";
    check_key(Pace::per_authority(), authority);
    check_key(Pace::per_credential(), &[&authority[..], b"\x02\0\0\x01a"].concat());
    let name = http::HeaderName::from_static("api-key");
    check_key(Pace::per_header(name), &[&authority[..], b"\0\0\0\x01a"].concat());
    check_key(Pace::per(|_| ("prod", 258_u32)), b"prod\xff\x02\x01\0\0");
    check_key(Pace::per_written(|_, hasher| hasher.write_u32(258)), b"\x02\x01\0\0");
}
