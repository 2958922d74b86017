//! Keys that nobody has heard from.

use super::crowd::Crowd;
use super::server::Bucket;
use super::*;

/// Those of a hundred newcomers who go now; the others leave.
fn go_at_once(hand: &mut Hand) -> Vec<Permit> {
    let tickets = [(); 100].map(|()| hand.enter());
    let mut passes = Vec::new();
    for ticket in &tickets {
        match hand.poll(ticket) {
            Admission::Go(pass) => passes.push(pass),
            Admission::Wait(_) => {}
            Admission::Rejected(refusal) => panic!("{refusal}"),
        }
    }
    tickets.iter().for_each(|ticket| hand.pace.leave(ticket));
    hand.wakes();
    passes
}

#[test]
fn without_slow_start_all_go() {
    let mut hand = Hand::new(Pace::per_authority());
    assert_eq!(go_at_once(&mut hand).len(), 100);
    assert_eq!(go_at_once(&mut hand).len(), 100);
}

#[test]
fn with_it_four_go_and_each_that_is_served_lets_two_go() {
    let mut hand = Hand::new(Pace::per_authority().slow_start());
    let mut passes = go_at_once(&mut hand);
    assert_eq!(passes.len(), 4);
    assert_eq!(go_at_once(&mut hand).len(), 0);
    hand.hear(passes.pop().unwrap(), 200, &[]);
    passes.extend(go_at_once(&mut hand));
    assert_eq!(passes.len(), 5);
    // Each round doubles.
    for expected in [10, 20, 40, 80] {
        for pass in std::mem::take(&mut passes) {
            hand.hear(pass, 200, &[]);
        }
        passes = go_at_once(&mut hand);
        assert_eq!(passes.len(), expected);
    }
}

#[test]
fn one_that_is_lost_makes_room_for_one() {
    let mut hand = Hand::new(Pace::per_authority().slow_start());
    let mut passes = go_at_once(&mut hand);
    hand.pace.lose(passes.pop().unwrap());
    assert_eq!(go_at_once(&mut hand).len(), 1);
}

#[test]
fn while_nobody_is_heard_of_one_a_second_goes() {
    let mut hand = Hand::new(Pace::per_authority().slow_start());
    let _passes = go_at_once(&mut hand);
    let waiter = hand.enter();
    assert_eq!(hand.wait(&waiter), Some(ms(1_000)));
    hand.now = ms(1_000);
    let _pass = hand.go(&waiter);
    assert_eq!(go_at_once(&mut hand).len(), 0);
}

#[test]
fn what_is_not_heard_of_for_ten_seconds_is_under_way_no_more() {
    let mut hand = Hand::new(Pace::per_authority().slow_start());
    let _passes = go_at_once(&mut hand);
    hand.now = ms(10_000) - NANO;
    assert_eq!(go_at_once(&mut hand).len(), 1);
    hand.now = ms(10_000);
    assert_eq!(go_at_once(&mut hand).len(), 3);
}

#[test]
fn a_burst_finds_the_limit_with_a_handful_of_calls() {
    let refused = |pace| {
        let mut bucket = Bucket::new(10, 50.0);
        let mut crowd = Crowd::new(pace);
        crowd.arrive(100);
        crowd.run(|now| (bucket.answer(now), ms(20)));
        assert_eq!(crowd.served.len(), 100);
        crowd.refused_since(Duration::ZERO)
    };
    let (slow, fast) = (refused(Pace::per_authority().slow_start()), refused(Pace::per_authority()));
    assert!(slow <= 20 && fast >= 90, "{slow} and {fast} refusals");
}
