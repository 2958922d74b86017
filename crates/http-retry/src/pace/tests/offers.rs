//! A slot that is not taken passes on, and each waiter has its own deadline.

use super::*;
use crate::PaceRejection::TooLong;

/// The time after which an offer passes on, with room for the nanoseconds of rates.
const PASSES_ON: Duration = Duration::from_millis(21);

/// Lets `N` callers wait behind a stop that ends after five seconds.
fn behind_a_stop<const N: usize>(pace: &Pace) -> ([Caller; N], Duration) {
    // Short enough that no probe goes before its end.
    let (now, end) = stop(pace, "key", START, 2);
    let mut callers = [(); N].map(|()| Caller::new(pace, "key", ""));
    for caller in &mut callers {
        assert!(caller.poll(pace, now).is_none());
    }
    (callers, end)
}

#[test]
fn an_unpolled_probe_passes_on_and_keeps_its_place() {
    let pace = Pace::per_authority();
    let ([mut head, mut second, mut third], end) = behind_a_stop(&pace);
    assert!(second.poll(&pace, end).is_none());
    assert!(second.until <= end + PASSES_ON, "{:?} after the end", second.until - end);
    let probe = second.poll(&pace, second.until).unwrap().unwrap();
    assert!(probe.is_probe());

    // The head is polled again, and goes before those behind it.
    let now = second.until + ms(1);
    assert!(head.poll(&pace, now).is_none() && third.poll(&pace, now).is_none());
    settle(&pace, probe, &response(200, None), now + ms(1));
    let order = drain(&pace, vec![named(third, "third"), named(head, "head")], now + ms(1), secs(60)).0;
    assert_eq!(order, ["head", "third"]);
}

#[test]
fn an_unpolled_head_costs_each_slot_some_milliseconds_once() {
    let pace = Pace::per_authority();
    let ([_head, second, third, fourth], end) = behind_a_stop(&pace);
    // The head is never polled again. The others wait for it once.
    let callers = vec![named(second, "second"), named(third, "third"), named(fourth, "fourth")];
    let (order, now) = drain(&pace, callers, end, secs(5));
    assert_eq!(order, ["second", "third", "fourth"]);
    assert!(now <= end + secs(3), "{:?} after the end", now - end);
    assert_eq!(pace.waiting(), 1);
}

#[test]
fn an_unpolled_head_is_woken_when_its_slot_comes_early() {
    let pace = Pace::per_authority();
    let ([mut probe, mut head], end) = behind_a_stop(&pace);
    let permit = probe.poll(&pace, end + ms(1)).unwrap().unwrap();
    assert!(head.poll(&pace, end + ms(1)).is_none());
    assert!(head.until > end + ms(3));
    head.flag.take();
    settle(&pace, permit, &response(200, None), end + ms(3));
    assert!(head.flag.take(), "the slot is there before {:?}", head.until - end);
    assert!(head.poll(&pace, end + ms(3)).unwrap().is_ok());
}

#[test]
fn an_unpolled_probe_costs_the_later_probes_nothing() {
    let pace = Pace::per_authority();
    let ([_head, mut second, mut third], end) = behind_a_stop(&pace);
    assert!(second.poll(&pace, end).is_none());
    let now = second.until;
    let probe = second.poll(&pace, now).unwrap().unwrap();
    assert!(third.poll(&pace, now).is_none());
    assert!(settle(&pace, probe, &response(429, Some(3)), now + ms(5)).is_uncounted);
    let end = now + ms(5) + secs(3);
    assert!(third.poll(&pace, now + ms(5)).is_none());
    assert!(third.until <= end + ms(1), "{:?} after the end", third.until - end);
    assert!(third.poll(&pace, third.until).unwrap().unwrap().is_probe());
}

#[test]
fn a_probe_that_is_lost_passes_on() {
    let pace = Pace::per_authority();
    let ([mut first, mut second], end) = behind_a_stop(&pace);
    let permit = first.poll(&pace, end + ms(1)).unwrap().unwrap();
    assert!(second.poll(&pace, end + ms(1)).is_none());
    second.flag.take();
    pace.lose(permit, end + ms(2));
    assert!(second.flag.take());
    assert!(second.poll(&pace, end + ms(2)).unwrap().unwrap().is_probe());
}

#[test]
fn a_waiter_that_leaves_passes_its_slot_on() {
    let pace = Pace::per_authority();
    let ([mut first, mut second], end) = behind_a_stop(&pace);
    assert!(second.poll(&pace, end - ms(1)).is_none());
    second.flag.take();
    pace.leave(&mut first.ticket, end + ms(1));
    assert!(second.flag.take() || second.until <= end + ms(1));
    assert!(second.poll(&pace, end + ms(1)).unwrap().unwrap().is_probe());
}

#[test]
fn a_permit_that_is_given_back_keeps_the_place() {
    let pace = Pace::per_authority();
    let ([mut first, second], end) = behind_a_stop(&pace);
    let permit = first.poll(&pace, end + ms(1)).unwrap().unwrap();
    pace.give_back(&mut first.ticket, permit, end + ms(2));
    assert!(first.poll(&pace, end + ms(2)).unwrap().unwrap().is_probe());
    drop(second);
}

#[test]
fn a_stop_makes_permits_of_before_void_but_no_probe() {
    let pace = Pace::per_authority();
    let held = go(&pace, &mut ticket(&pace, "key", ""), START);
    assert!(pace.still_valid(&held, START));
    let (now, end) = stop(&pace, "key", START, 5);
    assert!(!pace.still_valid(&held, now));
    pace.lose(held, now);
    let probe = go(&pace, &mut ticket(&pace, "key", ""), end + ms(1));
    assert!(pace.still_valid(&probe, end + ms(1)));
    pace.lose(probe, end + ms(1));
}

#[test]
fn a_stop_that_ends_after_the_deadline_is_too_long_at_once() {
    let pace = Pace::per_authority();
    let (now, end) = stop(&pace, "key", START, 5);
    let mut request = ticket(&pace, "key", "");
    request.deadline(end - ms(100));
    assert_eq!(rejected(&pace, &mut request, now), TooLong);
    request.deadline(end + ms(100));
    assert!(wait(&pace, &mut request, now).0 <= end + ms(100));
    pace.leave(&mut request, now);
    assert_eq!(pace.waiting(), 0);
}

#[test]
fn a_waiter_is_told_its_deadline_and_rejected_at_it() {
    let pace = Pace::per_authority();
    let ([mut first, mut second], end) = behind_a_stop(&pace);
    let deadline = end + ms(30);
    second.ticket.deadline(deadline);
    let probe = first.poll(&pace, end + ms(1)).unwrap().unwrap();
    assert!(second.poll(&pace, end + ms(1)).is_none());
    assert!((deadline..=deadline + ms(1)).contains(&second.until), "{:?} after the end", second.until - end);
    assert!(matches!(second.poll(&pace, second.until), Some(Err(TooLong))));
    assert_eq!(pace.waiting(), 0);
    pace.lose(probe, second.until);
}

#[test]
fn a_free_key_sends_nothing_after_the_deadline_or_before_the_own_hint() {
    let pace = Pace::per_authority();
    let mut late = ticket(&pace, "key", "");
    late.deadline(START);
    assert_eq!(rejected(&pace, &mut late, START + ms(1)), TooLong);
    let mut early = ticket(&pace, "key", "");
    early.not_before(START + secs(1));
    assert_eq!(wait(&pace, &mut early, START), (START + secs(1), Why::OwnHint));
    let permit = go(&pace, &mut early, START + secs(1));
    pace.lose(permit, START + secs(1));
    let mut both = ticket(&pace, "key", "");
    both.not_before(START + secs(2));
    both.deadline(START + secs(1));
    assert_eq!(rejected(&pace, &mut both, START), TooLong);
    assert_eq!(pace.waiting(), 0);
}

fn named(caller: Caller, name: &str) -> Caller {
    Caller { name: name.to_owned(), ..caller }
}
