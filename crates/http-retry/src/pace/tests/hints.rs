//! What is heard in which response.

use super::*;

/// How long the gate is closed after a response to a first call; `None` where it is not.
#[track_caller]
fn check(status: u16, lines: Lines<'_>, expected_ms: impl Into<Option<u64>>) {
    let mut hand = Hand::new(Pace::per_authority());
    hand.now = ms(250);
    let ticket = hand.enter();
    let pass = hand.go(&ticket);
    hand.now = ms(400);
    hand.hear(pass, status, lines);
    let expected = expected_ms.into().map_or(hand.now, |millis| hand.now + ms(millis));
    assert_eq!(hand.opening(), expected, "{status} {lines:?}");
}

#[test]
fn a_response_that_throttles_closes_the_gate_until_its_hint() {
    for status in [429, 529, 503] {
        check(status, &[("retry-after", "7")], 7_000);
        check(status, &[("retry-after-ms", "70")], 70);
        check(status, &[("retry-after", "Thu, 01 Jan 2026 00:00:07 GMT")], 6_600);
        check(status, &[("ratelimit", r#""a";r=0;t=8"#)], 8_000);
        check(status, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9")], 9_000);
    }
    check(429, &[("ratelimit-reset", "9")], 9_000);
}

#[test]
fn one_without_a_hint_closes_it_for_half_a_second() {
    for status in [429, 529] {
        check(status, &[], 500);
        for hint in ["0", "", "soon", "-1", "Thu, 01 Jan 1970 00:00:00 GMT"] {
            check(status, &[("retry-after", hint)], 500);
        }
    }
}

#[test]
fn a_503_without_a_hint_is_a_broken_server_and_not_a_busy_one() {
    check(503, &[], None);
    check(503, &[("retry-after", "0")], None);
    check(503, &[("retry-after", "soon")], None);
}

#[test]
fn a_403_throttles_where_nothing_is_left_of_the_quota() {
    check(403, &[], None);
    check(403, &[("retry-after", "7")], None);
    check(403, &[("x-ratelimit-remaining", "1"), ("retry-after", "7")], None);
    check(403, &[("x-ratelimit-remaining", "0"), ("retry-after", "7")], 7_000);
    check(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225660")], 59_600);
    check(403, &[("x-ratelimit-remaining", "0")], 500);
}

#[test]
fn pushback_is_meant_for_one_caller() {
    for pushback in ["7000", "-1", "soon"] {
        check(503, &[("grpc-retry-pushback-ms", pushback)], None);
        check(200, &[("grpc-retry-pushback-ms", pushback)], None);
        check(429, &[("grpc-retry-pushback-ms", pushback)], 500);
    }
}

#[cfg(feature = "grpc")]
#[test]
fn a_code_of_grpc_s_is_heard_where_the_server_names_a_time() {
    // A `RetryInfo` of 7 s.
    const RETRY_INFO: (&str, &str) =
        ("grpc-status-details-bin", "GjAKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SBAoCCAc=");
    const PUSHBACK: (&str, &str) = ("grpc-retry-pushback-ms", "7000");
    for number in 0..=17 {
        let code = ("grpc-status", &*number.to_string());
        let hinted = matches!(number, 8 | 14).then_some(7_000);
        check(200, &[code], None);
        check(200, &[code, RETRY_INFO], hinted);
        check(200, &[code, ("retry-after", "7")], hinted);
        check(200, &[code, PUSHBACK], None);
        check(200, &[code, ("ratelimit", r#""a";r=0;t=8"#)], 8_000);
        // HTTP's own word counts.
        check(404, &[code, RETRY_INFO], None);
        check(429, &[code], 500);
    }
}

#[test]
fn a_quota_of_which_nothing_is_left_closes_it_whatever_the_status() {
    for status in [200, 201, 304, 404, 500] {
        check(status, &[("ratelimit", r#""a";r=0;t=8"#)], 8_000);
        check(status, &[("ratelimit", r#""a";r=0"#), ("ratelimit-policy", r#""a";q=9;w=60"#)], 60_000);
        check(status, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "9")], 9_000);
        check(status, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225660")], 59_600);
        let anthropic = [
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:30Z"),
        ];
        check(status, &anthropic, 29_600);
        let tokens = [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6s")];
        check(status, &tokens, 6_000);
    }
}

#[test]
fn a_quota_of_which_something_is_left_does_not() {
    check(200, &[], None);
    check(200, &[("ratelimit", r#""a";r=1;t=8"#)], None);
    check(200, &[("ratelimit-remaining", "1"), ("ratelimit-reset", "9")], None);
    check(200, &[("ratelimit-reset", "9")], None);
    check(200, &[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "1767225660")], None);
    check(200, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225600")], None);
    let anthropic = [
        ("anthropic-ratelimit-requests-remaining", "1"),
        ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:30Z"),
    ];
    check(200, &anthropic, None);
}

#[test]
fn a_hint_without_throttling_is_for_one_caller() {
    for status in [200, 202, 301, 413, 500] {
        check(status, &[("retry-after", "7")], None);
        check(status, &[("retry-after-ms", "70")], None);
    }
}

#[test]
fn the_longest_of_several_quotas_counts() {
    let lines = [
        ("ratelimit", r#""a";r=0;t=8"#),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "9"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "6s"),
    ];
    check(200, &lines, 9_000);
}

/// The closings of a server: a call, its status, and how long it is quiet after that.
#[track_caller]
fn check_back_off(timeline: &[(u16, u64)]) {
    check_quiet(&[], timeline);
}

#[track_caller]
fn check_quiet(lines: Lines<'_>, timeline: &[(u16, u64)]) {
    let mut hand = Hand::new(Pace::per_authority().longest(ms(20_000)));
    for (place, (status, expected_ms)) in timeline.iter().enumerate() {
        let ticket = hand.enter();
        let pass = hand.go(&ticket);
        hand.hear(pass, *status, lines);
        let opening = hand.opening();
        match *expected_ms {
            // It was served, so others may go, but not all at once.
            0 => assert!(opening <= hand.now + ms(20), "{place}: {opening:?}"),
            millis => assert_eq!(opening, hand.now + ms(millis), "{place}"),
        }
        hand.now = opening;
    }
}

#[test]
fn each_refusal_without_a_hint_doubles_the_wait_up_to_the_longest() {
    check_back_off(&[(429, 500), (529, 1_000), (429, 2_000), (429, 4_000), (429, 8_000), (429, 16_000)]);
    let doubled = [500, 1_000, 2_000, 4_000, 8_000, 16_000].into_iter();
    let timeline: Vec<_> = doubled.chain([20_000; 80]).map(|millis| (429, millis)).collect();
    check_back_off(&timeline);
}

#[test]
fn a_success_starts_the_waits_again() {
    check_back_off(&[(429, 500), (429, 1_000), (200, 0), (429, 500), (429, 1_000)]);
}

#[test]
fn a_server_that_does_not_keep_its_times_is_asked_less_and_less_often() {
    let short = [("retry-after-ms", "100")];
    check_quiet(&short, &[(429, 100), (429, 100), (429, 500), (529, 1_000), (429, 2_000), (429, 4_000)]);
    check_quiet(&short, &[(429, 100), (429, 100), (200, 0), (429, 100), (429, 100), (429, 500)]);
    let long = [("retry-after", "3")];
    check_quiet(&long, &[(429, 3_000), (429, 3_000), (429, 3_000), (429, 3_000), (429, 3_000), (429, 4_000)]);
}

/// So many calls leave together, and are refused together or each a while after the one before.
#[track_caller]
fn check_one_step(calls: u32, gap: Duration) {
    let mut hand = Hand::new(Pace::per_authority());
    let tickets: Vec<_> = (0..calls).map(|_| hand.enter()).collect();
    let passes: Vec<_> = tickets.iter().map(|ticket| hand.go(ticket)).collect();
    let mut opening = hand.now;
    for pass in passes {
        hand.now += gap;
        hand.hear(pass, 429, &[]);
        opening = hand.opening().max(hand.now);
        assert_eq!(opening, hand.now + ms(500));
    }
    hand.now = opening;
    let probe = hand.enter();
    let probe = hand.go(&probe);
    hand.hear(probe, 429, &[]);
    assert_eq!(hand.opening(), hand.now + ms(1_000));
}

#[test]
fn all_the_refusals_of_one_opening_are_one_step() {
    check_one_step(1, ms(0));
    check_one_step(100, ms(0));
    check_one_step(100, ms(5));
    check_one_step(3, ms(499));
}

#[test]
fn refusals_that_come_after_the_gate_has_opened_again_are_no_step_of_their_own() {
    let mut hand = Hand::new(Pace::per_authority());
    let tickets = [(); 2].map(|()| hand.enter());
    let [first, late] = tickets.map(|ticket| hand.go(&ticket));
    hand.hear(first, 429, &[]);
    hand.now = ms(500);
    let probe = hand.enter();
    let _probe = hand.go(&probe);
    hand.now = ms(600);
    hand.hear(late, 429, &[]);
    assert_eq!(hand.opening(), ms(1_100));
}
