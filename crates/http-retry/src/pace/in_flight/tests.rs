use super::*;

const PATIENCE: Duration = Duration::from_millis(140);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Returns the send that silence acquits, and the others beside which it has passed.
fn next_acquitted(in_flight: &mut InFlight, patience: Duration, now: Duration) -> Option<(u64, Option<u32>)> {
    in_flight.next_acquitted(patience, now).map(|Acquitted { ordinal, beside, .. }| (ordinal, beside))
}

/// Sends so many calls, one each millisecond.
fn sent(count: u64) -> InFlight {
    let mut in_flight = InFlight::default();
    (0..count).for_each(|ordinal| in_flight.sent(ordinal, ms(ordinal), false, 0, ms(0)));
    in_flight
}

#[test]
fn an_outcome_is_news_once() {
    let mut in_flight = sent(3);
    assert_eq!((in_flight.unknown(), in_flight.oldest_unknown()), (3, Some(0)));
    assert!(in_flight.known(1) && !in_flight.known(1));
    assert!(!in_flight.known(3), "it was never sent");
    assert_eq!(in_flight.unknown(), 2);
    assert!(in_flight.known(0) && in_flight.known(2));
    assert_eq!(in_flight.unknown(), 0);
}

#[test]
fn silence_acquits_in_the_order_of_the_sends_and_not_too_early() {
    let mut in_flight = sent(3);
    assert!(in_flight.known(1));
    assert_eq!(next_acquitted(&mut in_flight, PATIENCE, PATIENCE - ms(1)), None);
    assert_eq!(next_acquitted(&mut in_flight, PATIENCE, PATIENCE), Some((0, Some(0))));
    assert_eq!(next_acquitted(&mut in_flight, PATIENCE, PATIENCE), None);
    assert_eq!(next_acquitted(&mut in_flight, PATIENCE, Duration::MAX), Some((2, None)));
    assert_eq!((next_acquitted(&mut in_flight, PATIENCE, Duration::MAX), in_flight.unknown()), (None, 0));
    assert!(!in_flight.known(2), "its outcome is no news any more");
}

#[test]
fn nothing_is_kept_of_calls_that_are_known() {
    let mut in_flight = sent(10_000);
    (0..10_000).rev().for_each(|ordinal| assert!(in_flight.known(ordinal)));
    assert_eq!((in_flight.sends.len(), in_flight.unknown()), (0, 0));
    assert!(in_flight.sends.capacity() <= 64);
}

#[test]
fn a_clock_that_goes_back_acquits_nothing_twice() {
    let mut in_flight = InFlight::default();
    in_flight.sent(0, Duration::MAX, false, 0, ms(0));
    in_flight.sent(1, ms(5), false, 0, ms(0));
    assert_eq!(next_acquitted(&mut in_flight, PATIENCE, ms(10_000)), None);
    assert_eq!(next_acquitted(&mut in_flight, PATIENCE, Duration::MAX), Some((0, Some(0))));
    assert_eq!(next_acquitted(&mut in_flight, PATIENCE, ms(10_000)), Some((1, None)));
    assert_eq!(in_flight.unknown(), 0);
}

#[test]
fn the_number_of_others_is_known_where_the_server_has_taken_all_of_them() {
    let mut in_flight = InFlight::default();
    in_flight.sent(0, ms(0), false, 3, ms(20));
    in_flight.sent(1, ms(21), false, 4, ms(20));
    assert_eq!((in_flight.refused_beside(0), in_flight.refused_beside(1)), (Some(3), None));
    assert_eq!(in_flight.passed_beside(1), None);
    assert!(in_flight.known(1));
    assert_eq!(next_acquitted(&mut in_flight, PATIENCE, ms(140)), Some((0, Some(3))));
    assert_eq!((in_flight.refused_beside(0), in_flight.passed_beside(0)), (None, None), "it is told once");
    in_flight.sent(2, ms(150), false, 5, ms(20));
    assert_eq!((in_flight.refused_beside(2), in_flight.passed_beside(2)), (Some(5), Some(5)));
}

#[test]
fn calls_that_leave_at_once_may_be_refused_beside_each_other() {
    let mut in_flight = InFlight::default();
    (0..3).for_each(|ordinal| in_flight.sent(ordinal, ms(ordinal), false, 1, ms(20)));
    // The network may let the second reach the server first, which then refuses the first.
    assert_eq!(in_flight.refused_beside(0), None);
    assert!(in_flight.known(0));
    assert_eq!((in_flight.passed_beside(1), in_flight.passed_beside(2)), (Some(1), None), "one case");
}
