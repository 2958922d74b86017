//! Tests of the growth and the width of windows, and of the delays that are drawn from them.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::{SeedableRng, rngs::SmallRng};

use super::*;
use crate::RetryHint;

fn between(earliest: u64, latest: u64) -> Plan {
    Window::between(ms(earliest), ms(latest)).into()
}

#[test]
fn a_hint_opens_the_window_and_the_spread_closes_it() {
    let default = RetryAfterFirst::new(NoRetry);
    let longest = Duration::from_secs(120);
    for (policy, hint, expected) in [
        (default, 0, between(0, 250)),
        (default, 1, between(1, 251)),
        (default, 250, between(250, 500)),
        (default, 1_000, between(1_000, 2_000)),
        (default, 5_000, between(5_000, 10_000)),
        (default, 60_000, between(60_000, 65_000)),
        (default, 120_000, between(120_000, 125_000)),
        (default, 120_001, Plan::GiveUp(GiveUpReason::HintTooLong)),
        (default, u64::MAX, Plan::GiveUp(GiveUpReason::HintTooLong)),
        (default.longest(ms(999)), 1_000, Plan::GiveUp(GiveUpReason::HintTooLong)),
        (default.longest(ms(1_000)), 1_000, between(1_000, 2_000)),
        (default.longest(ms(0)), 0, between(0, 250)),
        (default.spread(0.25), 4_000, between(4_000, 5_000)),
        (default.spread(0.25), 400, between(400, 650)),
        (default.spread(3.0), 1_000, between(1_000, 4_000)),
        (default.spread(f64::INFINITY), 1_000, between(1_000, 6_000)),
        (default.spread(0.0), 1_000, between(1_000, 1_000)),
        (default.spread(0.0), 0, between(0, 0)),
        (default.spread(-0.0), 1_000, between(1_000, 1_000)),
        (default.spread(-1.0), 1_000, between(1_000, 1_000)),
        (default.spread(f64::NAN), 1_000, between(1_000, 1_000)),
        (default.spread(f64::NEG_INFINITY), 1_000, between(1_000, 1_000)),
    ] {
        let hint = RetryHint::After(ms(hint));
        assert_eq!(planned(&policy, |context| context.hint(hint)), expected, "{hint:?} {policy:?}");
        // These are the defaults of `new`.
        assert_eq!(default, RetryAfterFirst::new(NoRetry).longest(longest).spread(1.0));
    }
}

#[test]
fn a_hint_of_never_is_obeyed_and_without_a_hint_the_other_policy_decides() {
    let policy = RetryAfterFirst::new(Unusual);
    assert_eq!(planned(&policy, |s| s.hint(RetryHint::Never)), Plan::GiveUp(GiveUpReason::ServerSaidNo));
    assert_eq!(planned(&policy, |s| s.backoff_step(2)), between(7_921, 7_921));
}

#[test]
fn the_longest_hint_saturates() {
    let policy = RetryAfterFirst::new(NoRetry).longest(Duration::MAX);
    let plan = planned(&policy, |context| context.hint(RetryHint::After(Duration::MAX)));
    assert_eq!(plan, Window::exactly(Duration::MAX).into());
}

#[test]
fn exponential_grows_from_the_base_by_the_multiplier_up_to_the_cap() {
    const MAX: Duration = Duration::MAX;
    let backoff = |base, cap, multiplier| {
        ExponentialBackoff::new(ms(base), ms(cap)).multiplier(multiplier).jitter(Jitter::None)
    };
    for (policy, step, expected) in [
        (backoff(100, 10_000, 2.0), 0, ms(100)),
        (backoff(100, 10_000, 2.0), 1, ms(200)),
        (backoff(100, 10_000, 2.0), 6, ms(6_400)),
        (backoff(100, 10_000, 2.0), 7, ms(10_000)),
        (backoff(100, 10_000, 2.0), u32::MAX, ms(10_000)),
        (backoff(100, 10_000, 1.5), 2, ms(225)),
        (backoff(100, 10_000, 1.0), u32::MAX, ms(100)),
        (backoff(100, 10_000, 0.5), 9, ms(100)),
        (backoff(100, 10_000, -2.0), 9, ms(100)),
        (backoff(100, 10_000, f64::NEG_INFINITY), 9, ms(100)),
        (backoff(100, 10_000, f64::NAN), 9, ms(100)),
        (backoff(100, 10_000, f64::INFINITY), 0, ms(100)),
        (backoff(100, 10_000, f64::INFINITY), 1, ms(10_000)),
        (backoff(0, 10_000, 2.0), u32::MAX, ms(0)),
        (backoff(0, 10_000, f64::INFINITY), 1, ms(0)),
        (backoff(100, 50, 2.0), 0, ms(50)),
        (backoff(100, 0, 2.0), 3, ms(0)),
        (ExponentialBackoff::new(MAX, MAX).jitter(Jitter::None), u32::MAX, MAX),
        (ExponentialBackoff::new(ms(1), MAX).jitter(Jitter::None), u32::MAX, MAX),
        // The result is exact to the nanosecond.
        (
            ExponentialBackoff::new(Duration::from_nanos(1), MAX).jitter(Jitter::None),
            40,
            Duration::from_nanos(1 << 40),
        ),
    ] {
        let plan = planned(&policy, |context| context.backoff_step(step));
        assert_eq!(plan, Window::exactly(expected).into(), "{policy:?} step {step}");
    }
}

#[test]
fn the_default_doubles_from_100_ms_to_10_s_with_full_jitter() {
    for (step, latest) in [(0, 100), (1, 200), (2, 400), (6, 6_400), (7, 10_000)] {
        assert_eq!(
            planned(&ExponentialBackoff::default(), |s| s.backoff_step(step)),
            between(0, latest),
            "step {step}"
        );
        assert_eq!(
            planned(&RetryAfterFirst::default(), |s| s.backoff_step(step)),
            between(0, latest),
            "step {step}"
        );
    }
}

#[test]
fn jitter_is_the_width_of_the_window() {
    let widest = Duration::MAX;
    for (jitter, backoff, earliest, latest) in [
        (Jitter::None, ms(80), ms(80), ms(80)),
        (Jitter::Full, ms(80), ms(0), ms(80)),
        (Jitter::Equal, ms(80), ms(40), ms(80)),
        (Jitter::Equal, Duration::from_nanos(1), ms(0), Duration::from_nanos(1)),
        (Jitter::Proportional(0.25), ms(80), ms(60), ms(100)),
        (Jitter::Proportional(0.0), ms(80), ms(80), ms(80)),
        (Jitter::Proportional(1.0), ms(80), ms(0), ms(160)),
        (Jitter::Proportional(7.0), ms(80), ms(0), ms(160)),
        (Jitter::Proportional(f64::INFINITY), ms(80), ms(0), ms(160)),
        (Jitter::Proportional(-1.0), ms(80), ms(80), ms(80)),
        (Jitter::Proportional(f64::NAN), ms(80), ms(80), ms(80)),
        (Jitter::Proportional(1.0), widest, ms(0), widest),
        (Jitter::None, ms(0), ms(0), ms(0)),
        (Jitter::Proportional(0.5), ms(0), ms(0), ms(0)),
    ] {
        assert_eq!(jitter.window(backoff), Window::between(earliest, latest), "{jitter:?} {backoff:?}");
        let plan = planned(&FixedDelay::new(backoff).jitter(jitter), |context| context.backoff_step(9));
        assert_eq!(plan, Window::between(earliest, latest).into(), "{jitter:?} {backoff:?}");
    }
    assert_eq!(Jitter::default(), Jitter::Full);
}

#[test]
fn decorrelated_jitter_is_three_times_the_last_delay_at_most() {
    for (base, cap, previous, expected) in [
        (10, 1_000, None, between(10, 30)),
        (10, 1_000, Some(10), between(10, 30)),
        (10, 1_000, Some(100), between(10, 300)),
        (10, 1_000, Some(334), between(10, 1_000)),
        (10, 1_000, Some(u64::MAX), between(10, 1_000)),
        // Another policy may have drawn less than the base.
        (10, 1_000, Some(0), between(10, 10)),
        (0, 1_000, None, between(0, 0)),
        (500, 100, None, between(100, 100)),
        (10, 0, Some(5), between(0, 0)),
    ] {
        let policy = DecorrelatedJitter::new(ms(base), ms(cap));
        let plan = planned(&policy, |context| context.backoff_step(7).previous_delay(previous.map(ms)));
        assert_eq!(plan, expected, "{base} {cap} {previous:?}");
    }
}

#[test]
fn a_moved_window_opens_no_earlier_and_keeps_its_width() {
    let window = |earliest, latest| Window::between(ms(earliest), ms(latest));
    for (window, opening, expected) in [
        (window(0, 100), 0, window(0, 100)),
        (window(0, 100), 40, window(40, 140)),
        (window(50, 100), 50, window(50, 100)),
        (window(50, 100), 1_000, window(1_000, 1_050)),
        (window(50, 100), 20, window(50, 100)),
        // An inverted window closes when it opens.
        (window(100, 50), 200, window(200, 200)),
    ] {
        assert_eq!(window.opening_at(ms(opening)), expected, "{window:?} at {opening}");
    }
    let wide = Window::up_to(Duration::MAX).opening_at(ms(1));
    assert_eq!(wide, Window::between(ms(1), Duration::MAX));
}

#[test]
fn both_ends_of_a_small_window_are_drawn() {
    let nanos = Duration::from_nanos;
    let mut rng = SmallRng::seed_from_u64(1);
    let window = Window::between(nanos(3), nanos(7));
    let drawn: BTreeSet<_> = (0..1_000).map(|_| window.draw(&mut rng)).collect();
    assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6, 7].map(nanos));
    assert_eq!(Window::between(nanos(7), nanos(3)).draw(&mut rng), nanos(7));
}

#[test]
fn draws_are_uniform() {
    let mut rng = SmallRng::seed_from_u64(1);
    let window = Window::between(ms(1_000), ms(2_000));
    let mut tenths = [0; 10];
    for _ in 0..100_000 {
        tenths[((window.draw(&mut rng) - ms(1_000)).as_millis() / 100).min(9) as usize] += 1;
    }
    // The bounds are ten standard deviations of about 95 each.
    assert!(tenths.iter().all(|count| (9_050..10_950).contains(count)), "{tenths:?}");
}

#[test]
fn a_backoff_of_years_is_rounded_to_no_more_than_its_cap() {
    let base = Duration::from_nanos(34_995_961_231_873_301);
    let cap = base + Duration::from_nanos(1);
    let plan = planned(&ExponentialBackoff::new(base, cap).jitter(Jitter::None), |context| context);
    assert_eq!(plan, Window::exactly(cap).into());
}

proptest! {
    #[test]
    fn a_draw_is_never_outside_of_its_window(
        earliest in any::<Duration>(),
        latest in any::<Duration>(),
        seed in any::<u64>(),
    ) {
        let drawn = Window::between(earliest, latest).draw(&mut SmallRng::seed_from_u64(seed));
        prop_assert!((earliest..=latest.max(earliest)).contains(&drawn), "{:?}", drawn);
    }

    #[test]
    fn a_backoff_never_shrinks_from_step_to_step(
        base in any::<Duration>(),
        cap in any::<Duration>(),
        multiplier in prop_oneof![any::<f64>(), 0.5..4.0],
        step in prop_oneof![0..100_u32, any::<u32>()],
    ) {
        let policy = ExponentialBackoff::new(base, cap).multiplier(multiplier);
        let width = |step| match planned(&policy, |context: RetryContext<'_>| context.backoff_step(step)) {
            Plan::Resend(window) => window.width(),
            Plan::GiveUp(reason) => panic!("{reason}"),
        };
        prop_assert!(width(step) <= width(step.saturating_add(1)));
        prop_assert!(width(step) <= cap);
    }
}
