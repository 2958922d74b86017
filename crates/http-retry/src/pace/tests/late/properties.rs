//! Late requests in any order of events.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Event {
    Late { credential: bool },
    Known { credential: bool, model: bool },
    End { index: usize, model: bool, status: Option<u16> },
    Pause { millis: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    let status =
        prop_oneof![3 => Just(Some(200)), 2 => Just(Some(429)), 1 => Just(Some(503)), 1 => Just(None)];
    prop_oneof![
        4 => any::<bool>().prop_map(|credential| Event::Late { credential }),
        2 => any::<(bool, bool)>().prop_map(|(credential, model)| Event::Known { credential, model }),
        5 => (0..1000_usize, any::<bool>(), status).prop_map(|(index, model, status)| Event::End { index, model, status }),
        1 => (0..20_000_u64).prop_map(|millis| Event::Pause { millis }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever happens, no call is in flight once all have ended, and everybody goes on.
    #[test]
    fn no_late_send_is_counted_for_ever(events in proptest::collection::vec(event(), 1..150)) {
        let pace = by_parts();
        let name = |credential| if credential { "a" } else { "b" };
        let model = |model| if model { "m" } else { "n" };
        let (mut now, mut late, mut known) = (START, Vec::new(), Vec::new());
        for event in events {
            match event {
                Event::Late { credential } => late.extend(Late::try_send(&pace, name(credential), now)),
                Event::Known { credential, model: of } => {
                    let mut ticket = ticket_of(&pace, name(credential), Some(model(of)));
                    match pace.poll(&mut ticket, now, None) {
                        Admission::Go(permit) => known.push(permit),
                        _ => pace.leave(&mut ticket, now),
                    }
                }
                Event::End { index, model: of, status } if index % 2 == 0 && !late.is_empty() => {
                    let ended: Late = late.swap_remove(index % late.len());
                    match status {
                        Some(status) => drop(ended.settle(&pace, model(of), &response(status, None), now)),
                        None => pace.lose(ended.permit, now),
                    }
                }
                Event::End { index, status, .. } if !known.is_empty() => {
                    let permit = known.swap_remove(index % known.len());
                    match status {
                        Some(status) => drop(settle(&pace, permit, &response(status, None), now)),
                        None => pace.lose(permit, now),
                    }
                }
                Event::End { .. } => {}
                Event::Pause { millis } => now += ms(millis),
            }
        }
        late.into_iter().for_each(|late| pace.lose(late.permit, now));
        known.into_iter().for_each(|permit| pace.lose(permit, now));
        for (credential, of) in [("a", "m"), ("a", "n"), ("b", "m"), ("b", "n")] {
            let mut ticket = ticket_of(&pace, credential, Some(of));
            prop_assert_eq!(pace.report(&ticket, now).in_flight, 0);
            let later = now + secs(700);
            prop_assert!(matches!(pace.poll(&mut ticket, later, None), Admission::Go(_)));
            prop_assert!(!may_hold(&pace, credential, now + secs(1_500)));
        }
    }
}
