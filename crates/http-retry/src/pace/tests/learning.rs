//! What one opening teaches for the next.

use super::crowd::Crowd;
use super::server::Bucket;
use super::*;

/// So many callers at once, again as soon as all are served; the refusals of each time.
fn refusals(burst: u32, per_second: f64, callers: usize, rounds: usize, latency: Duration) -> Vec<usize> {
    let mut bucket = Bucket::new(burst, per_second);
    let mut crowd = Crowd::new(Pace::per_authority());
    let mut served = 0;
    let round = |_| {
        let (start, before) = (crowd.now, crowd.sends.len());
        crowd.arrive(callers);
        crowd.run(|now| (bucket.answer(now), latency));
        served += callers;
        assert_eq!(crowd.served.len(), served);
        assert!(crowd.sends[before..].iter().all(|send| send.at >= start));
        // Long enough for the bucket to be full again, and not for the pace to forget.
        crowd.now += Duration::from_secs(60);
        crowd.sends[before..].iter().filter(|send| send.status != 200).count()
    };
    (0..rounds).map(round).collect()
}

/// The burst, what it earns a second, and how many call at once.
const BUCKETS: [(u32, f64, usize); 5] =
    [(10, 50.0, 100), (1, 5.0, 60), (30, 10.0, 200), (50, 200.0, 500), (5, 1.0, 40)];

#[test]
fn after_the_first_refusals_there_are_few() {
    for (burst, per_second, callers) in BUCKETS {
        for latency in [ms(0), ms(20), ms(200)] {
            let mut bucket = Bucket::new(burst, per_second);
            let mut crowd = Crowd::new(Pace::per_authority());
            crowd.arrive(callers);
            crowd.run(|now| (bucket.answer(now), latency));
            assert_eq!(crowd.served.len(), callers);
            let first = crowd.refused_since(Duration::ZERO) - crowd.refused_since(NANO);
            let later = crowd.refused_since(NANO);
            assert_eq!(first, callers - burst as usize);
            assert!(3 * later <= first, "{burst}, {per_second}/s, {latency:?}: {first}, then {later}");
        }
    }
}

#[test]
fn the_next_crowd_is_refused_less_than_the_first() {
    for (burst, per_second, callers) in BUCKETS {
        for latency in [ms(0), ms(20), ms(200)] {
            let refusals = refusals(burst, per_second, callers, 4, latency);
            let later = *refusals[1..].iter().max().unwrap();
            assert!(3 * later <= refusals[0], "{burst}, {per_second}/s, {latency:?}: {refusals:?}");
        }
    }
}

/// A gate that was closed when so many had been served, and so many had not; its probe is served.
fn second_opening(served: usize, refused: usize) -> Hand {
    let mut hand = Hand::new(Pace::per_authority());
    let tickets: Vec<_> = (0..served + refused).map(|_| hand.enter()).collect();
    let passes: Vec<_> = tickets.iter().map(|ticket| hand.go(ticket)).collect();
    for (place, pass) in passes.into_iter().enumerate() {
        match place < served {
            true => hand.hear(pass, 200, &[]),
            false => hand.hear(pass, 429, &[("retry-after", "10")]),
        }
    }
    hand.now = ms(10_000);
    let probe = hand.go_in_time();
    hand.hear(probe, 200, &[]);
    hand
}

/// When the next ones go, since the gate opened.
fn gaps(hand: &mut Hand, sends: usize) -> Vec<Duration> {
    let times = (0..sends).map(|_| {
        let _pass = hand.go_in_time();
        hand.now - ms(10_000)
    });
    times.collect()
}

#[test]
fn four_fifths_of_what_went_through_go_at_once_a_millisecond_apart() {
    for (served, expected) in [(10, 8), (20, 16), (50, 40), (1, 1)] {
        let mut hand = second_opening(served, 5);
        let times = gaps(&mut hand, served + 5);
        // The probe is one of them.
        let at_once = 1 + times.iter().filter(|time| **time < ms(100)).count();
        // One more at a time goes after that.
        assert!((expected..=expected + 1).contains(&at_once), "of {served}: {at_once}, {times:?}");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= ms(1)), "{times:?}");
    }
}

#[test]
fn a_large_burst_takes_a_tenth_of_a_second_at_most() {
    let mut hand = second_opening(1_000, 5);
    let times = gaps(&mut hand, 799);
    assert!(times[798] <= ms(101), "{:?}", times[798]);
    assert!(times[0] > Duration::ZERO && times[798] >= ms(70), "{:?}", times[798]);
    assert!(times.windows(2).all(|pair| pair[1] > pair[0]));
}

/// A ramp has so many at a time, one more for each that is served.
#[test]
fn after_a_first_refusal_one_at_a_time_goes_then_two_and_so_on() {
    let mut hand = second_opening(0, 5);
    let mut passes = Vec::new();
    for expected in [1, 2, 4, 8, 16] {
        for pass in passes.drain(..) {
            hand.hear(pass, 200, &[]);
        }
        for _ in 0..expected {
            passes.push(hand.go_in_time());
        }
        // Nobody goes before one of these is heard of, or a second has passed.
        let opening = hand.opening();
        assert_eq!(opening, hand.now + ms(1_000), "{expected}");
    }
}

/// A server that never refuses again gets all that want to go.
#[test]
fn a_blip_is_forgotten_after_a_while() {
    let mut hand = second_opening(0, 1);
    for _ in 0..400 {
        let pass = hand.go_in_time();
        hand.hear(pass, 200, &[]);
    }
    let tickets = [(); 500].map(|()| hand.enter());
    let _passes = tickets.map(|ticket| hand.go(&ticket));
}

/// What they need is less than what they may have.
#[test]
fn those_who_call_one_after_the_other_learn_of_no_more_room() {
    let mut hand = second_opening(5, 5);
    let refused = hand.go_in_time();
    hand.hear(refused, 429, &[("retry-after", "10")]);
    let mut last = hand.now;
    for _ in 0..60 {
        let pass = hand.go_in_time();
        last = hand.now;
        hand.hear(pass, 200, &[]);
    }
    assert!(hand.opening() - last >= ms(900), "{:?}", hand.opening() - last);
}

/// The most that a server with little room gets in a second after it got more.
#[test]
fn a_server_that_gets_faster_is_asked_for_more() {
    let mut bucket = Bucket::new(5, 5.0);
    let mut crowd = Crowd::new(Pace::per_authority());
    crowd.arrive(4_000);
    let mut server = |now: Duration| {
        if now >= Duration::from_secs(60) {
            bucket.per_second = 100.0;
        }
        (bucket.answer(now), ms(20))
    };
    crowd.run_to(Duration::from_secs(300), &mut server);
    let within = |crowd: &Crowd, from, to| {
        let range = Duration::from_secs(from)..Duration::from_secs(to);
        crowd.sends.iter().filter(|send| send.status == 200 && range.contains(&send.at)).count()
    };
    let (slow, fast) = (within(&crowd, 40, 60), within(&crowd, 120, 140));
    assert!((60..=105).contains(&slow), "{slow} in 20 s of a server that serves 100");
    assert!(fast >= 4 * slow, "{slow}, then {fast}");
}

/// A server that refuses every other one for ten seconds hears from somebody a second after each of them.
#[test]
fn one_a_second_goes_whatever_was_refused_before() {
    for latency in [ms(0), ms(30), ms(700)] {
        let mut crowd = Crowd::new(Pace::per_authority());
        crowd.arrive(100);
        let (mut closed_until, mut last) = (Duration::ZERO, Duration::ZERO);
        let mut gaps = Vec::new();
        let mut server = |now: Duration| {
            gaps.push(now.saturating_sub(closed_until.max(last)));
            last = now;
            if gaps.len() % 2 == 1 {
                return (answer(200, &[]), latency);
            }
            closed_until = now + latency + ms(10_000);
            (answer(429, &[("retry-after", "10")]), latency)
        };
        crowd.run_to(Duration::from_secs(500), &mut server);
        let longest = *gaps.iter().max().unwrap();
        // The second after the probe begins with its answer.
        assert!(longest <= ms(1_000) + latency, "{latency:?}: nobody for {longest:?}");
        assert!(gaps.len() > 150, "{latency:?}: {} sends", gaps.len());
    }
}
