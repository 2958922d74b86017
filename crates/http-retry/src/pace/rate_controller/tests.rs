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
    let mut test = ClaimTest::new(50.0);
    (0..all_refused).for_each(|_| test.count_refused());
    let mut limit = LearnedLimit::new(50.0, 5.0, Duration::ZERO);
    limit.test = Some(test);
    control.limit = Some(limit.into());
    (0..3).for_each(|_| control.found_fault(&moment(0, 0)));
    control.limit.is_some()
}

#[test]
fn a_claim_is_dropped_if_half_of_the_refusals_since_it_were_of_requests_at_fault() {
    assert!(!is_left_after_faults(4));
    assert!(!is_left_after_faults(6));
    assert!(is_left_after_faults(8));
}
