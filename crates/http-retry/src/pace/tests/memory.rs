//! The bounds of memory. All allocations count: the entry, its slot in the table, the state and its lists.

use allocation_counter::measure;

use super::*;

/// Few keys have larger tables for each of them, and take less time.
const KEYS: u64 = 150;

/// Returns the bytes of a key a minute after its last call, while another key is in use.
fn at_rest(calls: impl Fn(&Pace, &str)) -> u64 {
    let pace = Pace::per_authority();
    let counted = measure(|| {
        (0..KEYS).for_each(|key| calls(&pace, &key.to_string()));
        for second in 60..130 {
            let (mut other, now) = (ticket(&pace, "other", ""), START + secs(second));
            match pace.poll(&mut other, now, None) {
                Admission::Go(permit) => {
                    let _ = settle(&pace, permit, &response(429, None), now);
                }
                _ => pace.leave(&mut other, now),
            }
        }
    });
    assert_eq!(pace.key_count() as u64, KEYS + 1);
    u64::try_from(counted.bytes_current).unwrap() / KEYS
}

fn send(pace: &Pace, key: &str, now: Duration) -> Permit {
    match pace.poll(&mut ticket(pace, key, ""), now, None) {
        Admission::Go(permit) => permit,
        other => panic!("{other:?}"),
    }
}

/// Sends so many calls at once, of which so many are served and the others refused.
fn burst(pace: &Pace, key: &str, calls: usize, served: usize, at: Duration) {
    let sent: Vec<_> = (0..calls).map(|_| send(pace, key, at)).collect();
    for (index, permit) in sent.into_iter().enumerate() {
        let status = if index < served { 200 } else { 429 };
        let _ = settle(pace, permit, &response(status, Some(1)), at + ms(20));
    }
}

#[test]
fn a_key_that_was_never_refused_takes_200_bytes_at_most() {
    let bytes = at_rest(|pace, key| burst(pace, key, 5, 5, START));
    assert!(bytes <= 200, "{bytes} bytes");
}

/// A server for one key, which is called twice each 100 ms for 12 s. It says whether it serves a call.
fn calls(pace: &Pace, key: &str, hint: Option<u64>, mut serves: impl FnMut(Duration) -> bool) {
    let mut in_flight = Vec::new();
    for step in 0..120 {
        let now = START + ms(100 * step);
        for (permit, is_served) in std::mem::take(&mut in_flight) {
            let status = if is_served { 200 } else { 429 };
            let _ = settle(pace, permit, &response(status, hint), now);
        }
        for _ in 0..2 {
            let mut ticket = ticket(pace, key, "");
            match pace.poll(&mut ticket, now, None) {
                Admission::Go(permit) => in_flight.push((permit, serves(now - START))),
                _ => pace.leave(&mut ticket, now),
            }
        }
    }
    in_flight.into_iter().for_each(|(permit, _)| pace.lose(permit, START + secs(12)));
}

fn report(pace: &Pace, key: &str) -> PaceReport {
    pace.report(&ticket(pace, key, ""), START + secs(12))
}

#[test]
fn a_key_that_has_met_its_limit_takes_512_bytes_at_most_a_minute_later() {
    let bytes = at_rest(|pace, key| {
        burst(pace, key, 10, 6, START);
        let settled = send(pace, key, START + secs(2));
        pace.lose(settled, START + secs(2));
        let report = pace.report(&ticket(pace, key, ""), START + secs(2));
        assert!(report.rate.is_some() && report.in_flight == 0, "{report}");
    });
    assert!(bytes <= 512, "{bytes} bytes");
}

#[test]
fn a_key_that_was_overrun_for_long_takes_512_bytes_at_most_a_minute_later() {
    let bytes = at_rest(|pace, key| {
        let (mut level, mut at) = (10.0, Duration::ZERO);
        calls(pace, key, Some(1), |now| {
            level = f64::min(level + 8.0 * (now - at).as_secs_f64(), 10.0);
            at = now;
            let is_served = level >= 1.0;
            level -= f64::from(u8::from(is_served));
            is_served
        });
        let report = report(pace, key);
        assert!(report.rate.is_some_and(|rate| rate > 4.0 && rate < 16.0), "{report}");
    });
    assert!(bytes <= 512, "{bytes} bytes");
}

#[test]
fn a_key_whose_early_probe_was_refused_takes_512_bytes_at_most_a_minute_later() {
    let bytes = at_rest(|pace, key| {
        let mut is_stopped = false;
        calls(pace, key, Some(4), |now| {
            is_stopped |= pace.report(&ticket(pace, key, ""), START + now).stopped_for.is_some();
            now < secs(1) || now > secs(8)
        });
        assert!(is_stopped, "{}", report(pace, key));
    });
    assert!(bytes <= 512, "{bytes} bytes");
}

#[test]
fn a_key_with_a_limit_of_how_many_at_a_time_takes_512_bytes_at_most_a_minute_later() {
    let bytes = at_rest(|pace, key| {
        // The server refuses a call that comes beside two others at once, and takes 50 ms for those.
        for step in 0..120 {
            let now = START + ms(100 * step);
            let mut served = Vec::new();
            for _ in 0..4 {
                let mut ticket = ticket(pace, key, "");
                match pace.poll(&mut ticket, now, None) {
                    Admission::Go(permit) if served.len() < 2 => served.push(permit),
                    Admission::Go(permit) => _ = settle(pace, permit, &response(429, None), now + ms(5)),
                    _ => pace.leave(&mut ticket, now),
                }
            }
            served
                .into_iter()
                .for_each(|permit| _ = settle(pace, permit, &response(200, None), now + ms(50)));
        }
        assert!(report(pace, key).at_a_time.is_some(), "{}", report(pace, key));
    });
    assert!(bytes <= 512, "{bytes} bytes");
}

#[test]
fn a_key_that_refuses_by_chance_takes_512_bytes_at_most_a_minute_later() {
    let bytes = at_rest(|pace, key| {
        let mut count = 0;
        calls(pace, key, Some(1), |_| {
            count += 1;
            count * count % 11 != 1
        });
        assert!(report(pace, key).base_share > 0.02, "{}", report(pace, key));
    });
    assert!(bytes <= 512, "{bytes} bytes");
}

/// The ticket, all that the queue allocates, and the sleep of tokio that the layer boxes. A waker has no memory of its own.
#[test]
fn a_request_that_waits_takes_512_bytes_at_most() {
    const WAITERS: usize = 1_000;
    let pace = Pace::per_authority();
    let (now, _) = stop(&pace, "a", START, 60);
    let mut waiting = Vec::with_capacity(WAITERS);
    let counted = measure(|| {
        for _ in 0..WAITERS {
            let mut ticket = ticket(&pace, "a", "");
            let answer = pace.poll(&mut ticket, now, Some(Waker::noop()));
            assert!(matches!(answer, Admission::Wait { .. }), "{answer:?}");
            waiting.push(ticket);
        }
    });
    let queued = usize::try_from(counted.bytes_current).unwrap().div_ceil(WAITERS);
    let all = size_of::<Ticket>() + queued + SLEEP;
    assert!(queued > 100 && all <= 512, "{all} bytes, of which {queued} are for the queue");
}

/// The size of `tokio::time::Sleep` in release 1.
const SLEEP: usize = 128;

/// The numbers hold with the feature `fleet` and without it: what is shared costs a request no byte.
#[cfg(target_pointer_width = "64")]
#[test]
fn what_a_caller_holds_is_as_large_with_a_fleet_as_without() {
    let sizes =
        [size_of::<Ticket>(), size_of::<Permit>(), size_of::<Admission>(), size_of::<crate::Budget>()];
    assert_eq!(sizes, [120, 88, 88, 8]);
}

#[test]
fn what_a_caller_holds_is_small() {
    let sizes = [size_of::<Ticket>(), size_of::<Permit>(), size_of::<Admission>()];
    assert!(sizes.iter().all(|size| *size <= 192), "{sizes:?}");
}
