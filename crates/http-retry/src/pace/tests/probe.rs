//! The one that goes first, and those who wait for its answer.

use super::crowd::Crowd;
use super::server::shut_until;
use super::*;

/// A gate that has just opened: its probe, and two who wait for it.
fn opened() -> (Hand, Permit, [Ticket; 2]) {
    let mut hand = Hand::closed(Pace::per_authority());
    hand.now = ms(1_000);
    let probe = hand.enter();
    let probe = hand.go(&probe);
    let tickets = [hand.enter_and_wait(), hand.enter_and_wait()];
    hand.wakes();
    (hand, probe, tickets)
}

#[test]
fn a_probe_that_is_lost_makes_the_next_the_probe() {
    let (mut hand, probe, [first, second]) = opened();
    hand.pace.lose(probe);
    assert_eq!(hand.wakes(), [first]);
    let probe = hand.go(&first);
    assert_eq!(hand.wakes(), [second]);
    hand.wait(&second);
    hand.pace.lose(probe);
    let _probe = hand.go(&second);
}

#[test]
fn a_send_that_is_lost_and_was_not_the_probe_lets_nobody_go() {
    let mut hand = Hand::new(Pace::per_authority());
    let tickets = [(); 2].map(|()| hand.enter());
    let [first, lost] = tickets.map(|ticket| hand.go(&ticket));
    hand.hear(first, 429, &[("retry-after", "1")]);
    hand.now = ms(1_000);
    let probe = hand.enter();
    let _probe = hand.go(&probe);
    let waiter = hand.enter_and_wait();
    hand.pace.lose(lost);
    hand.wait(&waiter);
}

#[test]
fn a_probe_that_is_never_heard_of_holds_the_others_for_a_second() {
    let (mut hand, _probe, [first, second]) = opened();
    assert_eq!(hand.wait(&first), Some(ms(2_000)));
    hand.now = ms(2_000) - NANO;
    hand.wait(&first);
    hand.now = ms(2_000);
    let _second_probe = hand.go(&first);
    assert_eq!(hand.wait(&second), Some(ms(3_000)));
}

#[test]
fn a_probe_that_is_served_lets_the_next_go() {
    let (mut hand, probe, [first, second]) = opened();
    hand.hear(probe, 200, &[]);
    assert_eq!(hand.wakes(), [first]);
    let until = hand.wait(&first).unwrap();
    assert!(until <= ms(1_100), "{until:?}");
    hand.now = until;
    let _pass = hand.go(&first);
    hand.wait(&second);
}

#[test]
fn a_probe_that_is_refused_closes_the_gate_again() {
    let (mut hand, probe, [first, second]) = opened();
    hand.now = ms(1_200);
    hand.hear(probe, 429, &[("retry-after", "2")]);
    assert_eq!(hand.wakes(), [first]);
    assert_eq!(hand.wait(&first), Some(ms(3_200)));
    assert_eq!(hand.wait(&second), None);
}

#[test]
fn any_other_answer_of_a_probe_means_that_the_server_is_fine() {
    for status in [200, 204, 302, 400, 401, 403, 404, 409, 500, 502, 503, 504] {
        let (mut hand, probe, [first, _]) = opened();
        hand.hear(probe, status, &[]);
        let until = hand.wait(&first).unwrap();
        assert!(until <= ms(1_100), "{status}: {until:?}");
    }
}

#[test]
fn an_answer_to_what_was_sent_before_the_closing_does_not_count_as_the_probes() {
    let mut hand = Hand::new(Pace::per_authority());
    let tickets = [(); 12].map(|()| hand.enter());
    let [late, refused, served @ ..] = tickets.map(|ticket| hand.go(&ticket));
    for pass in served {
        hand.hear(pass, 200, &[]);
    }
    hand.hear(refused, 429, &[("retry-after", "1")]);
    hand.now = ms(1_000);
    let probe = hand.enter();
    let _probe = hand.go(&probe);
    let waiter = hand.enter_and_wait();
    hand.hear(late, 200, &[]);
    assert_eq!(hand.wait(&waiter), Some(ms(2_000)));
}

#[test]
fn an_answer_that_takes_longer_than_a_second_opens_the_gate_all_the_same() {
    for latency in [ms(900), ms(1_100), ms(3_000), ms(9_000)] {
        let mut crowd = Crowd::new(Pace::per_authority());
        let server = |now| (shut_until(ms(1), now), latency);
        crowd.arrive(1);
        crowd.run_to(latency, &mut { server });
        crowd.arrive(200);
        crowd.run(server);
        // The ramp doubles with each round.
        let longest = ms(1_000) + 12 * latency;
        assert!(crowd.now < longest, "with {latency:?} each, 200 took {:?}", crowd.now);
    }
}

#[test]
fn a_server_that_answers_nobody_gets_one_a_second() {
    let (mut hand, _probe, [first, second]) = opened();
    let tickets: Vec<_> = (0..30).map(|_| hand.enter_and_wait()).collect();
    let mut passes = Vec::new();
    for (place, ticket) in [first, second].into_iter().chain(tickets).enumerate() {
        hand.now = ms(2_000 + 1_000 * place as u64);
        passes.push(hand.go(&ticket));
    }
}

/// The send that a pass is for may have had to wait for something else.
#[test]
fn a_pass_holds_as_long_as_nobody_wants_quiet() {
    let mut hand = Hand::new(Pace::per_authority());
    let tickets = [(); 3].map(|()| hand.enter());
    let [first, second, third] = tickets.map(|ticket| hand.go(&ticket));
    hand.now = ms(100);
    assert!(hand.pace.still_lets(&second, hand.now));
    hand.hear(first, 200, &[]);
    assert!(hand.pace.still_lets(&second, hand.now));
    hand.hear(third, 429, &[("retry-after", "1")]);
    assert!(!hand.pace.still_lets(&second, hand.now));
    assert!(!hand.pace.still_lets(&second, ms(1_100) - NANO));
    assert!(hand.pace.still_lets(&second, ms(1_100)));
    hand.pace.lose(second);
    assert_eq!(hand.wait(&tickets[1]), Some(ms(1_100)));
}
