//! Servers that say how full a quota is that fills all the time.

use proptest::prelude::*;

use super::crowd::{Crowd, Send};
use super::server::{Bucket, quota};
use super::*;

/// What a first answer says, and when the next ones go if nothing else is heard.
#[track_caller]
fn check(limit: u64, remaining: u64, reset: &str, expected_ms: &[u64]) {
    let mut hand = Hand::new(Pace::per_authority());
    let first = hand.enter();
    let pass = hand.go(&first);
    hand.pace.observe(pass, &(&quota(200, limit, remaining, reset)).into(), moment(hand.now));
    for expected in expected_ms {
        let _pass = hand.go_in_time();
        // To the nanosecond, but for what is lost in reckoning.
        let off = hand.now.abs_diff(ms(*expected));
        assert!(
            off < Duration::from_nanos(100),
            "{limit} {remaining} {reset}: {:?}, not {expected}",
            hand.now
        );
    }
}

#[test]
fn as_many_go_as_are_left_and_then_as_many_as_come_back() {
    check(10, 3, "700ms", &[0, 0, 0, 100, 200, 300]);
    check(10, 0, "10s", &[1_000, 2_000, 3_000]);
    check(60, 1, "59s", &[0, 1_000, 2_000]);
    check(1, 0, "2s", &[2_000, 4_000]);
    check(4, 2, "1m", &[0, 0, 30_000, 60_000]);
}

#[test]
fn nothing_is_made_of_a_quota_that_is_full_or_cannot_be_read() {
    check(10, 10, "0s", &[0; 10]);
    for (limit, remaining, reset) in [(0, 1, "1s"), (3, 4, "1s"), (3, 0, "soon"), (3, 0, "")] {
        check(limit, remaining, reset, &[0; 20]);
    }
}

#[test]
fn a_quota_of_unknown_size_of_which_nothing_is_left_is_back_at_its_reset() {
    check(0, 0, "3s", &[3_000]);
}

#[test]
fn those_under_way_count_as_sent() {
    let mut hand = Hand::new(Pace::per_authority());
    let tickets = [(); 4].map(|()| hand.enter());
    let [first, ..] = tickets.map(|ticket| hand.go(&ticket));
    // The three others may not be in these five.
    hand.pace.observe(first, &(&quota(200, 10, 5, "5s")).into(), moment(hand.now));
    let tickets = [(); 3].map(|()| hand.enter());
    let _passes = [hand.go(&tickets[0]), hand.go(&tickets[1])];
    assert_eq!(hand.wait(&tickets[2]), Some(ms(1_000)));
}

/// Two answers, and when the next ones go after the second.
#[track_caller]
fn check_second(answers: [(u64, &str); 2], expected_ms: &[u64]) {
    let mut hand = Hand::new(Pace::per_authority());
    for (remaining, reset) in answers {
        let pass = hand.go_in_time();
        hand.pace.observe(pass, &(&quota(200, 10, remaining, reset)).into(), moment(hand.now));
    }
    let start = hand.now;
    for expected in expected_ms {
        let _pass = hand.go_in_time();
        let off = (hand.now - start).abs_diff(ms(*expected));
        assert!(off < Duration::from_nanos(100), "{answers:?}: {:?}, not {expected}", hand.now - start);
    }
}

#[test]
fn the_latest_answer_counts() {
    check_second([(0, "10s"), (0, "10s")], &[1_000, 2_000]);
    check_second([(9, "1s"), (1, "9s")], &[0, 1_000, 2_000]);
    check_second([(1, "9s"), (3, "7s")], &[0, 0, 0, 1_000, 2_000]);
    check_second([(0, "10s"), (0, "40s")], &[4_000, 8_000]);
}

/// What is left is rounded down, so that a quota that is nearly full seems to fill quickly.
#[test]
fn what_only_looks_faster_is_not_believed() {
    check_second([(0, "10s"), (9, "100ms")], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1_000, 2_000]);
    check_second([(0, "10s"), (10, "0s")], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1_000, 2_000]);
}

/// Whatever the server says and however much is under way, one goes after that.
#[test]
fn no_announcement_holds_anybody_for_longer_than_the_longest() {
    let slow = ("1", "0", "9999h");
    let fast = ("100", "0", "1s");
    let rows =
        [[fast, slow], [slow, fast], [slow, slow], [fast, ("100", "0", "2h")], [fast, ("3", "0", "9999h")]];
    for answers in rows {
        for is_late in [false, true] {
            let mut hand = Hand::new(Pace::per_authority().longest(ms(10_000)));
            let tickets: Vec<_> = (0..1_000).map(|_| hand.enter()).collect();
            let mut passes: Vec<_> = tickets.iter().map(|ticket| hand.go(ticket)).collect();
            for (limit, remaining, reset) in answers {
                let pass = if is_late { passes.pop().unwrap() } else { passes.remove(0) };
                let lines = [
                    ("x-ratelimit-limit-requests", limit),
                    ("x-ratelimit-remaining-requests", remaining),
                    ("x-ratelimit-reset-requests", reset),
                ];
                hand.hear(pass, 200, &lines);
            }
            let opening = hand.opening();
            assert!(opening <= ms(10_000), "{answers:?}, late: {is_late}: {opening:?}");
        }
    }
}

/// As many as the bucket holds, what it earns, and two.
///
/// What is left is rounded down, so that a rate is known but to one in as many as are missing.
#[track_caller]
fn assert_within(sends: &[Send], limit: u32, per_second: f64) {
    let limit = f64::from(limit);
    let highest = per_second * (1.0 + 1.0 / (limit - 1.0).max(1.0));
    for (first, start) in sends.iter().enumerate() {
        for (count, end) in sends[first..].iter().enumerate() {
            let allowed = limit + highest * (end.at - start.at).as_secs_f64() + 2.001;
            assert!((count + 1) as f64 <= allowed, "{} from {start:?} to {end:?}", count + 1);
        }
    }
}

proptest! {
    #[test]
    fn sends_stay_within_a_quota_that_is_announced(
        limit in 1..50_u32,
        per_second in prop_oneof![0.05..1.0_f64, 1.0..20.0, 20.0..1_000.0],
        latencies in prop::collection::vec(0..3_000_u64, 1..20),
        callers in prop::collection::vec(0..2_000_u64, 1..120),
    ) {
        let mut bucket = Bucket::new(limit, per_second);
        let mut latency = latencies.iter().cycle();
        let mut server = |now| (bucket.announce(now), ms(*latency.next().unwrap()));
        let mut crowd = Crowd::new(Pace::per_authority());
        crowd.arrive(1);
        crowd.run_to(ms(3_000), &mut server);
        let mut now = ms(3_000);
        for gap in &callers {
            // Mostly all at once.
            now += ms(gap.saturating_sub(1_900));
            crowd.run_to(now, &mut server);
            crowd.now = now;
            crowd.arrive(1);
        }
        crowd.run(server);
        prop_assert_eq!(crowd.served.len(), callers.len() + 1);
        assert_within(&crowd.sends, limit, per_second);
    }

    /// Those who left before the first answer may be too many; the others are not.
    #[test]
    fn a_burst_before_the_first_answer_is_all_that_is_refused(
        limit in 1..50_u32,
        per_second in 0.5..100.0_f64,
        latency in 1..500_u64,
        callers in 1..100_usize,
    ) {
        let mut bucket = Bucket::new(limit, per_second);
        let mut crowd = Crowd::new(Pace::per_authority());
        crowd.arrive(callers);
        crowd.run(|now| (bucket.announce(now), ms(latency)));
        prop_assert_eq!(crowd.served.len(), callers);
        let later = crowd.sends.iter().position(|send| send.at >= ms(latency)).unwrap_or(crowd.sends.len());
        assert_within(&crowd.sends[later..], limit, per_second);
        prop_assert_eq!(crowd.refused_since(ms(latency)), 0);
    }
}
