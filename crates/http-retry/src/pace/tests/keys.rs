//! The bound of the table of keys, and what is forgotten.

use super::*;

fn call(pace: &Pace, key: &str, now: Duration) {
    let permit = go(pace, &mut ticket(pace, key, ""), now);
    settle(pace, permit, &response(200, None), now);
}

/// Sends one call each of so many keys, and leaves it in flight.
fn hold(pace: &Pace, keys: usize) -> Vec<Permit> {
    (0..keys).map(|key| go(pace, &mut ticket(pace, &format!("held-{key}"), ""), START)).collect()
}

#[test]
fn ten_thousand_new_keys_a_second_stay_within_the_bound() {
    let pace = Pace::per_authority().keys(100);
    for key in 0..10_000_u32 {
        call(&pace, &format!("key-{key}"), START + Duration::from_micros(100) * key);
        assert!(pace.key_count() <= 100);
    }
    assert_eq!((pace.key_count(), pace.unpaced()), (100, 0));
}

#[test]
fn new_keys_go_unpaced_while_all_are_held() {
    let pace = Pace::per_authority().keys(100);
    let mut held = hold(&pace, 100);
    for key in 0..1_000 {
        call(&pace, &format!("key-{key}"), START);
    }
    assert_eq!((pace.key_count(), pace.unpaced()), (100, 1_000));

    // One key that is idle is found, in whatever shard it is, and serves each new key.
    settle(&pace, held.swap_remove(50), &response(200, None), START);
    for key in 0..1_000 {
        call(&pace, &format!("key-{key}"), START);
    }
    assert_eq!((pace.key_count(), pace.unpaced()), (100, 1_000));
    held.into_iter().for_each(|permit| pace.lose(permit, START));
}

#[test]
fn a_refusal_without_a_pace_reaches_nobody() {
    let pace = Pace::per_authority().keys(1);
    let held = hold(&pace, 1);
    for _ in 0..50 {
        let permit = go(&pace, &mut ticket(&pace, "key", ""), START);
        assert!(!permit.is_probe() && pace.still_valid(&permit, START));
        settle(&pace, permit, &response(429, Some(60)), START);
    }
    assert_eq!((pace.key_count(), pace.unpaced()), (1, 50));
    held.into_iter().for_each(|permit| pace.lose(permit, START));
}

#[test]
fn a_request_without_a_pace_still_waits_for_its_own_hint() {
    let pace = Pace::per_authority().keys(1);
    let held = hold(&pace, 1);
    let mut request = ticket(&pace, "key", "");
    request.not_before(START + secs(5));
    assert_eq!(wait(&pace, &mut request, START), (START + secs(5), Why::OwnHint));
    request.deadline(START + secs(4));
    assert_eq!(rejected(&pace, &mut request, START), PaceRejection::TooLong);
    request.deadline(None);
    pace.lose(go(&pace, &mut request, START + secs(5)), START + secs(5));
    assert_eq!((pace.waiting(), pace.unpaced()), (0, 1));
    held.into_iter().for_each(|permit| pace.lose(permit, START));
}

#[test]
fn a_stopped_key_and_one_with_waiters_are_not_forgotten() {
    let pace = Pace::per_authority().keys(2);
    let (now, end) = stop(&pace, "stopped", START, 60);
    let mut waiter = Caller::new(&pace, "stopped", "");
    assert!(waiter.poll(&pace, now).is_none());
    for key in 0..500 {
        call(&pace, &format!("key-{key}"), now);
    }
    assert_eq!(pace.report(&waiter.ticket, now).stopped_for, Some(end - now));
    pace.leave(&mut waiter.ticket, now);
    for key in 0..500 {
        call(&pace, &format!("key-{key}"), now);
    }
    assert_eq!(pace.report(&waiter.ticket, now).stopped_for, Some(end - now));
    assert_eq!((pace.key_count(), pace.unpaced()), (2, 0));
}

#[test]
fn the_key_that_was_used_least_recently_is_forgotten() {
    let pace = Pace::per_authority().keys(3);
    for (key, at) in [("a", 1), ("b", 2), ("c", 3), ("a", 4)] {
        call(&pace, key, START + secs(at));
    }
    // All but one of three shards are empty for most keys, so only the bound is certain.
    call(&pace, "d", START + secs(5));
    assert_eq!((pace.key_count(), pace.unpaced()), (3, 0));
}

#[test]
fn a_request_of_a_forgotten_key_takes_no_place_of_another() {
    let pace = Pace::per_authority().keys(1);
    let (now, end) = stop(&pace, "key", START, 5);
    // Each of these has waited, so that it has a number in the queue.
    let mut old: Vec<_> = (0..40).map(|_| Caller::new(&pace, "key", "old")).collect();
    for caller in &mut old {
        assert!(caller.poll(&pace, now).is_none());
        pace.leave(&mut caller.ticket, now);
    }
    let probe = go(&pace, &mut ticket(&pace, "key", ""), end + ms(1));
    settle(&pace, probe, &response(200, None), end + ms(5));
    call(&pace, "other", end + secs(20));
    assert_eq!(pace.key_count(), 1);

    let (now, end) = stop(&pace, "key", end + secs(30), 5);
    let mut callers: Vec<_> = (0..40).map(|_| Caller::new(&pace, "key", "new")).collect();
    callers.extend(old);
    assert!(callers.iter_mut().all(|caller| caller.poll(&pace, now).is_none()));
    assert_eq!((pace.waiting(), pace.report(&ticket(&pace, "key", ""), now).waiting), (80, 80));
    let (order, _) = drain(&pace, callers, end, secs(600));
    assert_eq!((order.len(), pace.waiting()), (80, 0));
}

#[test]
fn no_keys_means_one() {
    let pace = Pace::per_authority().keys(0);
    call(&pace, "key", START);
    assert_eq!((pace.key_count(), pace.unpaced()), (1, 0));
}

#[test]
fn keys_do_not_wait_for_each_other() {
    let pace = Pace::per_authority();
    let (now, _) = stop(&pace, "stopped", START, 60);
    assert_eq!(wait(&pace, &mut ticket(&pace, "STOPPED", ""), now).1, Why::Stopped);
    (0..100).for_each(|_| call(&pace, "other", now));
}
