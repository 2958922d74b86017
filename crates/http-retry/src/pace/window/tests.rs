use super::*;

const COUNT: u32 = 20;
const MARGIN: Duration = Duration::from_millis(5);
const OPENED: Duration = Duration::from_secs(2);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn moment(now: Duration) -> Moment {
    Moment {
        now,
        waiting: 100,
        queued: 100,
        unknown: 0,
        refusal_time: MARGIN * 2,
        patience: MARGIN * 8,
        longest: Duration::from_secs(120),
        sends: 1_000,
        burst_from: 0,
        part: 1.0,
        part_of_load: 1.0,
    }
}

/// A limit that was used up at time 0 and after `passed` calls that left two seconds later. It hints at two seconds more.
fn used_up_twice(passed: u32) -> (Window, bool) {
    let mut window = Window::new(f64::from(COUNT), Some(Duration::ZERO));
    window.opened(OPENED);
    (0..passed).for_each(|ordinal| window.sent(ordinal.into(), MARGIN, OPENED));
    let is_claim = window.closed(OPENED + ms(10), OPENED + ms(20), OPENED);
    (window, is_claim)
}

/// Sends one call, and returns whether it was sent to learn when the window ends.
fn sends(window: &mut Window, ordinal: u64, now: Duration) -> bool {
    window.sent(ordinal, MARGIN, now);
    window.is_trial(ordinal)
}

/// The time at which a call may prove that the limit is a window.
fn proving_time() -> Duration {
    let (window, _) = used_up_twice(COUNT);
    window.next(&moment(OPENED + ms(30)), MARGIN)
}

#[test]
fn a_limit_is_a_window_if_as_many_pass_as_before() {
    for (passed, expected) in [(COUNT, true), (COUNT + 2, true), (COUNT + 5, false), (COUNT / 2, false)] {
        assert_eq!(used_up_twice(passed).1, expected, "{passed}");
    }
}

#[test]
fn a_call_that_passes_before_the_end_disproves_a_window() {
    let (mut window, _) = used_up_twice(COUNT);
    let at = proving_time();
    assert!(at > OPENED + ms(200) && at < OPENED + ms(1_000), "{at:?}");
    assert!(sends(&mut window, 50, at));
    assert_eq!(window.passed(50), Passed::Disproved);
}

#[test]
fn calls_take_the_places_of_those_of_the_window_before() {
    let (mut window, _) = used_up_twice(COUNT);
    let at = proving_time();
    assert!(sends(&mut window, 50, at));
    assert!(window.refused(50, at, MARGIN, at + ms(10)), "a window explains it");
    let middle = window.next(&moment(at + ms(10)), MARGIN);
    assert!(middle > at + ms(10) && middle < OPENED * 2, "the middle of what it may be: {middle:?}");
    assert!(sends(&mut window, 51, middle));
    assert!(window.next(&moment(middle), MARGIN) > middle, "the others wait for the answer");
    assert_eq!(window.passed(51), Passed::Opened);
    for ordinal in 52..51 + u64::from(COUNT) {
        let now = middle + ms(30);
        assert!(window.next(&moment(now), MARGIN) <= now, "{ordinal}");
        assert!(!sends(&mut window, ordinal, now), "it takes a place that is free");
    }
    let next = window.next(&moment(middle + ms(40)), MARGIN);
    assert!(next > middle + ms(500), "the window is used up: {next:?}");
    assert!(sends(&mut window, 80, next), "one call tries the next opening as well");
}

#[test]
fn a_stop_finds_the_end_of_a_window_that_is_longer_than_its_hints() {
    let (mut window, _) = used_up_twice(COUNT);
    let end = OPENED * 2 + ms(100);
    assert!(sends(&mut window, 50, end));
    assert!(window.refused(50, end, MARGIN, end + ms(10)));
    assert!(window.is_endless());
    assert!(sends(&mut window, 51, end + OPENED), "the probe of the stop");
    window.passed(51);
    assert!(!window.is_endless());
}

#[test]
fn a_window_that_serves_less_is_dropped() {
    let (mut window, _) = used_up_twice(COUNT);
    let end = OPENED * 2 + ms(100);
    assert!(sends(&mut window, 50, end));
    assert_eq!(window.passed(50), Passed::Opened);
    (51..54).for_each(|ordinal| window.sent(ordinal, MARGIN, end + ms(10)));
    assert!(!window.refused(53, end + ms(10), MARGIN, end + ms(20)), "a bucket that refilled slowly");
}

#[test]
fn a_lifted_window_is_found_after_some_windows() {
    let (mut window, _) = used_up_twice(COUNT);
    let mut now = OPENED + ms(30);
    let mut next_ordinal = 50..;
    let mut is_lifted = false;
    let mut refused = 0;
    while window.claim().is_some() && now < Duration::from_secs(120) {
        is_lifted |= now > Duration::from_secs(20);
        now = window.next(&moment(now), MARGIN).max(now + MARGIN / 5);
        let Some(ordinal) = next_ordinal.next() else { break };
        let is_trial = sends(&mut window, ordinal, now);
        let is_served = is_lifted || !is_trial || now.subsec_millis() > 900;
        if is_served && window.passed(ordinal) == Passed::Gone {
            return;
        }
        if !is_served {
            refused += 1;
            window.refused(ordinal, now, MARGIN, now);
        }
    }
    panic!("{refused} refused, {:?}", window.claim());
}
