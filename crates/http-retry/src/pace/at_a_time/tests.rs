use super::*;

const RTT: Duration = Duration::from_millis(20);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Returns what comes of a claim of 100 at a time after such calls, one each 20 ms and each beside one less: those that were
/// refused, or passed.
fn after(calls: &[bool]) -> Option<Disproof> {
    let mut at_a_time = AtATime::default();
    at_a_time.claim(100, Duration::ZERO, Duration::ZERO);
    let calls = (1..).zip(calls);
    let mut disproofs = calls.map(|(index, is_refused)| {
        let sent_at = RTT * index;
        if *is_refused {
            let others = 100 - index;
            return at_a_time.refused(index.into(), others, others.into(), sent_at, sent_at + RTT / 2);
        }
        at_a_time.passed_beside(index.into(), None);
        None
    });
    disproofs.find_map(|disproof| disproof)
}

#[test]
fn calls_that_are_refused_in_a_row_beside_fewer_and_fewer_disprove_a_limit() {
    assert_eq!(after(&[true; 3]), None);
    assert_eq!(after(&[true; 4]), Some(Disproof::AnotherLimit));
}

#[test]
fn a_call_that_passes_ends_such_a_row() {
    assert_eq!(after(&[true, true, true, false, true, true, true]), None);
}

#[test]
fn calls_that_are_refused_beside_as_many_as_before_are_no_such_row() {
    // The claim was too high, and the limit is full all the time.
    let mut at_a_time = AtATime::default();
    at_a_time.claim(70, Duration::ZERO, Duration::ZERO);
    let calls = (1_u32..).zip([62, 60, 60, 60, 60, 61, 60]);
    let mut disproofs = calls.map(|(index, others)| {
        let sent_at = RTT * index;
        at_a_time.refused(index.into(), others, others.into(), sent_at, sent_at + RTT / 2)
    });
    assert_eq!(disproofs.find_map(|disproof| disproof), None);
}

#[test]
fn refusals_of_calls_that_left_before_the_last_cut_are_no_such_row() {
    let mut at_a_time = AtATime::default();
    at_a_time.claim(100, Duration::ZERO, Duration::ZERO);
    let disproof = (0..10).find_map(|ordinal| at_a_time.refused(ordinal, 100, 90, ms(10), ms(20)));
    assert_eq!(disproof, None);
}

#[test]
fn a_window_that_was_used_up_by_a_burst_is_no_limit_of_how_many_at_a_time() {
    let mut at_a_time = AtATime::default();
    for round in 0..20 {
        let now = ms(1_000) + RTT * 5 * round;
        at_a_time.note_refused(90, RTT, now);
        // The answers of the burst are heard later than the refusals that came after it.
        at_a_time.passed(round, ms(900), false);
    }
    assert!(!at_a_time.is_plain());
    for others in 0..5 {
        at_a_time.passed(others, ms(1_100), false);
    }
    assert!(at_a_time.is_plain(), "calls pass beside fewer since");
}

/// Returns what comes of a claim of 100 at a time if the server refuses the first `refused` of each 20 calls that leave beside ten
/// others.
fn after_crowds(refused: u64) -> Option<Disproof> {
    let mut at_a_time = AtATime::default();
    at_a_time.claim(100, Duration::ZERO, Duration::ZERO);
    let mut disproofs =
        (0..6_u32).flat_map(|crowd| (0..20).map(move |index| (crowd, index))).map(|(crowd, index)| {
            let (ordinal, sent_at) = (u64::from(crowd) * 20 + index, ms(10) + RTT * 2 * crowd);
            if index < refused {
                return at_a_time.refused(ordinal, 10, 11, sent_at, sent_at + RTT);
            }
            at_a_time.passed(10, sent_at, false);
            None
        });
    disproofs.find_map(|disproof| disproof)
}

#[test]
fn refusals_of_calls_that_left_next_to_each_other_are_those_of_another_limit() {
    assert_eq!(after_crowds(1), Some(Disproof::Chance(4.0 / 61.0)));
    assert_eq!(after_crowds(3), Some(Disproof::AnotherLimit));
}
