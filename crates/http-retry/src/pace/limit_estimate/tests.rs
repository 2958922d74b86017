use super::*;

const SPREAD: Duration = Duration::from_millis(20);

/// A bucket of five calls that refills at a rate, and calls that come at another. Returns what is estimated after some time.
fn estimate(rate: f64, load: f64, seconds: f64) -> LimitEstimate {
    let mut estimate = LimitEstimate::default();
    let mut level = 5.0;
    for ordinal in 0..(seconds * load) as u64 {
        level = f64::min(level + rate / load, 5.0);
        if level >= 1.0 {
            level -= 1.0;
        } else {
            estimate.refused(ordinal, Duration::from_secs_f64(ordinal as f64 / load), SPREAD, 0);
        }
    }
    estimate
}

#[test]
fn the_rate_is_known_as_well_as_the_calls_that_passed_allow() {
    for (rate, load) in
        [(10.0, 12.0), (10.0, 50.0), (10.0, 1_000.0), (200.0, 220.0), (200.0, 2_000.0), (3.0, 4.0)]
    {
        let (measured, passed) = estimate(rate, load, 9.0).rate(20.0).unwrap();
        assert!(
            (measured / rate - 1.0).abs() < 0.04 + 1.0 / passed,
            "{measured} of {rate} at {load}, by {passed}"
        );
    }
}

#[test]
fn one_moment_tells_no_rate() {
    let mut estimate = LimitEstimate::default();
    assert_eq!((estimate.rate(1.0), estimate.passed_since(0), estimate.refused_lately()), (None, None, 0.0));
    for ordinal in 10..15 {
        estimate.refused(ordinal, Duration::from_millis(ordinal), SPREAD, 0);
    }
    assert_eq!((estimate.rate(1.0), estimate.refused_lately()), (None, 5.0));
    // Of 15 calls five were refused.
    assert_eq!(estimate.passed_since(0), Some(10));
    assert_eq!(estimate.passed_since(100), Some(0));
}

#[test]
fn refusals_that_say_nothing_are_no_calls_that_passed() {
    let mut estimate = LimitEstimate::default();
    estimate.refused(0, Duration::ZERO, SPREAD, 0);
    (1..=50).for_each(|_| estimate.refused_for_itself());
    estimate.refused(100, Duration::from_secs(1), SPREAD, 0);
    let (rate, passed) = estimate.rate(1.0).unwrap();
    assert_eq!((rate, passed), (49.0, 49.0));
}

#[test]
fn a_limit_that_had_room_for_long_tells_no_rate() {
    let mut estimate = LimitEstimate::default();
    estimate.refused(1_000, Duration::from_secs(10), SPREAD, 0);
    estimate.refused(2_000, Duration::from_secs(100), SPREAD, 0);
    assert_eq!(estimate.rate(1.0), None);
}

#[test]
fn the_moments_are_bounded() {
    let estimate = estimate(10.0, 20.0, 10_000.0);
    assert!(estimate.before.capacity() <= MOMENTS);
    assert!(estimate.rate(20.0).is_some());
}

#[test]
fn the_order_of_the_answers_of_one_moment_does_not_matter() {
    let refuse = |ordinals: [u64; 4]| {
        let mut estimate = LimitEstimate::default();
        estimate.refused(0, Duration::ZERO, SPREAD, 0);
        for ordinal in ordinals {
            estimate.refused(ordinal, Duration::from_millis(900 + ordinal), SPREAD, 0);
        }
        estimate.rate(1.0)
    };
    assert_eq!(refuse([50, 51, 52, 53]), refuse([53, 51, 50, 52]));
}

#[test]
fn few_calls_bound_the_rate_before_it_is_known() {
    for (rate, load) in [(5.0, 9.0), (16.0, 66.0), (200.0, 300.0)] {
        let estimate = estimate(rate, load, 5.0 / (load - rate) + 12.0 / rate);
        let (enough, most) = (40.0, estimate.most(40.0).unwrap());
        assert!(estimate.rate(enough).is_none_or(|(_, passed)| passed < enough));
        assert!(most >= rate && most < 1.5 * rate, "{most} of {rate} at {load}");
    }
    assert_eq!(LimitEstimate::default().most(40.0), None);
}

#[test]
fn calls_of_others_count_as_passed() {
    let mut estimate = LimitEstimate::default();
    estimate.refused(10, Duration::from_secs(1), SPREAD, 500);
    estimate.refused(51, Duration::from_secs(2), SPREAD, 560);
    assert_eq!(estimate.rate(40.0), Some((100.0, 100.0)));
}
