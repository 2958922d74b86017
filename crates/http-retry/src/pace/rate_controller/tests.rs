use super::*;
use crate::pace::constants::UNKNOWN_REFUSAL_TIME;
use crate::pace::learned_limit::ClaimTest;

fn moment(waiting: usize, unknown: usize) -> Moment {
    Moment {
        now: Duration::from_secs(100),
        waiting,
        unknown,
        refusal_time: UNKNOWN_REFUSAL_TIME,
        patience: UNKNOWN_REFUSAL_TIME * 4,
        longest: Duration::from_secs(120),
        sends: 1_000,
        burst_from: 0,
        part: 1.0,
    }
}

#[test]
fn requests_that_wait_follow_in_rounds_after_a_claim_was_dropped() {
    let mut control = RateController::new(false, Duration::ZERO);
    control.dropped(0.2, &moment(500, 4));
    assert!(control.slot(&moment(500, 3)).at <= moment(500, 3).now);
    assert!(control.slot(&moment(500, 4)).at > moment(500, 4).now, "all of them would go at once");
}

#[test]
fn a_key_is_free_after_a_claim_was_dropped_if_no_request_waits() {
    let mut control = RateController::new(false, Duration::ZERO);
    control.dropped(0.2, &moment(0, 4));
    assert!(control.slot(&moment(0, 400)).at <= moment(0, 400).now);
}

/// Returns whether a claim is left after so many refusals, of which three were of requests at fault.
fn is_left_after_faults(all_refused: u32) -> bool {
    let mut control = RateController::new(false, Duration::ZERO);
    let mut test = ClaimTest::new(50.0, 0);
    (0..all_refused).for_each(|_| test.count_refused(None));
    let mut limit = LearnedLimit::new(50.0, 5.0, Duration::ZERO);
    limit.test = Some(test);
    control.limit = Some(limit.into());
    (0..3).for_each(|_| control.found_fault(1, &moment(0, 0)));
    control.limit.is_some()
}

#[test]
fn a_claim_is_dropped_if_half_of_the_refusals_since_it_were_of_requests_at_fault() {
    assert!(!is_left_after_faults(4));
    assert!(!is_left_after_faults(6));
    assert!(is_left_after_faults(8));
}

/// Returns whether a served call begins a new window of a search, if two calls were refused so long before it left.
fn begins_window_after(rest: Duration) -> bool {
    let (mut control, moment) = (RateController::new(false, Duration::ZERO), moment(0, 0));
    control.limit = Some(LearnedLimit::search(5.0, 20.0, moment.now).into());
    let (sent_at, spread) = (moment.now - rest, Duration::ZERO);
    (0..2).for_each(|ordinal| control.recent.row.refused(ordinal, sent_at, spread));
    control.sent_at = sent_at.into();
    control.sent(2, false, moment.now);
    control.passed(2, &moment);
    control.opening.is_some()
}

#[test]
fn refusals_before_a_rest_begin_no_window_after_it() {
    assert!(begins_window_after(Duration::from_secs(3)));
    assert!(!begins_window_after(Duration::from_secs(60)));
}

/// Returns the limit after a burst of 20 calls of which the last were refused with these hints in milliseconds, and after
/// the calls before it.
fn limit_after_hints(known: Option<LearnedLimit>, hints: &[u64], before: u64) -> LearnedLimit {
    let mut control = RateController::new(false, Duration::ZERO);
    control.limit = known.map(Box::new);
    let first = moment(20, 0);
    let refused = |ordinal, sent_at, hint: u64| Refused {
        ordinal,
        sent_at,
        hint: Some(Duration::from_millis(hint)),
        is_precise: true,
        is_server: false,
        previous: None,
        others: 0,
        burst_part: None,
    };
    if before > 0 {
        control.refused(&refused(0, first.now - Duration::from_millis(200), hints[0]), &first);
    }
    let newest = before + 19;
    let moment = Moment { burst_from: before, sends: newest + 1, ..first };
    for (ordinal, hint) in (newest + 1 - hints.len() as u64..).zip(hints) {
        control.refused(&refused(ordinal, moment.now, *hint), &moment);
    }
    let later = Moment { now: moment.now + Duration::from_millis(500), ..moment };
    control.advance(&later, moment.now);
    *control.limit.expect("a limit was met")
}

#[test]
fn the_longest_of_some_precise_hints_is_the_time_of_a_slot() {
    let limit = limit_after_hints(None, &[31, 50, 12, 44, 3], 0);
    assert!(!limit.is_search() && limit.burst() == 15.0, "{limit:?}");
    assert!((16.6..16.7).contains(&limit.rate()), "{}", limit.rate());
}

#[test]
fn hints_are_no_slots_if_they_are_few_or_short_or_of_a_window() {
    let search = || Some(LearnedLimit::search(5.0, 20.0, Duration::from_secs(90)));
    assert!(!limit_after_hints(search(), &[50, 44, 31], 0).is_search());
    assert!(limit_after_hints(search(), &[50, 44], 0).is_search());
    assert!(limit_after_hints(None, &[2, 1, 2, 2, 1], 0).is_search());
    // Five calls pass in 200 ms, while a slot of 400 ms would let one pass.
    assert!(limit_after_hints(None, &[400; 18], 4).is_search());
}
