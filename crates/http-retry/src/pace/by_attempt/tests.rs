use super::*;

#[test]
fn refusals_of_all_first_attempts_depend_on_the_attempt() {
    let mut outcomes = ByAttempt::default();
    let mut last = false;
    for _ in 0..10 {
        last = outcomes.refused(0);
        outcomes.served(1);
    }
    assert!(last);
    // Those of another attempt do not.
    assert!(!outcomes.refused(1));
    assert!(!outcomes.refused(u32::MAX));
}

#[test]
fn they_do_where_calls_come_in_crowds() {
    let mut outcomes = ByAttempt::default();
    for crowd in 0..3 {
        let refused = (0..20).map(|_| outcomes.refused(0)).last();
        assert_eq!(refused, Some(crowd == 2), "{crowd}");
        (0..10).for_each(|_| outcomes.served(1));
    }
}

#[test]
fn refusals_of_each_attempt_do_not() {
    let mut outcomes = ByAttempt::default();
    for round in 0..100 {
        for attempts in 0..8 {
            assert!(!outcomes.refused(attempts), "round {round}, {attempts}");
        }
    }
}

#[test]
fn a_limit_that_refuses_some_of_each_attempt_does_not() {
    let mut outcomes = ByAttempt::default();
    for call in 0..1_000_u32 {
        let attempts = call % 3;
        match call % 7 < 3 {
            true => assert!(!outcomes.refused(attempts), "call {call}"),
            false => outcomes.served(attempts),
        }
    }
}

#[test]
fn what_was_true_is_forgotten() {
    let mut outcomes = ByAttempt::default();
    for _ in 0..50 {
        outcomes.refused(0);
        outcomes.served(1);
    }
    assert!(outcomes.refused(0));
    (0..50).for_each(|_| outcomes.served(0));
    assert!(!outcomes.refused(0));
}

#[test]
fn no_number_of_attempts_is_too_large() {
    let mut outcomes = ByAttempt::default();
    for attempts in [4, 5, 1_000, u32::MAX] {
        outcomes.served(attempts);
        assert!(!outcomes.refused(attempts));
    }
}
