use super::*;

const BASE: f64 = 0.01;
const ROUND_TRIP: Duration = Duration::from_millis(20);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Refuses the sends of these ordinals. One call leaves each `gap`.
fn row(ordinals: impl IntoIterator<Item = u64>, gap: Duration) -> Row {
    let mut row = Row::default();
    for ordinal in ordinals {
        row.refused(ordinal, gap * ordinal as u32, ROUND_TRIP);
    }
    row
}

#[test]
fn refusals_with_nothing_served_between_are_a_standstill() {
    assert!(row(0..10, ms(50)).is_standstill(BASE, ROUND_TRIP));
    assert!(row([4, 2, 3, 1, 0], ms(50)).is_standstill(BASE, ROUND_TRIP));
    assert!(!row(0..1, ms(50)).is_standstill(BASE, ROUND_TRIP));
}

#[test]
fn a_few_refusals_of_one_burst_are_no_standstill() {
    let row = row(0..5, ms(1));
    assert!(!row.is_standstill(BASE, ROUND_TRIP) && !row.is_crowd());
}

#[test]
fn a_crowd_of_refusals_is_one_once_all_are_known() {
    let row = row(0..40, ms(1));
    assert!(row.is_crowd() && row.is_closed(BASE));
    assert_eq!(row.since(), ms(0));
}

#[test]
fn it_takes_more_refusals_where_many_are_refused_anyway() {
    let least = |base| (1..100).find(|count| row(0..*count, ms(50)).is_standstill(base, ROUND_TRIP)).unwrap();
    let least = [0.01, 0.1, 0.3].map(least);
    assert!(least[0] >= 3 && least[0] < least[1] && least[1] < least[2], "{least:?}");
}

#[test]
fn a_call_that_was_served_after_the_first_ends_the_row() {
    let mut row = row(10..20, ms(50));
    row.served(9);
    assert_eq!(row.count(), 10);
    row.served(11);
    assert_eq!(row.count(), 0);
    assert!(!row.is_standstill(BASE, ROUND_TRIP));
}

#[test]
fn calls_that_were_not_refused_between_begin_a_new_row() {
    let row = row([0, 1, 20], ms(50));
    assert_eq!((row.count(), row.since()), (1, ms(1_000)));
}

#[test]
fn calls_that_are_still_in_flight_between_do_not() {
    let row = row([0, 1, 2, 3, 9, 5, 7], ms(1));
    assert_eq!(row.count(), 7);
}

#[test]
fn a_request_that_is_refused_again_adds_nothing() {
    let mut row = row(0..2, ms(50));
    assert!(row.has(Some(0)) && row.has(Some(1)) && !row.has(None));
    (2..50).for_each(|ordinal| row.refused_again(ordinal, ms(50) * ordinal as u32));
    assert_eq!(row.count(), 2);
    assert!(!row.is_standstill(BASE, ROUND_TRIP));
    row = Row::default();
    assert!(row.count() == 0 && !row.has(Some(0)));
}

#[test]
fn a_call_of_before_the_row_is_none_of_it() {
    assert!(!row(10..12, ms(50)).has(Some(9)));
}

#[test]
fn one_request_that_is_refused_again_and_again_is_a_row_as_well() {
    let refused_again = |times: u64, gap| {
        let mut row = row(0..1, gap);
        (1..=times).for_each(|ordinal| row.refused_again(ordinal, gap * ordinal as u32));
        row
    };
    assert!(!refused_again(1, ms(1_000)).is_repeated(BASE, ROUND_TRIP));
    assert!(refused_again(2, ms(1_000)).is_repeated(BASE, ROUND_TRIP));
    assert!(!refused_again(2, ms(10)).is_repeated(BASE, ROUND_TRIP));
    assert!(!refused_again(2, ms(1_000)).is_repeated(0.1, ROUND_TRIP));
    assert!(!refused_again(2, ms(1_000)).is_standstill(BASE, ROUND_TRIP));
}
