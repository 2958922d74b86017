//! Those who have no time to lose.

use super::crowd::Crowd;
use super::server::shut_until;
use super::*;

#[test]
fn who_would_come_too_late_is_refused_at_once() {
    let mut hand = Hand::closed(Pace::per_authority());
    for (end, is_refused) in [(0, true), (999, true), (1_000, false), (1_001, false)] {
        let ticket = hand.enter().ends_at(ms(end));
        match is_refused {
            true => assert_eq!(hand.refused(&ticket), PaceRejection::Deadline, "{end}"),
            false => _ = hand.wait(&ticket),
        }
    }
    assert_eq!(hand.pace.waiting(), 2);
}

#[test]
fn the_refused_are_not_in_line_and_wake_nobody() {
    let mut hand = Hand::closed(Pace::per_authority());
    let first = hand.enter_and_wait();
    hand.wakes();
    let ticket = hand.enter().ends_at(ms(10));
    assert_eq!(hand.refused(&ticket), PaceRejection::Deadline);
    assert_eq!(hand.wakes(), []);
    assert_eq!(hand.pace.waiting(), 1);
    assert_eq!(hand.wait(&first), Some(ms(1_000)));
}

#[test]
fn who_may_not_begin_before_the_end_is_refused_at_once() {
    let mut hand = Hand::new(Pace::per_authority());
    let ticket = hand.enter().not_before(ms(200)).ends_at(ms(100));
    assert_eq!(hand.refused(&ticket), PaceRejection::Deadline);
    let ticket = hand.enter().not_before(ms(200)).ends_at(ms(200));
    assert_eq!(hand.wait(&ticket), Some(ms(200)));
    hand.now = ms(200);
    let _pass = hand.go(&ticket);
}

#[test]
fn who_comes_after_the_end_is_refused_though_the_gate_is_open() {
    let mut hand = Hand::new(Pace::per_authority());
    hand.now = ms(100);
    let ticket = hand.enter().ends_at(ms(99));
    assert_eq!(hand.refused(&ticket), PaceRejection::Deadline);
    let ticket = hand.enter().ends_at(ms(100));
    let _pass = hand.go(&ticket);
}

#[test]
fn without_an_end_or_with_one_taken_back_nobody_is_refused() {
    let mut hand = Hand::closed(Pace::per_authority());
    let ticket = hand.enter().ends_at(ms(10)).ends_at(None);
    hand.wait(&ticket);
}

/// A gate that is open, but waits for its probe; two who have half a second, and one who has time.
fn hurried() -> (Hand, Permit, [Ticket; 4]) {
    let mut hand = Hand::closed(Pace::per_authority());
    hand.now = ms(1_000);
    let probe = hand.enter();
    let probe = hand.go(&probe);
    let ends = [None, Some(ms(1_500)), Some(ms(1_500)), None];
    let tickets = ends.map(|end| hand.enter().ends_at(end));
    for ticket in &tickets {
        hand.wait(ticket);
    }
    hand.wakes();
    (hand, probe, tickets)
}

#[test]
fn a_closing_wakes_those_who_cannot_wait_for_its_end_and_refuses_them() {
    let (mut hand, probe, [first, second, third, fourth]) = hurried();
    hand.hear(probe, 429, &[("retry-after", "1")]);
    assert_eq!(hand.wakes(), [second, third, first]);
    assert_eq!(hand.pace.waiting(), 2);
    assert_eq!(hand.refused(&second), PaceRejection::Deadline);
    assert_eq!(hand.refused(&third), PaceRejection::Deadline);
    assert_eq!(hand.wait(&first), Some(ms(2_000)));
    assert_eq!(hand.wait(&fourth), None);
    assert_eq!(hand.wakes(), []);
}

#[test]
fn a_closing_that_ends_in_time_wakes_no_more_than_the_first() {
    let (mut hand, probe, [first, second, ..]) = hurried();
    hand.hear(probe, 429, &[("retry-after-ms", "500")]);
    assert_eq!(hand.wakes(), [first]);
    assert_eq!(hand.pace.waiting(), 4);
    assert_eq!(hand.wait(&second), None);
}

#[test]
fn the_watcher_wakes_those_whose_end_comes() {
    let (mut hand, _probe, [first, second, third, _]) = hurried();
    // At the end somebody may still go.
    assert_eq!(hand.wait(&first), Some(ms(1_500) + NANO));
    hand.now = ms(1_500) + NANO;
    assert_eq!(hand.wait(&first), Some(ms(2_000)));
    assert_eq!(hand.wakes(), [second, third]);
    assert_eq!(hand.refused(&second), PaceRejection::Deadline);
    assert_eq!(hand.refused(&third), PaceRejection::Deadline);
    assert_eq!(hand.pace.waiting(), 2);
}

/// A clock that is exact would otherwise be asked again and again.
#[test]
fn to_wait_is_to_wait_for_a_later_moment() {
    let (mut hand, _probe, [first, ..]) = hurried();
    hand.now = ms(1_500);
    let until = hand.wait(&first).unwrap();
    assert!(until > hand.now, "told at {:?} to wait until {until:?}", hand.now);
}

#[test]
fn who_watches_the_clock_and_ends_is_refused_by_it() {
    let mut crowd = Crowd::new(Pace::per_authority());
    crowd.arrive(1);
    let mut server = |now| (shut_until(ms(1), now), ms(10_000));
    crowd.run_to(ms(0), &mut server);
    let pass = crowd.enter();
    crowd.poll(&pass);
    let (_, pass) = crowd.under_way.pop().unwrap();
    let refusal = answer(429, &[("retry-after", "1")]);
    crowd.pace.observe(pass, &(&refusal).into(), moment(crowd.now));
    crowd.advance_to(ms(1_000));
    // The probe, which is not heard of.
    crowd.arrive(1);
    assert_eq!(crowd.under_way.len(), 1);
    let first = crowd.enter().ends_at(ms(1_500));
    crowd.poll(&first);
    crowd.arrive(1);
    crowd.advance_to(ms(1_600));
    assert_eq!(crowd.refusals, [(first, PaceRejection::Deadline)]);
    crowd.advance_to(ms(2_100));
    assert_eq!(crowd.under_way.len(), 2, "the next has forgotten the clock: {:?}", crowd.line);
}

#[test]
fn the_words_for_refusals_are_these() {
    for (refusal, word) in [
        (PaceRejection::Waiters, "waiters"),
        (PaceRejection::Keys, "keys"),
        (PaceRejection::Deadline, "deadline"),
    ] {
        assert_eq!(refusal.as_str(), word);
        assert!(std::error::Error::source(&refusal).is_none());
    }
}
