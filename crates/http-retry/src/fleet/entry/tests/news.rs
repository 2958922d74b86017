//! Quiet times, probes and openings.

use super::*;

fn tell(kind: i64, serial: i64) -> PublishQuestion {
    PublishQuestion { kind, serial, ..Default::default() }
}

fn quiet(serial: i64, quiet: i64) -> PublishQuestion {
    PublishQuestion { quiet, ..tell(News::QUIET, serial) }
}

#[test]
fn quiet_voids_slots_and_the_later_one_wins() {
    let mut slot = full();
    let (answer, news) = publish(&mut slot, NOW, 1, &quiet(7, 900_000));
    assert_eq!((answer.written, answer.serial), (1, 8));
    let news = news.unwrap();
    assert_eq!((news.kind, news.serial, news.until, news.gap), (News::QUIET, 8, 900_000, 100_000));
    let (answer, news) = publish(&mut slot, NOW, 2, &quiet(7, 500_000));
    assert_eq!((answer.written, answer.quiet, news), (0, 900_000, None));
    assert_eq!(publish(&mut slot, NOW, 2, &quiet(7, 950_000)).0.written, 1);
    let held = lease(&mut slot, NOW + 940_000, 1, &known(1));
    assert_eq!((held.state, held.count, held.first), (LeaseAnswer::QUIET, 0, 10_000));
}

#[test]
fn one_member_probes_and_another_takes_over_from_a_dead_one() {
    let mut slot = full();
    publish(&mut slot, NOW, 1, &quiet(7, 100_000));
    let end = NOW + 100_000;
    assert_eq!(lease(&mut slot, end, 1, &known(0)).state, LeaseAnswer::WAIT, "it wants no slot");
    assert_eq!(lease(&mut slot, end, 1, &known(1)).state, LeaseAnswer::PROBE);
    let other = lease(&mut slot, end + 200_000, 2, &known(1));
    assert_eq!((other.state, other.count, other.first), (LeaseAnswer::WAIT, 0, 800_000));
    assert_eq!(publish(&mut slot, end + 500_000, 2, &tell(News::PROBING, 8)).0.written, 0);
    assert_eq!(publish(&mut slot, end + 500_000, 1, &tell(News::PROBING, 8)).0.written, 1);
    assert_eq!(lease(&mut slot, end + SECOND, 2, &known(1)).state, LeaseAnswer::WAIT);
    assert_eq!(lease(&mut slot, end + 1_500_000, 2, &known(1)).state, LeaseAnswer::PROBE);
    assert_eq!(publish(&mut slot, end + 1_600_000, 1, &tell(News::PROBING, 8)).0.written, 0);
}

#[test]
fn served_probe_opens_with_its_numbers_and_gets_the_sums() {
    let mut slot = full();
    let opened = PublishQuestion { gap: 20_000, burst: 10_000, left: 4, grow: 5, ..tell(News::OPENED, 7) };
    assert_eq!(publish(&mut slot, NOW, 1, &opened).0.serial, 8);
    let first = lease(&mut slot, NOW, 1, &LeaseQuestion { serial: 8, ..question(9) });
    assert_eq!((first.count, first.first), (9, -40_000), "three are due, the others follow");
    lease(&mut slot, NOW + 400_000, 1, &LeaseQuestion { serial: 8, served: 9, ..question(0) });
    publish(&mut slot, NOW + 500_000, 1, &quiet(8, 100_000));
    let probe = lease(&mut slot, NOW + 600_000, 2, &question(1));
    assert_eq!((probe.state, probe.passed, probe.passed_in), (LeaseAnswer::PROBE, 9, 500_000));
}

#[test]
fn refused_probe_is_a_streak() {
    let mut slot = full();
    for round in 1..4 {
        let serial = slot.unwrap().serial;
        publish(&mut slot, NOW + round * SECOND, 1, &quiet(serial, 500_000));
        assert_eq!(slot.unwrap().streak, round - 1);
        lease(&mut slot, NOW + round * SECOND + 500_000, 1, &known(1));
    }
    let serial = slot.unwrap().serial;
    assert_eq!(slot.unwrap().since, NOW + SECOND);
    publish(&mut slot, NOW + 5 * SECOND, 1, &PublishQuestion { left: 2, ..tell(News::OPENED, serial) });
    assert_eq!((slot.unwrap().streak, slot.unwrap().since), (0, 0));
}

#[test]
fn announced_rate_counts_from_the_current_serial_only() {
    let mut slot = full();
    lease(&mut slot, NOW, 1, &known(4));
    lease(&mut slot, NOW, 1, &known(4));
    let announced = PublishQuestion { gap: 200_000, burst: 3_000, left: 1, ..tell(News::ANNOUNCED, 7) };
    assert_eq!(publish(&mut slot, NOW, 1, &PublishQuestion { serial: 6, ..announced }).0.written, 0);
    let (answer, _) = publish(&mut slot, NOW, 1, &announced);
    assert_eq!((answer.written, answer.gap, answer.burst), (1, 200_000, 3_000));
    let next = lease(&mut slot, NOW, 1, &known(0));
    assert_eq!(next.first, 200_000, "nothing is left, and the later slots that were out are void");
}

#[test]
fn announced_quota_lowers_what_is_free_and_never_raises_it() {
    let mut slot = full();
    publish(&mut slot, NOW, 1, &PublishQuestion { left: 3, ..tell(News::ANNOUNCED, 7) });
    assert_eq!(lease(&mut slot, NOW, 1, &known(0)).first, -100_000);
    let serial = slot.unwrap().serial;
    publish(&mut slot, NOW, 1, &PublishQuestion { left: 900, ..tell(News::ANNOUNCED, serial) });
    assert_eq!(lease(&mut slot, NOW, 1, &known(0)).first, -100_000);
}

#[test]
fn forgotten_entry_is_made_again_of_what_is_told() {
    let mut slot = None;
    assert_eq!(publish(&mut slot, NOW, 1, &tell(News::PROBING, 9)).0, PublishAnswer::default());
    assert_eq!(publish(&mut slot, NOW, 1, &tell(News::OPENED, 9)).0.written, 0, "no rate is known");
    let (answer, _) = publish(&mut slot, NOW, 1, &quiet(9, 300_000));
    assert_eq!((answer.written, answer.serial, answer.quiet), (1, 10, 300_000));
    let after = lease(&mut slot, NOW + 300_000, 1, &LeaseQuestion { serial: 10, ..known(1) });
    assert_eq!(
        (after.state, after.gap),
        (LeaseAnswer::PROBE, 0),
        "the serial is known, so no gap is taken in"
    );
    publish(&mut slot, NOW + SECOND, 1, &tell(News::OPENED, 10));
    let free = lease(&mut slot, NOW + SECOND, 1, &LeaseQuestion { serial: 11, ..known(1) });
    assert_eq!(free.state, LeaseAnswer::FREE);
}

#[test]
fn later_serial_of_a_member_voids_what_an_old_replica_gave() {
    let mut slot = full();
    let answer = lease(&mut slot, NOW, 1, &LeaseQuestion { serial: 12, ..known(1) });
    assert_eq!(answer.serial, 13);
    assert_eq!(
        lease(&mut slot, NOW, 1, &LeaseQuestion { serial: i64::MAX, ..known(1) }).serial,
        MAX_SERIAL + 1
    );
}

#[test]
fn rate_that_has_grown_leaves_the_slots_that_are_out() {
    let mut slot = full();
    lease(&mut slot, NOW, 1, &known(4));
    let grown = |gap| PublishQuestion { gap, burst: 4_000, ..tell(News::ANNOUNCED, 7) };
    let (answer, news) = publish(&mut slot, NOW, 1, &grown(80_000));
    assert_eq!((answer.written, answer.serial, answer.gap), (1, 7, 80_000));
    assert_eq!(news.map(|news| (news.serial, news.gap)), Some((7, 80_000)));
    assert_eq!(publish(&mut slot, NOW, 2, &grown(90_000)).0.written, 0, "another member knows more");
    assert_eq!(lease(&mut slot, NOW, 1, &known(1)).first, 100_000, "no slot is given twice");
    let cut = PublishQuestion { refused: 1, ..grown(90_000) };
    assert_eq!(publish(&mut slot, NOW, 2, &cut).0.serial, 8);
}

#[test]
fn limit_that_is_none_is_dropped_for_all() {
    let mut slot = full();
    let (answer, news) = publish(&mut slot, NOW, 1, &tell(News::DROPPED, 7));
    assert_eq!((answer.written, answer.serial, answer.gap), (1, 8, 0));
    assert_eq!(news.map(|news| (news.kind, news.gap)), Some((News::DROPPED, 0)));
    assert_eq!(lease(&mut slot, NOW, 2, &known(1)).state, LeaseAnswer::FREE);
    assert_eq!(publish(&mut slot, NOW, 2, &tell(News::DROPPED, 8)).0.written, 0, "there is none");
}
