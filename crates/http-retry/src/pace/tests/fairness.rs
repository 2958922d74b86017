//! Who goes before whom.

use super::crowd::Crowd;
use super::*;

#[test]
fn a_newcomer_goes_behind_those_who_wait() {
    let mut hand = Hand::closed(Pace::per_authority());
    let waiter = hand.enter_and_wait();
    hand.now = ms(1_000);
    let newcomer = hand.enter();
    assert_eq!(hand.wait(&newcomer), None);
    let _pass = hand.go(&waiter);
}

#[test]
fn places_are_those_in_which_they_came_and_not_those_in_which_they_polled() {
    let mut hand = Hand::closed(Pace::per_authority());
    let [first, second] = [hand.enter(), hand.enter()];
    assert_eq!(hand.wait(&second), Some(ms(1_000)));
    assert_eq!(hand.wait(&first), Some(ms(1_000)));
    assert_eq!(hand.wait(&second), None);
    hand.now = ms(1_000);
    hand.wait(&second);
    let _pass = hand.go(&first);
}

#[test]
fn a_resend_that_keeps_its_ticket_goes_ahead_of_those_who_came_later() {
    let mut hand = Hand::new(Pace::per_authority());
    let first = hand.enter();
    let pass = hand.go(&first);
    hand.hear(pass, 429, &[("retry-after", "1")]);
    let second = hand.enter_and_wait();
    assert_eq!(hand.wait(&first), Some(ms(1_000)));
    assert_eq!(hand.wait(&second), None);
    hand.now = ms(1_000);
    hand.wait(&second);
    let _pass = hand.go(&first);
}

#[test]
fn nobody_goes_before_their_own_time() {
    let mut hand = Hand::new(Pace::per_authority());
    let ticket = hand.enter().not_before(ms(300));
    assert_eq!(hand.wait(&ticket), Some(ms(300)));
    hand.now = ms(300) - NANO;
    assert_eq!(hand.wait(&ticket), Some(ms(300)));
    hand.now = ms(300);
    let _pass = hand.go(&ticket);
}

#[test]
fn whose_time_has_not_come_stands_in_nobodys_way() {
    let mut hand = Hand::new(Pace::per_authority());
    let early = hand.enter().not_before(ms(300));
    hand.wait(&early);
    let other = hand.enter();
    let _pass = hand.go(&other);

    let mut hand = Hand::closed(Pace::per_authority());
    let early = hand.enter().not_before(ms(1_300));
    hand.wait(&early);
    let other = hand.enter_and_wait();
    hand.now = ms(1_000);
    assert_eq!(hand.wait(&early), None);
    let _pass = hand.go(&other);
}

#[test]
fn whose_time_has_come_takes_their_place_by_their_ticket() {
    let mut hand = Hand::closed(Pace::per_authority());
    let early = hand.enter().not_before(ms(500));
    hand.wait(&early);
    let later = hand.enter_and_wait();
    assert_eq!(hand.wait(&later), Some(ms(500)), "the first who is due watches for those who are not");
    hand.now = ms(500);
    assert_eq!(hand.wait(&later), None);
    assert_eq!(hand.wakes().last(), Some(&early));
    hand.now = ms(1_000);
    hand.wait(&later);
    let _pass = hand.go(&early);
}

/// Time of their own, and then the order in which they are sent.
#[track_caller]
fn check(not_before: &[u64], expected: &[u64]) {
    let mut crowd = Crowd::new(Pace::per_authority());
    crowd.arrive(1);
    let mut calls = 0;
    let mut server = |_| {
        calls += 1;
        (answer(if calls == 1 { 429 } else { 200 }, &[("retry-after", "1")]), ms(5))
    };
    crowd.run_to(ms(5), &mut server);
    let (first, _) = crowd.line.pop_first().unwrap();
    crowd.pace.leave(&first);
    crowd.settle();
    for start in not_before {
        let ticket = crowd.enter().not_before(ms(*start));
        crowd.poll(&ticket);
    }
    crowd.run(server);
    let order: Vec<_> = crowd.sends[1..].iter().map(|send| send.number - 2).collect();
    assert_eq!(order, expected, "{not_before:?}");
}

#[test]
fn those_who_are_due_go_in_the_order_in_which_they_came() {
    check(&[0, 0, 0, 0], &[0, 1, 2, 3]);
    check(&[900, 600, 300, 0], &[0, 1, 2, 3]);
    check(&[5_000, 0, 4_000, 0], &[1, 3, 2, 0]);
    check(&[1_008, 0, 0, 0], &[1, 0, 2, 3]);
    check(&[3_000, 3_000, 2_000, 2_000], &[2, 3, 0, 1]);
}

/// One refusal for each of a hundred callers, all at the same moment, in any order.
#[test]
fn a_hundred_resends_go_in_the_order_of_their_tickets() {
    let mut hand = Hand::new(Pace::per_authority());
    let tickets: Vec<_> = (0..100).map(|_| hand.enter()).collect();
    let mut passes: Vec<_> = tickets.iter().map(|ticket| hand.go(ticket)).collect();
    passes.reverse();
    for pass in passes {
        hand.hear(pass, 429, &[("retry-after", "1")]);
    }
    for ticket in tickets.iter().rev() {
        hand.wait(ticket);
    }
    for (place, ticket) in tickets.iter().enumerate() {
        hand.now += ms(1_000);
        for other in &tickets[place + 1..] {
            hand.wait(other);
        }
        let _pass = hand.go(ticket);
    }
}
