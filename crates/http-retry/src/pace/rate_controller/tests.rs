use super::*;
use crate::pace::constants::UNKNOWN_REFUSAL_TIME;
use crate::pace::learned_limit::ClaimTest;

fn moment(waiting: usize, unknown: usize) -> Moment {
    Moment {
        now: Duration::from_secs(100),
        waiting,
        queued: waiting,
        unknown,
        refusal_time: UNKNOWN_REFUSAL_TIME,
        patience: UNKNOWN_REFUSAL_TIME * 4,
        longest: Duration::from_secs(120),
        sends: 1_000,
        burst_from: 0,
        part: 1.0,
        part_of_load: 1.0,
    }
}

fn refused(ordinal: u64, sent_at: Duration) -> Refused {
    let (hint, previous, burst_part) = (None, None, None);
    let (is_precise, is_server, others) = (false, false, 0);
    Refused { ordinal, sent_at, hint, is_precise, is_server, previous, others, burst_part }
}

#[test]
fn requests_that_wait_follow_in_rounds_after_a_claim_was_dropped() {
    let mut control = RateController::new(false, Duration::ZERO);
    control.dropped(0.2, &moment(500, 4));
    assert!(control.slot(&moment(500, 3)).at <= moment(500, 3).now);
    assert!(control.slot(&moment(500, 4)).at > moment(500, 4).now, "all of them would go at once");
}

#[test]
fn requests_whose_own_hints_end_later_follow_in_rounds_after_a_claim_was_dropped() {
    let mut control = RateController::new(false, Duration::ZERO);
    control.dropped(0.2, &Moment { queued: 500, ..moment(0, 4) });
    assert!(control.slot(&moment(500, 4)).at > moment(500, 4).now, "all of them would go at once");
}

#[test]
fn a_refused_call_makes_no_room_for_others_after_a_claim_was_dropped() {
    let mut control = RateController::new(false, Duration::ZERO);
    let moment = |unknown| moment(500, unknown);
    control.dropped(0.2, &moment(4));
    (0..2).for_each(|ordinal| control.refused(&refused(ordinal, moment(0).now), &moment(3)));
    assert!(control.slot(&moment(2)).at > moment(2).now, "each refused call would be followed by another");
    (2..4).for_each(|ordinal| control.passed(ordinal, &moment(2)));
    assert!(control.slot(&moment(2)).at <= moment(2).now, "served calls make room");
}

#[test]
fn no_limit_holds_a_call_after_a_claim_was_dropped() {
    let mut control = RateController::new(false, Duration::ZERO);
    control.dropped(0.2, &moment(500, 4));
    assert!(control.was_full(moment(0, 0).now));
    control.looks_for_limit(&moment(500, 4));
    assert!(!control.was_full(moment(0, 0).now), "a search tries");
}

#[test]
fn few_requests_go_at_first_where_another_limit_is_looked_for() {
    let mut control = RateController::new(false, Duration::ZERO);
    control.looks_for_limit(&moment(500, 0));
    assert!(control.slot(&moment(500, 1)).at <= moment(500, 1).now);
    assert!(control.slot(&moment(500, 2)).at > moment(500, 2).now, "all of them would go at once");
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
    control.sent(2, false, &moment);
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
    let refused = |ordinal, sent_at, hint| {
        let hint = Some(Duration::from_millis(hint));
        Refused { hint, is_precise: true, ..refused(ordinal, sent_at) }
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
