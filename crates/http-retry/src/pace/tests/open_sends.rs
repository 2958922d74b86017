//! The quotas count the sends in flight, also where their answers come while the key is free.

use std::sync::atomic::Ordering::Relaxed;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Event {
    Send {
        cost: u32,
    },
    /// The oldest send, or the newest, has an answer or none.
    End {
        is_oldest: bool,
        answer: Option<Answer>,
    },
    Serve {
        calls: usize,
    },
    Pause {
        millis: u64,
    },
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Served,
    Refused,
    Announced,
}

fn event() -> impl Strategy<Value = Event> {
    let answer =
        prop_oneof![2 => Just(Answer::Served), 1 => Just(Answer::Refused), 1 => Just(Answer::Announced)];
    let answer = proptest::option::weighted(0.8, answer);
    prop_oneof![
        3 => (1..50_u32).prop_map(|cost| Event::Send { cost }),
        3 => (any::<bool>(), answer).prop_map(|(is_oldest, answer)| Event::End { is_oldest, answer }),
        1 => (1..120_usize).prop_map(|calls| Event::Serve { calls }),
        1 => (0..70_000_u64).prop_map(|millis| Event::Pause { millis }),
    ]
}

fn head(answer: Answer) -> Response<()> {
    match answer {
        Answer::Served => response(200, None),
        Answer::Refused => response(429, Some(1)),
        Answer::Announced => {
            let mut head = response(200, None);
            head.headers_mut().insert("ratelimit", r#""a";r=900;t=20"#.parse().unwrap());
            head.headers_mut().insert("ratelimit-policy", r#""a";q=1000;w=30"#.parse().unwrap());
            head
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_quotas_count_what_was_reserved_since_the_key_was_free(
        events in proptest::collection::vec(event(), 1..80)
    ) {
        let pace = Pace::per_authority().cost(|head| head.header("cost").unwrap().parse().unwrap());
        let (mut now, mut in_flight) = (START, Vec::new());
        for event in events {
            match event {
                Event::Send { cost } => in_flight.extend(go(&pace, cost, now).map(|permit| (permit, cost))),
                Event::End { is_oldest, answer } if !in_flight.is_empty() => {
                    let index = if is_oldest { 0 } else { in_flight.len() - 1 };
                    end(&pace, in_flight.remove(index).0, answer, now);
                }
                Event::End { .. } => {}
                Event::Serve { calls } => {
                    for _ in 0..calls {
                        now += ms(30);
                        in_flight.extend(go(&pace, 1, now).map(|permit| (permit, 1)));
                        check(&mut in_flight);
                        if let Some((permit, _)) = in_flight.pop() {
                            end(&pace, permit, Some(Answer::Served), now);
                        }
                        check(&mut in_flight);
                    }
                }
                Event::Pause { millis } => now += ms(millis),
            }
            check(&mut in_flight);
        }
    }
}

fn go(pace: &Pace, cost: u32, now: Duration) -> Option<Permit> {
    let request = Request::get("http://a/").header("cost", cost).body(()).unwrap();
    let mut ticket = pace.ticket(&RequestHead::from(&request));
    match pace.poll(&mut ticket, now, None) {
        Admission::Go(permit) => Some(permit),
        _ => {
            pace.leave(&mut ticket, now);
            None
        }
    }
}

fn end(pace: &Pace, permit: Permit, answer: Option<Answer>, now: Duration) {
    match answer {
        Some(answer) => {
            let _ = settle(pace, permit, &head(answer), now);
        }
        None => pace.lose(permit, now),
    }
}

/// Compares what the quotas count with the permits. One whose key was free since then does not count.
#[track_caller]
fn check(in_flight: &mut [(Permit, u32)]) {
    let Some(entry) = in_flight.first().and_then(|(permit, _)| permit.entry.clone()) else {
        return;
    };
    let is_free = entry.is_free.load(Relaxed);
    in_flight.iter_mut().for_each(|(permit, _)| permit.is_reserved &= !is_free);
    let counted = in_flight.iter().filter(|(permit, _)| permit.is_reserved);
    let expected = counted.fold((0, 0), |(calls, units), (_, cost)| (calls + 1, units + u64::from(*cost)));
    let found = entry.lock().as_ref().map_or((0, 0), |state| state.in_flight_of_quotas());
    assert_eq!(found, expected, "in flight {}", entry.in_flight());
}

#[test]
fn a_send_from_before_the_key_was_free_is_not_taken_for_a_later_one() {
    let pace = Pace::per_authority().cost(|head| head.header("cost").unwrap().parse().unwrap());
    let mut now = START;
    let refuse = |now: &mut Duration| {
        let permit = go(&pace, 1, *now).unwrap();
        *now += secs(2);
        end(&pace, permit, Some(Answer::Refused), *now);
        *now += secs(2);
    };
    refuse(&mut now);
    let early = go(&pace, 7, now).unwrap();
    let entry = early.entry.clone().unwrap();
    assert!(early.is_reserved && !entry.is_free.load(Relaxed));
    for _ in 0..400 {
        now += ms(30);
        let permit = go(&pace, 1, now).unwrap();
        end(&pace, permit, Some(Answer::Served), now);
    }
    assert!(entry.is_free.load(Relaxed), "no call is refused any more");
    refuse(&mut now);
    let late = go(&pace, 9, now).unwrap();
    assert!(late.is_reserved && !entry.is_free.load(Relaxed));
    end(&pace, early, None, now);
    let counted = entry.lock().as_ref().map(|state| state.in_flight_of_quotas());
    assert_eq!(counted, Some((1, 9)));
    end(&pace, late, None, now);
}
