//! Who is told to watch the clock, and who is woken.

use super::*;

#[test]
fn only_the_first_in_line_watches_the_clock() {
    let mut hand = Hand::closed(Pace::per_authority());
    let tickets = [(); 5].map(|()| hand.enter());
    hand.wakes();
    for (place, ticket) in tickets.iter().enumerate() {
        assert_eq!(hand.wait(ticket), (place == 0).then_some(ms(1_000)));
    }
    for (place, ticket) in tickets.iter().enumerate() {
        assert_eq!(hand.wait(ticket), (place == 0).then_some(ms(1_000)));
    }
    assert_eq!(hand.wakes(), []);
}

#[test]
fn a_newcomer_who_is_not_the_first_wakes_nobody() {
    let mut hand = Hand::closed(Pace::per_authority());
    let first = hand.enter_and_wait();
    hand.wakes();
    for _ in 0..10 {
        hand.enter_and_wait();
        assert_eq!(hand.wakes(), []);
    }
    assert_eq!(hand.wait(&first), Some(ms(1_000)));
}

#[test]
fn when_the_watcher_leaves_the_next_is_woken() {
    let mut hand = Hand::closed(Pace::per_authority());
    let [first, second, third] = [(); 3].map(|()| hand.enter_and_wait());
    hand.wakes();
    hand.pace.leave(&first);
    assert_eq!(hand.wakes(), [second]);
    assert_eq!(hand.wait(&second), Some(ms(1_000)));
    // Nobody else watches.
    hand.pace.leave(&third);
    assert_eq!(hand.wakes(), []);
    hand.pace.leave(&second);
    assert_eq!(hand.wakes(), []);
    assert_eq!(hand.pace.waiting(), 0);
}

#[test]
fn to_leave_twice_or_without_having_come_changes_nothing() {
    let mut hand = Hand::closed(Pace::per_authority());
    let [first, second] = [(); 2].map(|()| hand.enter_and_wait());
    hand.wakes();
    let stranger = hand.enter();
    hand.pace.leave(&stranger);
    hand.pace.leave(&second);
    hand.pace.leave(&second);
    assert_eq!(hand.wakes(), []);
    assert_eq!(hand.pace.waiting(), 1);
    assert_eq!(hand.wait(&first), Some(ms(1_000)));
}

#[test]
fn when_the_watcher_goes_the_next_is_woken() {
    let mut hand = Hand::closed(Pace::per_authority());
    let [first, second, _] = [(); 3].map(|()| hand.enter_and_wait());
    hand.wakes();
    hand.now = ms(1_000);
    let _pass = hand.go(&first);
    assert_eq!(hand.wakes(), [second]);
    assert_eq!(hand.wait(&second), Some(ms(2_000)));
}

#[test]
fn when_the_watcher_is_refused_the_next_is_woken() {
    let mut hand = Hand::closed(Pace::per_authority());
    hand.now = ms(1_000);
    let probe = hand.enter();
    let _probe = hand.go(&probe);
    let first = hand.enter().ends_at(ms(1_500));
    assert_eq!(hand.wait(&first), Some(ms(1_500) + NANO));
    let second = hand.enter_and_wait();
    hand.wakes();
    hand.now = ms(1_501);
    assert_eq!(hand.refused(&first), PaceRejection::Deadline);
    let woken = hand.wakes();
    assert!(woken.contains(&second), "nobody watches the clock: {woken:?}");
}

#[test]
fn news_wake_the_first_alone() {
    for (status, lines) in [(200, &[][..]), (429, &[("retry-after", "1")])] {
        let mut hand = Hand::closed(Pace::per_authority());
        hand.now = ms(1_000);
        let probe = hand.enter();
        let probe = hand.go(&probe);
        let [first, ..] = [(); 3].map(|()| hand.enter_and_wait());
        hand.wakes();
        hand.hear(probe, status, lines);
        assert_eq!(hand.wakes(), [first], "{status}");
    }
}

#[test]
fn who_comes_with_an_older_ticket_watches_instead() {
    let mut hand = Hand::closed(Pace::per_authority());
    let [first, second] = [(); 2].map(|()| hand.enter());
    assert_eq!(hand.wait(&second), Some(ms(1_000)));
    assert_eq!(hand.wait(&first), Some(ms(1_000)));
    assert_eq!(hand.wakes(), []);
    hand.pace.leave(&first);
    assert_eq!(hand.wakes(), [second]);
}

#[test]
fn where_nobody_is_due_the_next_who_will_be_watches() {
    let mut hand = Hand::closed(Pace::per_authority());
    let late = hand.enter().not_before(ms(3_000));
    assert_eq!(hand.wait(&late), Some(ms(3_000)));
    let soon = hand.enter().not_before(ms(2_000));
    assert_eq!(hand.wait(&soon), Some(ms(2_000)));
    assert_eq!(hand.wait(&late), None);
    hand.wakes();
    hand.pace.leave(&soon);
    assert_eq!(hand.wakes(), [late]);
}

/// Two whose time has come; the one with the older ticket has waited for the other's clock.
fn promoted(pace: Pace) -> (Hand, [Ticket; 2]) {
    let mut hand = Hand::closed(pace);
    let [older, younger] = [ms(2_000), ms(1_500)].map(|start| hand.enter().not_before(start));
    hand.wait(&older);
    assert_eq!(hand.wait(&younger), Some(ms(1_500)));
    assert_eq!(hand.wait(&older), None);
    hand.wakes();
    hand.now = ms(2_000);
    (hand, [older, younger])
}

#[test]
fn whom_a_newcomer_lets_take_their_place_is_woken() {
    let (mut hand, [older, _]) = promoted(Pace::per_authority());
    hand.enter_and_wait();
    assert_eq!(hand.wakes(), [older]);
}

#[test]
fn whom_a_newcomer_lets_take_their_place_is_woken_even_if_the_newcomer_is_refused() {
    let cases = [(2, None, PaceRejection::Waiters), (10, Some(ms(1_999)), PaceRejection::Deadline)];
    for (waiters, end, expected) in cases {
        let (mut hand, [older, younger]) = promoted(Pace::per_authority().waiters(waiters));
        let newcomer = hand.enter().ends_at(end);
        assert_eq!(hand.refused(&newcomer), expected);
        // The other one's clock was set before.
        let mut woken = hand.wakes();
        hand.wait(&younger);
        woken.extend(hand.wakes());
        assert!(woken.contains(&older), "{expected:?}: nobody watches the clock: {woken:?}");
    }
}

/// Each key has a line and a clock of its own.
#[test]
fn keys_have_a_watcher_each() {
    let mut hand = Hand::new(Pace::per_authority());
    for uri in ["https://a.example/", "https://b.example/"] {
        let enter = |hand: &mut Hand| hand.pace.enter(&(&request(uri)).into());
        let ticket = enter(&mut hand);
        let pass = hand.go(&ticket);
        hand.hear(pass, 429, &[("retry-after", "1")]);
        let ticket = enter(&mut hand);
        assert_eq!(hand.wait(&ticket), Some(ms(1_000)), "{uri}");
        let ticket = enter(&mut hand);
        assert_eq!(hand.wait(&ticket), None, "{uri}");
    }
    assert_eq!(hand.pace.waiting(), 4);
}
