//! Tenants that wait for the same key share it.

use super::*;

/// Lets so many requests of each tenant wait behind a stop, in the order in which they come, and returns the order in which
/// they are admitted.
fn order(pace: &Pace, tenants: &[(&str, usize)]) -> Vec<String> {
    let (mut now, _) = stop(pace, "key", START, 5);
    let mut callers = Vec::new();
    for (tenant, count) in tenants {
        for _ in 0..*count {
            let mut caller = Caller::new(pace, "key", tenant);
            assert!(caller.poll(pace, now).is_none());
            callers.push(caller);
            now += ms(1);
        }
    }
    let (order, _) = drain(pace, callers, now, secs(600));
    assert_eq!(pace.waiting(), 0);
    order
}

#[test]
fn two_tenants_alternate_however_many_requests_one_has() {
    let order = order(&fair(Pace::per_authority()), &[("greedy", 100), ("modest", 20)]);
    assert_eq!(order.len(), 120);
    let last = order.iter().rposition(|name| name == "modest").unwrap();
    // Each request of the modest tenant waits for one of the other at most, beside the probe.
    assert!(last <= 2 * 20, "the last one is admitted as number {last}: {order:?}");
    for round in order[1..40].chunks_exact(2) {
        assert_ne!(round[0], round[1], "{order:?}");
    }
}

#[test]
fn without_tenants_the_first_that_comes_is_the_first_that_goes() {
    let order = order(&Pace::per_authority(), &[("first", 30), ("second", 10)]);
    assert!(order[..30].iter().all(|name| name == "first"), "{order:?}");
    assert!(order[30..].iter().all(|name| name == "second"), "{order:?}");
}

#[test]
fn many_tenants_take_turns() {
    let names: Vec<String> = (0..10).map(|number| format!("tenant-{number}")).collect();
    let tenants: Vec<_> = names.iter().map(|name| (name.as_str(), 6)).collect();
    let order = order(&fair(Pace::per_authority()), &tenants);
    for name in &names {
        let places: Vec<_> =
            order.iter().enumerate().filter(|(_, other)| *other == name).map(|(place, _)| place).collect();
        for (round, place) in places.iter().enumerate() {
            assert!(place.abs_diff(round * 10) <= 12, "{name}: {places:?}");
        }
    }
}
