//! The rows of the scripts, one fact each. The entry's promises in any order of events are in `properties.rs`.

mod budget;
mod news;
mod properties;
mod step_back;

use super::*;

/// A question of a member that knows a limit of 10 per second with a burst of 4.
fn question(want: i64) -> LeaseQuestion {
    let numbers = LeaseQuestion { want, demand: 5_000, lease: 200_000, ..Default::default() };
    LeaseQuestion { gap: 100_000, burst: 4_000, ..numbers }
}

/// An entry of the same limit that has been open for long, so that its burst is full.
fn full() -> Option<PaceEntry> {
    Some(PaceEntry { serial: 7, ..PaceEntry::new(NOW - 60 * SECOND, 100_000, 4_000, 0) })
}

/// The time of most tests, far from 0 as that of a store is.
const NOW: i64 = 1_700_000_000 * SECOND;

fn known(want: i64) -> LeaseQuestion {
    LeaseQuestion { serial: 7, ..question(want) }
}

#[test]
fn no_entry_and_nothing_known_means_free() {
    let mut slot = None;
    let answer = lease(&mut slot, NOW, 1, &LeaseQuestion { want: 9, ..Default::default() });
    assert_eq!(answer, LeaseAnswer::default());
    assert_eq!(slot, None);
}

#[test]
fn new_entry_has_one_slot_at_once() {
    let mut slot = None;
    let answer = lease(&mut slot, NOW, 1, &question(3));
    assert_eq!((answer.state, answer.count, answer.first), (LeaseAnswer::PACED, 3, 0));
    assert_eq!((answer.serial, answer.born, answer.gap, answer.burst), (1, NOW, 100_000, 4_000));
    let next = lease(&mut slot, NOW, 2, &question(1));
    assert_eq!((next.count, next.first), (1, 300_000));
}

#[test]
fn widest_gap_and_latest_quiet_win_in_the_first_second() {
    let mut slot = None;
    lease(&mut slot, NOW, 1, &LeaseQuestion { gap: 50_000, burst: 9_000, ..question(1) });
    let wide = LeaseQuestion { quiet: 700_000, serial: 4, ..question(1) };
    let answer = lease(&mut slot, NOW + 200_000, 2, &wide);
    assert_eq!((answer.gap, answer.burst, answer.quiet, answer.serial), (100_000, 4_000, 700_000, 5));
    let late = LeaseQuestion { gap: 900_000, ..question(1) };
    assert_eq!(lease(&mut slot, NOW + SECOND, 3, &late).gap, 100_000);
}

#[test]
fn full_burst_is_given_at_once_and_then_a_slot_each_gap() {
    let mut slot = full();
    let answer = lease(&mut slot, NOW, 1, &known(6));
    assert_eq!((answer.count, answer.first), (4, -300_000), "two leases hold four slots");
    let answer = lease(&mut slot, NOW, 1, &known(6));
    assert_eq!((answer.count, answer.first), (4, 100_000), "the next ones are in the future");
}

#[test]
fn slots_follow_the_shares_of_the_demand() {
    let mut slot = full();
    lease(&mut slot, NOW, 1, &LeaseQuestion { demand: 15_000, ..known(0) });
    let answer = lease(&mut slot, NOW, 2, &LeaseQuestion { elapsed: SECOND, ..known(9) });
    assert_eq!((answer.share, answer.count), (250, 1));
    let later = NOW + 2 * SECOND;
    let answer = lease(&mut slot, later, 2, &known(9));
    assert_eq!((answer.share, answer.count), (1_000, 4), "the other member is silent");
}

#[test]
fn half_of_the_burst_is_earned_while_slots_may_be_out() {
    let mut slot = full();
    let ahead = LeaseQuestion { ahead: 1, ..known(0) };
    assert_eq!(lease(&mut slot, NOW, 1, &ahead).first, -100_000);
    assert_eq!(lease(&mut slot, NOW + 400_000, 1, &known(0)).first, -300_000);
}

#[test]
fn debt_takes_a_slot_also_of_a_full_burst() {
    let mut slot = full();
    assert_eq!(lease(&mut slot, NOW, 1, &LeaseQuestion { debt: 1, ..known(0) }).first, -200_000);
    let hour = LeaseQuestion { debt: 90_000, ..known(0) };
    assert_eq!(lease(&mut slot, NOW, 1, &hour).first, 100_000, "nothing is free, and nobody is held");
    assert_eq!(lease(&mut slot, NOW, 1, &hour).first, 100_000, "nor by the debts of several members");
}

#[test]
fn debt_from_before_the_entry_was_made_does_not_count() {
    let mut slot = None;
    let alone = |serial| LeaseQuestion { debt: 3, serial, ..question(0) };
    assert_eq!(lease(&mut slot, NOW, 1, &alone(5)).first, 0);
    assert_eq!(lease(&mut slot, NOW + 100_000, 2, &alone(5)).first, -100_000);
    assert_eq!(lease(&mut slot, NOW + 100_000, 1, &alone(6)).first, 100_000, "it has seen the entry");
}

#[test]
fn slots_are_given_for_two_leases_from_now_on() {
    let mut slot = full();
    assert_eq!(lease(&mut slot, NOW, 1, &known(9)).count, 4);
    assert_eq!(lease(&mut slot, NOW, 2, &LeaseQuestion { elapsed: SECOND, ..known(9) }).count, 2);
    assert_eq!(lease(&mut slot, NOW, 1, &known(9)).count, 2);
    assert_eq!(lease(&mut slot, NOW, 1, &known(9)).count, 1, "one goes in any case");
}

#[test]
fn sums_count_what_all_members_were_served() {
    let mut slot = None;
    let searching = |passed| LeaseQuestion { passed, gap: 0, burst: 0, ..question(0) };
    assert_eq!(lease(&mut slot, NOW, 1, &searching(0)).born, 0);
    let answer = lease(&mut slot, NOW, 1, &searching(5));
    assert_eq!((answer.state, answer.born, answer.sum), (LeaseAnswer::FREE, NOW, 5));
    assert_eq!(lease(&mut slot, NOW, 2, &searching(7)).sum, 12, "whatever the serial");
}

#[test]
fn returned_slots_go_again_and_only_with_their_serial() {
    let mut slot = full();
    lease(&mut slot, NOW, 1, &known(4));
    let stale = LeaseQuestion { back: 2, serial: 6, ..known(0) };
    assert_eq!(lease(&mut slot, NOW, 1, &stale).first, 100_000);
    lease(&mut slot, NOW, 1, &known(2));
    let back = LeaseQuestion { back: 2, ..known(0) };
    assert_eq!(lease(&mut slot, NOW, 1, &back).first, 300_000, "later slots are out, so these are spare");
    let spare = lease(&mut slot, NOW, 2, &known(9));
    assert_eq!((spare.count, spare.first), (1, 0), "half of the burst without the slot that falls due");
}

#[test]
fn slots_that_come_back_after_the_burst_was_free_are_lost() {
    let mut slot = full();
    lease(&mut slot, NOW, 1, &known(4));
    lease(&mut slot, NOW + 500_000, 2, &known(4));
    let late = LeaseQuestion { back: 1, elapsed: 500_000, ..known(0) };
    assert_eq!(lease(&mut slot, NOW + 500_000, 1, &late).first, 100_000);
    let in_time = LeaseQuestion { elapsed: 0, ..late };
    assert_eq!(lease(&mut slot, NOW + 500_000, 2, &in_time).first, 100_000, "it is spare");
    assert_eq!(lease(&mut slot, NOW + 500_000, 2, &known(1)).first, 0);
}

#[test]
fn future_slots_that_come_back_go_when_they_are_due() {
    let mut slot = full();
    lease(&mut slot, NOW, 1, &known(4));
    lease(&mut slot, NOW, 1, &known(4));
    lease(&mut slot, NOW, 1, &LeaseQuestion { back: 1, back_in: 200_000, ..known(0) });
    assert_eq!(lease(&mut slot, NOW + 100_000, 2, &known(1)).first, 400_000);
    assert_eq!(lease(&mut slot, NOW + 200_000, 2, &known(1)).first, 0);
}

#[test]
fn served_sends_shorten_the_gap_to_the_last_part_of_a_microsecond() {
    let mut slot = full();
    slot.as_mut().unwrap().grow = 3;
    let served = LeaseQuestion { served: 1, ..known(0) };
    (0..10).for_each(|_| _ = lease(&mut slot, NOW, 1, &served));
    let entry = slot.unwrap();
    assert_eq!((entry.gap, entry.carry, entry.passed), (99_998, 999_973, 10));
}

#[test]
fn slots_are_never_later_than_a_minute() {
    let mut slot = full();
    let greedy = LeaseQuestion { lease: 2 * SECOND, debt: MAX_COUNT, ..known(MAX_COUNT) };
    (0..1_000).for_each(|_| _ = lease(&mut slot, NOW, 1, &greedy));
    let answer = lease(&mut slot, NOW, 1, &known(1));
    assert!(answer.count == 0 && answer.first <= MAX_AHEAD + MAX_GAP, "{answer:?}");
    let later = lease(&mut slot, NOW + answer.first, 1, &known(1));
    assert!(later.count == 1, "{later:?}");
}

#[test]
fn numbers_keep_their_order_and_ignore_what_is_appended() {
    let entry = full().unwrap();
    assert_eq!(PaceEntry::from_numbers(entry.to_numbers()), entry);
    assert_eq!(PaceEntry::NAMES[2], "tat");
    let longer = entry.to_numbers().into_iter().chain([1, 2, 3]);
    assert_eq!(PaceEntry::from_numbers(longer), entry);
    assert_eq!(News::from_numbers([5]), News { serial: 5, ..News::default() });
}

#[test]
fn entries_expire_after_their_quiet() {
    let mut entry = full().unwrap();
    entry.at = NOW;
    assert_eq!(entry.expires_in(), 600 * SECOND);
    entry.quiet = NOW + 3_600 * SECOND;
    assert_eq!(entry.expires_in(), 3_660 * SECOND);
}

#[test]
fn silent_members_are_forgotten_and_the_lowest_layout_counts() {
    let mut members = Vec::new();
    let speaks = |layout| JoinQuestion { layout, leaves: 0 };
    assert_eq!(join(&mut members, NOW, 1, &speaks(1)), JoinAnswer { members: 1, layout: 1 });
    assert_eq!(join(&mut members, NOW, 2, &speaks(2)), JoinAnswer { members: 2, layout: 1 });
    assert_eq!(join(&mut members, NOW + 3 * SECOND, 2, &speaks(2)).members, 2);
    assert_eq!(join(&mut members, NOW + 6 * SECOND, 2, &speaks(2)), JoinAnswer { members: 1, layout: 2 });
    let leaves = JoinQuestion { layout: 2, leaves: 1 };
    assert_eq!(join(&mut members, NOW + 6 * SECOND, 2, &leaves).members, 0);
}
