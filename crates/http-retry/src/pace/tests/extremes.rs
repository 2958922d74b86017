//! Values that nobody would choose, and times at which nobody lives.

use super::server::quota;
use super::*;

/// Every answer that changes what the pace knows.
fn answers() -> Vec<Response<()>> {
    vec![
        answer(200, &[]),
        answer(429, &[]),
        answer(429, &[("retry-after", "1")]),
        answer(429, &[("retry-after", "99999999999999999999999999")]),
        answer(503, &[("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")]),
        answer(200, &[("ratelimit", r#""a";r=0;t=999999999999999"#)]),
        quota(200, u64::MAX, 0, "1ns"),
        quota(200, u64::MAX, u64::MAX - 1, "99999999999999h"),
        quota(200, 1, 0, "99999999999999h"),
        quota(429, 1, 1, "0s"),
        quota(200, 1, 0, "0s"),
    ]
}

#[test]
fn no_length_of_time_and_no_moment_makes_it_panic() {
    let moments =
        [Duration::ZERO, NANO, Duration::MAX / 2, Duration::MAX - ms(1), Duration::MAX - NANO, Duration::MAX];
    for longest in [Duration::ZERO, NANO, ms(1), Duration::MAX - NANO, Duration::MAX] {
        for start in moments {
            for response in &answers() {
                for second in &answers() {
                    let pace = Pace::per_authority().longest(longest);
                    drive(if start.is_zero() { pace.slow_start() } else { pace }, start, [response, second]);
                }
            }
        }
    }
}

fn drive(pace: Pace, start: Duration, responses: [&Response<()>; 2]) {
    let mut hand = Hand::new(pace);
    hand.now = start;
    let mut passes = Vec::new();
    for round in 0..6_usize {
        for end in [None, Some(hand.now), Some(Duration::MAX)] {
            for ticket in [hand.enter(), hand.enter().not_before(Duration::MAX)] {
                match hand.poll(&ticket.ends_at(end)) {
                    Admission::Go(pass) => passes.push(pass),
                    Admission::Wait(_) | Admission::Rejected(_) => {}
                }
            }
        }
        while passes.len() > 2 {
            let head = responses[(round + passes.len()) % 2].into();
            let pass = passes.remove(passes.len() / 2);
            hand.pace.observe(pass, &head, moment(hand.now));
        }
        for ticket in hand.wakes() {
            if let Admission::Go(pass) = hand.poll(&ticket) {
                passes.push(pass);
            }
        }
        hand.now = hand.now.saturating_add([NANO, ms(1), ms(700), Duration::from_secs(7)][round % 4]);
    }
}

#[test]
fn a_clock_that_goes_back_is_a_clock_that_stands() {
    let mut hand = Hand::new(Pace::per_authority());
    hand.now = ms(5_000);
    let tickets = [(); 3].map(|()| hand.enter());
    let [first, second, third] = tickets.map(|ticket| hand.go(&ticket));
    hand.hear(first, 429, &[("retry-after", "1")]);
    hand.now = ms(4_000);
    hand.hear(second, 429, &[("retry-after", "1")]);
    assert_eq!(hand.opening(), ms(6_000));
    hand.pace.observe(third, &(&quota(200, 10, 0, "10s")).into(), moment(hand.now));
    assert!(hand.opening() >= ms(6_000));
}

#[test]
fn without_any_longest_time_only_the_probe_is_waited_for() {
    for response in answers() {
        let mut hand = Hand::new(Pace::per_authority().longest(Duration::ZERO));
        let ticket = hand.enter();
        let pass = hand.go(&ticket);
        hand.pace.observe(pass, &(&response).into(), moment(hand.now));
        let ticket = hand.enter();
        let _pass = hand.go(&ticket);
    }
}
