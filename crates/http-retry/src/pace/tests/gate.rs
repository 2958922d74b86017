//! What closes the gate, for how long, and how it opens.

use super::crowd::Crowd;
use super::server::{Bucket, quota, shut_until};
use super::*;

/// 1,000 callers find the gate closed for a second; each send takes so long.
#[track_caller]
fn check_crowd(pace: Pace, latency: Duration) {
    let mut crowd = Crowd::new(pace);
    let server = |now| (shut_until(ms(1), now), latency);
    crowd.arrive(1);
    crowd.run_to(latency, &mut { server });
    let opening = latency + ms(1_000);
    crowd.arrive(1_000);
    assert_eq!(crowd.pace.waiting(), 1_001);
    crowd.run(server);

    let sends = &crowd.sends[1..];
    assert_eq!(sends[0].at, opening);
    assert!(sends[1].at >= opening + latency && sends[1].at > opening, "{:?}", &sends[..2]);
    let order: Vec<_> = sends.iter().map(|send| send.number).collect();
    assert_eq!(order, (1..=1_001).collect::<Vec<_>>());
    assert_eq!(crowd.served, order);
    assert_eq!(crowd.pace.waiting(), 0);
    assert!(crowd.now < opening + ms(5_000), "{:?}", crowd.now);
}

#[test]
fn a_thousand_keep_quiet_until_the_hint_and_then_go_in_order() {
    check_crowd(Pace::per_authority(), Duration::ZERO);
    check_crowd(Pace::per_authority(), ms(1));
    check_crowd(Pace::per_authority(), ms(40));
    check_crowd(Pace::per_authority().slow_start(), ms(40));
}

#[test]
fn a_thousand_who_are_refused_together_keep_their_order() {
    for latency in [Duration::ZERO, ms(30)] {
        let mut crowd = Crowd::new(Pace::per_authority());
        crowd.arrive(1_000);
        crowd.run(|now| (shut_until(ms(1), now), latency));
        let (first, second) = crowd.sends.split_at(1_000);
        assert!(first.iter().all(|send| send.at.is_zero()));
        let order: Vec<_> = second.iter().map(|send| send.number).collect();
        assert_eq!(order, (1..=1_000).collect::<Vec<_>>());
        assert_eq!(second[0].at, latency + ms(1_000));
        assert!(second.windows(2).all(|pair| pair[0].at < pair[1].at), "two at once");
    }
}

#[test]
fn a_burst_goes_out_one_after_the_other_and_never_together() {
    for latency in [Duration::ZERO, ms(5)] {
        let mut bucket = Bucket::new(10, 50.0);
        let mut crowd = Crowd::new(Pace::per_authority());
        crowd.arrive(200);
        crowd.run(|now| (bucket.answer(now), latency));
        let later: Vec<_> = crowd.sends.iter().filter(|send| !send.at.is_zero()).collect();
        let together = later.windows(2).find(|pair| pair[0].at == pair[1].at);
        assert!(together.is_none(), "{together:?}");
    }
}

#[test]
fn nobody_goes_before_the_hint_and_one_goes_at_it() {
    let mut hand = Hand::closed(Pace::per_authority());
    let tickets: Vec<_> = (0..3).map(|_| hand.enter_and_wait()).collect();
    hand.now = ms(1_000) - NANO;
    for ticket in &tickets {
        hand.wait(ticket);
    }
    hand.now = ms(1_000);
    let _probe = hand.go(&tickets[0]);
    hand.wait(&tickets[1]);
    hand.wait(&tickets[2]);
}

#[test]
fn late_refusals_extend_the_closing() {
    let mut hand = Hand::new(Pace::per_authority());
    let tickets = [(); 3].map(|()| hand.enter());
    let [first, second, third] = tickets.map(|ticket| hand.go(&ticket));
    hand.now = ms(100);
    hand.hear(first, 429, &[("retry-after", "1")]);
    assert_eq!(hand.opening(), ms(1_100));
    hand.now = ms(500);
    hand.hear(second, 429, &[("retry-after", "1")]);
    assert_eq!(hand.opening(), ms(1_500));
    // After the gate has opened again too.
    hand.now = ms(1_600);
    let probe = hand.enter();
    let _probe = hand.go(&probe);
    hand.hear(third, 429, &[("retry-after", "1")]);
    assert_eq!(hand.opening(), ms(2_600));
}

#[test]
fn a_late_success_does_not_open_what_a_refusal_closed() {
    for lines in [&[][..], &[("x-ratelimit-remaining", "100"), ("x-ratelimit-reset", "0")]] {
        let mut hand = Hand::new(Pace::per_authority());
        let tickets = [(); 2].map(|()| hand.enter());
        let [first, second] = tickets.map(|ticket| hand.go(&ticket));
        hand.hear(second, 429, &[("retry-after", "1")]);
        hand.now = ms(10);
        hand.hear(first, 200, lines);
        assert_eq!(hand.opening(), ms(1_000));
    }
}

#[test]
fn a_late_answer_that_has_more_left_does_not_fill_the_quota_again() {
    let mut hand = Hand::new(Pace::per_authority());
    let tickets = [(); 2].map(|()| hand.enter());
    let [first, second] = tickets.map(|ticket| hand.go(&ticket));
    hand.pace.observe(second, &(&quota(200, 10, 0, "10s")).into(), moment(hand.now));
    let expected = hand.opening();
    assert!(expected >= ms(1_000), "{expected:?}");
    hand.pace.observe(first, &(&quota(200, 10, 9, "1s")).into(), moment(hand.now));
    assert!(hand.opening() >= ms(1_000));
}

/// A hostile server, and one that is undecided.
#[test]
fn a_closing_never_gets_shorter() {
    for hints in [["99999999", "0"], ["99999999", "1"], ["1", "99999999"], ["3", "2"]] {
        let mut hand = Hand::new(Pace::per_authority().longest(ms(10_000)));
        let tickets = [(); 40].map(|()| hand.enter());
        let passes = tickets.map(|ticket| hand.go(&ticket));
        let mut latest = Duration::ZERO;
        for (pass, hint) in passes.into_iter().zip(hints.into_iter().cycle()) {
            hand.now += ms(10);
            hand.hear(pass, 429, &[("retry-after", hint)]);
            let opening = hand.opening();
            assert!(opening >= latest, "{hint}: {opening:?} after {latest:?}");
            assert!(opening <= hand.now + ms(10_000), "{hint}: {opening:?} at {:?}", hand.now);
            latest = opening;
        }
    }
}

/// What a closed gate still hears, and when that lets somebody go.
#[track_caller]
fn check_longest(status: u16, lines: Lines<'_>) {
    for longest in [ms(1), ms(1_500), ms(60_000)] {
        let mut hand = Hand::new(Pace::per_authority().longest(longest));
        let ticket = hand.enter();
        let pass = hand.go(&ticket);
        hand.now = ms(77);
        hand.hear(pass, status, lines);
        let waiter = hand.enter_and_wait();
        hand.now += longest - NANO;
        hand.wait(&waiter);
        hand.now += NANO;
        let _pass = hand.go(&waiter);
    }
}

#[test]
fn nobody_is_held_for_longer_than_the_longest() {
    check_longest(429, &[("retry-after", "99999999")]);
    check_longest(429, &[("retry-after", "99999999999999999999999999")]);
    check_longest(503, &[("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")]);
    check_longest(200, &[("ratelimit", r#""a";r=0;t=999999999999999"#)]);
    let openai = [
        ("x-ratelimit-limit-requests", "1"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "9999h"),
    ];
    check_longest(200, &openai);
    check_longest(429, &openai);
}
