//! A budget that members borrow from.

use proptest::prelude::*;

use super::*;

fn wants(want: i64) -> SettleQuestion {
    SettleQuestion { want, capacity: 100_000, min_rate: 10_000, members: 4, ..Default::default() }
}

#[test]
fn a_member_borrows_a_quarter_of_its_part() {
    let mut slot = None;
    let answer = settle(&mut slot, NOW, &wants(50_000));
    assert_eq!(answer, SettleAnswer { lent: 6_250, level: 93_750, born: NOW });
    let small = SettleQuestion { capacity: 2_000, ..wants(50_000) };
    let mut slot = None;
    assert_eq!(settle(&mut slot, NOW, &small).lent, 1_000, "one token at least");
    assert_eq!(settle(&mut slot, NOW, &SettleQuestion { capacity: 0, ..small }).lent, 0);
}

#[test]
fn earned_and_returned_tokens_fill_up_to_the_capacity() {
    let mut slot = None;
    settle(&mut slot, NOW, &SettleQuestion { spent: 50_000, ..wants(0) });
    let report = SettleQuestion { earned: 7_000, back: 3_000, born: NOW, ..wants(0) };
    assert_eq!(settle(&mut slot, NOW, &report).level, 60_000);
    assert_eq!(settle(&mut slot, NOW + SECOND, &SettleQuestion { earned: 900_000, ..report }).level, 100_000);
}

#[test]
fn debts_bring_it_below_zero_and_nothing_is_lent_then() {
    let mut slot = None;
    let answer = settle(&mut slot, NOW, &SettleQuestion { spent: 105_000, ..wants(1_000) });
    assert_eq!((answer.lent, answer.level), (0, -5_000));
    assert_eq!(settle(&mut slot, NOW + SECOND, &wants(1_000)).lent, 1_000);
}

#[test]
fn forgotten_budget_begins_at_the_lowest_level() {
    let mut slot = None;
    let seen = |level| SettleQuestion { level, born: NOW - SECOND, ..wants(0) };
    assert_eq!(settle(&mut slot, NOW, &seen(30_000)).level, 30_000);
    assert_eq!(settle(&mut slot, NOW, &seen(9_000)).level, 9_000);
    assert_eq!(settle(&mut slot, NOW, &SettleQuestion { born: NOW, ..seen(0) }).level, 9_000);
    assert_eq!(settle(&mut slot, NOW + 40 * SECOND, &seen(0)).level, 100_000);
}

#[test]
fn lowest_settings_count_while_a_member_names_them() {
    let mut slot = None;
    settle(&mut slot, NOW, &SettleQuestion { capacity: 40_000, min_rate: 1_000, ..wants(0) });
    settle(&mut slot, NOW + 29 * SECOND, &wants(0));
    let entry = slot.unwrap();
    assert_eq!((entry.capacity, entry.min_rate), (40_000, 1_000));
    settle(&mut slot, NOW + 31 * SECOND, &wants(0));
    let entry = slot.unwrap();
    assert_eq!((entry.capacity, entry.min_rate), (100_000, 10_000));
}

#[test]
fn budget_lives_until_it_is_full() {
    let mut slot = None;
    settle(&mut slot, NOW, &wants(0));
    assert_eq!(slot.unwrap().expires_in(), 600 * SECOND);
    settle(&mut slot, NOW, &SettleQuestion { min_rate: 10, ..wants(0) });
    assert_eq!(slot.unwrap().expires_in(), 20_000 * SECOND);
}

proptest! {
    /// Reports of any frequency accrue the minimum, and no more than it.
    #[test]
    fn never_more_is_lent_than_accrued(
        min_rate in 1_i64..20_000,
        steps in prop::collection::vec((1_i64..3_000_000, 0_i64..3_000, 0_i64..500), 1..200),
    ) {
        let mut slot = None;
        let base = SettleQuestion { capacity: 20_000, min_rate, members: 2, ..Default::default() };
        let (mut now, mut lent, mut earned) = (NOW, 0, 0);
        settle(&mut slot, now, &base);
        for (elapsed, want, gain) in steps {
            now += elapsed;
            let answer = settle(&mut slot, now, &SettleQuestion { want, earned: gain, ..base });
            lent += answer.lent;
            earned += gain;
            let most = 20_000 + (now - NOW) * min_rate / SECOND + earned;
            prop_assert!(lent <= most, "{lent} of {most}");
            prop_assert!(answer.level >= 0 && answer.level <= 20_000);
        }
        let empty = SettleQuestion { spent: 20_000, ..base };
        settle(&mut slot, now, &empty);
        // As often as each 300 microseconds, less than a thousandth of a token accrues each time.
        let before = slot.unwrap();
        for _ in 0..1_000 {
            now += 300;
            settle(&mut slot, now, &base);
        }
        let gained = slot.unwrap().tokens - before.tokens;
        // Each report may lose a microsecond.
        let (least, most) = (299_000 * min_rate / SECOND, 300_000 * min_rate / SECOND + 1);
        prop_assert!((least..=most).contains(&gained), "{gained}");
    }
}
