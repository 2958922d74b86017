//! The clock of the store steps back.

use super::*;

#[test]
fn all_times_move_along() {
    let mut slot = full();
    publish(&mut slot, NOW, 1, &PublishQuestion { kind: News::QUIET, quiet: 700_000, ..Default::default() });
    let before = lease(&mut slot, NOW, 1, &known(1));
    let hour = 3_600 * SECOND;
    let after = lease(&mut slot, NOW - hour, 1, &known(1));
    assert_eq!((before.quiet, before.serial), (after.quiet, after.serial));
    assert_eq!(lease(&mut slot, NOW - hour + 700_000, 1, &known(1)).state, LeaseAnswer::PROBE);
}

#[test]
fn slots_stay_as_far_in_the_future() {
    let mut slot = full();
    lease(&mut slot, NOW, 1, &known(4));
    let before = lease(&mut slot, NOW, 1, &known(2));
    let after = lease(&mut slot, NOW - 9 * SECOND, 2, &known(1));
    assert_eq!(after.first, before.first + 200_000);
    assert_eq!(after.born, before.born, "the birth is a name, so it stays");
}

#[test]
fn budget_accrues_on() {
    let mut slot = None;
    let question = SettleQuestion { capacity: 9_000, min_rate: 1_000, want: 9_000, ..Default::default() };
    settle(&mut slot, NOW, &question);
    let level = settle(&mut slot, NOW - 9 * SECOND, &SettleQuestion { want: 0, ..question }).level;
    let later = settle(&mut slot, NOW - 7 * SECOND, &SettleQuestion { want: 0, ..question }).level;
    assert_eq!(later, level + 2_000);
}

#[test]
fn members_of_the_future_are_forgotten_in_time() {
    let mut members = Vec::new();
    let speaks = JoinQuestion { layout: 1, leaves: 0 };
    join(&mut members, NOW, 1, &speaks);
    assert_eq!(join(&mut members, NOW - 5 * SECOND, 2, &speaks).members, 2, "a small step forgets no member");
    assert_eq!(join(&mut members, NOW - 60 * SECOND, 2, &speaks).members, 1);
    assert_eq!(join(&mut members, NOW - 59 * SECOND, 1, &speaks).members, 2, "its next sign of life counts");
}
