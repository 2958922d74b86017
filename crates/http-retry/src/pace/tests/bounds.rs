//! How many may wait, and how many keys are known.

use super::*;

fn enter(hand: &mut Hand, key: usize) -> Ticket {
    hand.pace.enter(&(&request(&format!("https://{key}.example/"))).into())
}

/// One call with this key that is refused.
#[track_caller]
fn close(hand: &mut Hand, key: usize) {
    let ticket = enter(hand, key);
    let pass = hand.go(&ticket);
    hand.hear(pass, 429, &[("retry-after", "1")]);
}

/// One call with this key that is served.
#[track_caller]
fn serve(hand: &mut Hand, key: usize) {
    let ticket = enter(hand, key);
    let pass = hand.go(&ticket);
    hand.hear(pass, 200, &[]);
}

#[test]
fn no_more_wait_than_may() {
    for waiters in [0, 1, 5] {
        let mut hand = Hand::closed(Pace::per_authority().waiters(waiters));
        let tickets: Vec<_> = (0..waiters).map(|_| hand.enter_and_wait()).collect();
        hand.wakes();
        let beyond = hand.enter();
        assert_eq!(hand.refused(&beyond), PaceRejection::Waiters);
        assert_eq!(hand.pace.waiting(), waiters);
        assert_eq!(hand.wakes(), []);
        // Those who are in line stay there.
        for ticket in &tickets {
            hand.wait(ticket);
        }
        if let Some(first) = tickets.first() {
            hand.pace.leave(first);
            hand.wait(&beyond);
            assert_eq!(hand.pace.waiting(), waiters);
        }
    }
}

#[test]
fn nobody_who_need_not_wait_is_refused() {
    let mut hand = Hand::new(Pace::per_authority().waiters(0));
    let tickets = [(); 100].map(|()| hand.enter());
    let passes = tickets.map(|ticket| hand.go(&ticket));
    assert_eq!(passes.len(), 100);
    assert_eq!(hand.pace.waiting(), 0);
}

#[test]
fn the_waiters_of_all_keys_count_together() {
    let mut hand = Hand::new(Pace::per_authority().waiters(3));
    for key in 0..2 {
        close(&mut hand, key);
    }
    let tickets = [0, 1, 0].map(|key| enter(&mut hand, key));
    for (place, ticket) in tickets.iter().enumerate() {
        hand.wait(ticket);
        assert_eq!(hand.pace.waiting(), place + 1);
    }
    for key in 0..2 {
        let beyond = enter(&mut hand, key);
        assert_eq!(hand.refused(&beyond), PaceRejection::Waiters);
    }
    hand.now = ms(1_000);
    let _pass = hand.go(&tickets[1]);
    assert_eq!(hand.pace.waiting(), 2);
}

#[test]
fn one_who_goes_or_is_refused_makes_room() {
    let mut hand = Hand::closed(Pace::per_authority().waiters(2));
    let first = hand.enter_and_wait();
    let hurried = hand.enter().ends_at(ms(1_100));
    hand.wait(&hurried);
    hand.now = ms(1_000);
    let pass = hand.go(&first);
    assert_eq!(hand.pace.waiting(), 1);
    hand.hear(pass, 429, &[("retry-after", "1")]);
    assert_eq!(hand.pace.waiting(), 0);
    assert_eq!(hand.refused(&hurried), PaceRejection::Deadline);
    assert_eq!(hand.pace.waiting(), 0);
    hand.enter_and_wait();
    hand.enter_and_wait();
    assert_eq!(hand.pace.waiting(), 2);
}

#[test]
fn to_poll_again_is_to_wait_once() {
    let mut hand = Hand::closed(Pace::per_authority());
    let ticket = hand.enter_and_wait();
    let early = hand.enter().not_before(ms(900));
    for now in [0, 500, 900, 950] {
        hand.now = ms(now);
        hand.wait(&ticket);
        hand.wait(&early);
        assert_eq!(hand.pace.waiting(), 2);
    }
    hand.pace.leave(&early);
    hand.pace.leave(&ticket);
    assert_eq!(hand.pace.waiting(), 0);
}

#[test]
fn keys_that_nobody_uses_make_room_for_new_ones() {
    let mut hand = Hand::new(Pace::per_authority().keys(3));
    for key in 0..100 {
        serve(&mut hand, key);
        assert!(hand.pace.gates.len() <= 3, "{key}");
    }
}

#[test]
fn those_that_are_used_least_lately_go_first() {
    let mut hand = Hand::new(Pace::per_authority().keys(2));
    close(&mut hand, 0);
    hand.now = Duration::from_secs(1);
    serve(&mut hand, 0);
    hand.now = Duration::from_secs(30);
    serve(&mut hand, 1);
    serve(&mut hand, 2);
    let known = |hand: &mut Hand, key| {
        let ticket = enter(hand, key);
        hand.pace.gates.contains_key(&ticket.key)
    };
    assert_eq!([0, 1, 2].map(|key| known(&mut hand, key)), [false, true, true]);
}

#[test]
fn a_key_that_is_closed_is_never_forgotten_for_another() {
    let mut hand = Hand::new(Pace::per_authority().keys(2));
    close(&mut hand, 0);
    close(&mut hand, 1);
    let ticket = enter(&mut hand, 2);
    assert_eq!(hand.refused(&ticket), PaceRejection::Keys);
    // They are known, so that they are not new.
    for key in 0..2 {
        let ticket = enter(&mut hand, key);
        assert_eq!(hand.wait(&ticket), Some(ms(1_000)));
        hand.pace.leave(&ticket);
    }
    hand.now = ms(1_000) - NANO;
    assert_eq!(hand.refused(&ticket), PaceRejection::Keys);
    hand.now = ms(1_000);
    let _pass = hand.go(&ticket);
}

#[test]
fn a_key_with_somebody_in_line_is_never_forgotten_for_another() {
    let mut hand = Hand::new(Pace::per_authority().keys(1));
    close(&mut hand, 0);
    let waiter = enter(&mut hand, 0);
    hand.wait(&waiter);
    hand.now = Duration::from_secs(3_600);
    let other = enter(&mut hand, 1);
    assert_eq!(hand.refused(&other), PaceRejection::Keys);
    assert_eq!(hand.pace.waiting(), 1);
    hand.pace.leave(&waiter);
    let _pass = hand.go(&other);
}

#[test]
fn a_key_with_a_send_under_way_is_kept_for_ten_seconds() {
    let mut hand = Hand::new(Pace::per_authority().keys(1));
    let ticket = enter(&mut hand, 0);
    let _pass = hand.go(&ticket);
    let other = enter(&mut hand, 1);
    hand.now = ms(10_000) - NANO;
    assert_eq!(hand.refused(&other), PaceRejection::Keys);
    hand.now = ms(10_000);
    let _pass = hand.go(&other);
}

#[test]
fn no_keys_are_one_key() {
    let mut hand = Hand::new(Pace::per_authority().keys(0));
    close(&mut hand, 0);
    let ticket = enter(&mut hand, 0);
    assert_eq!(hand.wait(&ticket), Some(ms(1_000)));
}

#[test]
fn an_answer_with_a_key_that_is_forgotten_is_not_heard() {
    let mut hand = Hand::new(Pace::per_authority().keys(1));
    let ticket = enter(&mut hand, 0);
    let pass = hand.go(&ticket);
    hand.now = Duration::from_secs(10);
    serve(&mut hand, 1);
    hand.hear(pass, 429, &[("retry-after", "1")]);
    assert_eq!(hand.wakes(), []);
    assert_eq!(hand.pace.gates.len(), 1);
}

/// Whether a key that was closed once, and then was quiet, still lets one go and the others wait.
#[track_caller]
fn check_memory(quiet: Duration, is_remembered: bool) {
    let mut hand = Hand::closed(Pace::per_authority());
    hand.now += quiet;
    let tickets = [(); 5].map(|()| hand.enter());
    let passes = tickets.iter().filter(|ticket| matches!(hand.pace.poll(ticket, hand.now), Admission::Go(_)));
    assert_eq!(passes.count(), if is_remembered { 1 } else { 5 }, "{quiet:?}");
}

#[test]
fn what_was_learned_is_forgotten_after_ten_minutes_of_quiet() {
    check_memory(ms(1_000), true);
    check_memory(Duration::from_secs(60), true);
    check_memory(Duration::from_secs(600), true);
    check_memory(Duration::from_secs(600) + NANO, false);
    check_memory(Duration::MAX, false);
}
